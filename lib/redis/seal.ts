import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Fence } from '../fleet/engine.js';

const SAFE = /^[\w-]{1,64}$/;
const ID_LENGTH = 24;
const SEAL_LENGTH = 22;
const NO_SEAL = '';

/** What is told of a flight, for the seal of one to be none of another. */
export type Told = 'settled' | 'abandoned' | 'forgotten';

/**
 * Names and seals. With a secret, names are HMACs, which nobody without it can guess a key from, and what comes from
 * Redis has to carry a seal that nobody without it can make. Without, there are no seals.
 */
export class Seal {
  constructor(private readonly secret: string | undefined) {}

  get isSecret(): boolean {
    return this.secret !== undefined;
  }

  /** The name of a flight or a token in Redis. */
  nameOf(id: string): string {
    if (this.secret !== undefined) return this.hmac('name').update(id).digest('base64url').slice(0, ID_LENGTH);
    return SAFE.test(id) ? id : createHash('sha256').update(id).digest('base64url').slice(0, ID_LENGTH);
  }

  /** Of a result, it covers flight, fence and payload; of another message, the flight and what it says. */
  make(told: Told, name: string, fence: Fence | '', body: Uint8Array | string): string {
    if (this.secret === undefined) return NO_SEAL;
    return this.hmac(`${told}|${name}|${fence}|`).update(body).digest('base64url').slice(0, SEAL_LENGTH);
  }

  fits(seal: string, told: Told, name: string, fence: Fence | '', body: Uint8Array | string): boolean {
    if (this.secret === undefined) return true;
    if (seal.length !== SEAL_LENGTH) return false;
    return timingSafeEqual(Buffer.from(seal, 'latin1'), Buffer.from(this.make(told, name, fence, body), 'latin1'));
  }

  private hmac(about: string): ReturnType<typeof createHmac> {
    return createHmac('sha256', this.secret ?? '').update(about);
  }
}
