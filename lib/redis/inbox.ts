import type { Fence, FlightSink } from '../fleet/engine.js';
import { ignore, type InboxListener } from './connection.js';
import { parse, type Message } from './messages.js';
import type { Parts } from './parts.js';
import type { Seal } from './seal.js';

type Fetch = (name: string, fence: Fence) => Promise<Uint8Array | undefined>;

/** What the other processes send to this one: read strictly, and passed on where it is about a flight of this process. */
export class Inbox implements InboxListener {
  /** Written by the engine's `start` and `stop`. */
  sink: FlightSink | undefined = undefined;
  /** How many messages were none. Written by `message`. */
  strayMessages = 0;
  /** Written by `live`, and by `whenLive` for a new subscription. */
  private isLive = false;
  private waitingForLife: ((refused: unknown) => void)[] = [];
  private waitingForCheck: (() => void)[] = [];
  /** What is being fetched, so that a message that comes twice fetches once. */
  private readonly fetching = new Set<string>();

  constructor(
    readonly name: string,
    private readonly parts: Parts,
    private readonly seal: Seal,
    private readonly fetch: Fetch,
  ) {}

  /** Resolves once it is subscribed to: with undefined, or with the server's refusal. */
  whenLive(): Promise<unknown> {
    if (this.isLive) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.waitingForLife.push(resolve);
    });
  }

  /** Resolves when a message of the check comes through. */
  whenChecked(): Promise<void> {
    return new Promise((resolve) => {
      this.waitingForCheck.push(resolve);
    });
  }

  close(): void {
    this.sink = undefined;
    this.isLive = false;
  }

  live(): void {
    if (this.isLive) this.sink?.resync();
    this.isLive = true;
    for (const resolve of this.waitingForLife.splice(0)) resolve(undefined);
  }

  refused(error: unknown): void {
    for (const resolve of this.waitingForLife.splice(0)) resolve(error);
  }

  message(bytes: Uint8Array): void {
    const message = parse(bytes, this.seal);
    if (message === undefined) this.strayMessages++;
    else if (message.kind === 'check') for (const resolve of this.waitingForCheck.splice(0)) resolve();
    else this.pass(message);
  }

  private pass(message: Exclude<Message, { kind: 'check' }>): void {
    const { name, fence } = message;
    const flight = this.parts.flightOf(name);
    // A late one: nobody here waits for it any more.
    if (flight === undefined || this.sink === undefined) return;
    if (message.kind === 'abandoned') this.sink.abandoned(flight, fence);
    else if (message.kind === 'forgotten') this.sink.forgotten(flight, fence);
    else if (message.payload !== undefined) this.settled(name, flight, fence, message.payload);
    else void this.fetchOnce(name, flight, fence).catch(ignore);
  }

  private async fetchOnce(name: string, flight: string, fence: Fence): Promise<void> {
    const what = `${name}|${fence}`;
    if (this.fetching.has(what)) return;
    this.fetching.add(what);
    try {
      const payload = await this.fetch(name, fence).catch(ignore);
      // Anybody can say that there is something to be fetched: with a secret only what was found counts.
      if (payload !== undefined || !this.seal.isSecret) this.settled(name, flight, fence, payload ?? undefined);
    } finally {
      this.fetching.delete(what);
    }
  }

  private settled(name: string, flight: string, fence: Fence, payload: Uint8Array | undefined): void {
    if (payload !== undefined) this.parts.settle(name, fence);
    this.sink?.settled(flight, fence, payload);
  }
}
