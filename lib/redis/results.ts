import type { CompleteRequest, Fence } from '../fleet/engine.js';
import { flag, whole, type Keys } from './call.js';
import type { Bytes, RedisConnection } from './connection.js';
import { COMPLETE, PAGE, SERVE } from './scripts.js';
import type { Seal } from './seal.js';

/** How flights ended, in Redis: published to those who wait, page by page, and read by those who ask. */
export class Results {
  constructor(
    private readonly connection: RedisConnection,
    private readonly keys: Keys,
    private readonly seal: Seal,
    private readonly inlineBytes: number,
  ) {}

  /** Tells the first page of those who wait. */
  publish(request: CompleteRequest, name: string, token: string): Promise<unknown> {
    const { fence, payload, retainMs, lingerMs, insideLease, retain } = request;
    const { channel } = this.keys;
    const keys = this.keys.of(name, 'owner', 'waiters', 'last', 'apart', `result:${fence}`, 'forgotten');
    // What is not kept cannot be fetched.
    const isSmall = payload.byteLength <= this.inlineBytes || !retain;
    const body = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    const args: Bytes[] = [
      ...[name, token, String(fence), body, this.seal.make('settled', name, fence, payload), flag(isSmall)],
      ...[whole(retainMs), String(Math.round(lingerMs)), flag(insideLease), flag(retain), channel, String(PAGE)],
    ];
    return this.connection.run(COMPLETE, keys, args);
  }

  /**
   * The pages after the first: of those who are told a result, or that their flight is forgotten. If this process dies
   * between two of them, the leases and the kept result are there.
   */
  async serve(name: string, fence: Fence, kind: 's' | 'f', seal: string, left: number): Promise<void> {
    const keys = this.keys.of(name, 'apart', `result:${fence}`);
    let [skip, rest] = [kind === 'f' ? PAGE : 0, left];
    while (rest > 0) {
      const args = [name, String(fence), kind, seal, String(skip), this.keys.channel, String(PAGE)];
      rest = Number(await this.connection.run(SERVE, keys, args));
      if (kind === 'f') skip += PAGE;
    }
  }

  /** Undefined when nothing is kept, or it has no seal of this secret. */
  async fetch(name: string, fence: Fence): Promise<Uint8Array | undefined> {
    const [key = ''] = this.keys.of(name, `result:${fence}`);
    const [payload, seal] = await this.connection.fetch(key, ['p', 's']);
    return Buffer.isBuffer(payload) ? this.sealed(name, fence, payload, seal) : undefined;
  }

  /** What has come with that seal, if it is one of this secret. */
  sealed(name: string, fence: Fence, payload: Uint8Array, seal: unknown): Uint8Array | undefined {
    return this.seal.fits(String(seal), 'settled', name, fence, payload) ? payload : undefined;
  }
}
