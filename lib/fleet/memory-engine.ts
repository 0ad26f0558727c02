import type {
  AbandonRequest,
  CompleteRequest,
  EngineLimits,
  FlightEngine,
  FlightSink,
  ForgetRequest,
  Joined,
  JoinRequest,
  RenewRequest,
} from './engine.js';
import { EngineUnavailableError, PayloadTooLargeError } from './errors.js';
import type { MemoryHub } from './memory-hub.js';

/** What a {@link MemoryEngine} is made with. */
export interface MemoryEngineOptions {
  /** How errors, events and health call it. Default: `'memory'`. */
  readonly name?: string;
  /** The longest payload it takes, in bytes. Default: 1,048,576. */
  readonly maxPayloadBytes?: number;
  /** The shortest lease that it says makes sense, in milliseconds. Default: 1. */
  readonly minLeaseMs?: number;
}

/**
 * An engine for a fleet within one process: each engine on one {@link MemoryHub} stands for a process. For tests.
 */
export class MemoryEngine implements FlightEngine {
  readonly name: string;
  readonly limits: EngineLimits;
  /** Written by `start` and `stop`. */
  private inbox: Inbox | undefined = undefined;

  constructor(
    private readonly hub: MemoryHub,
    { name = 'memory', maxPayloadBytes = 1024 * 1024, minLeaseMs = 1 }: MemoryEngineOptions = {},
  ) {
    this.name = name;
    this.limits = { maxPayloadBytes, minLeaseMs };
  }

  get available(): boolean {
    return this.inbox !== undefined;
  }

  async start(sink: FlightSink): Promise<void> {
    this.inbox ??= new Inbox(sink);
    return Promise.resolve();
  }

  async join(request: JoinRequest): Promise<Joined> {
    return Promise.resolve(this.hub.join(request, this.started()));
  }

  async renew(request: RenewRequest): Promise<'held' | 'reclaimed' | 'lost'> {
    return Promise.resolve(this.hub.renew(request, this.started()));
  }

  async complete(request: CompleteRequest): Promise<'published' | 'lost'> {
    this.started();
    const bytes = request.payload.byteLength;
    const { maxPayloadBytes } = this.limits;
    if (bytes > maxPayloadBytes) throw new PayloadTooLargeError(this.name, bytes, maxPayloadBytes);
    return Promise.resolve(this.hub.complete(request));
  }

  async abandon(request: AbandonRequest): Promise<'abandoned' | 'waiting'> {
    return Promise.resolve(this.inbox === undefined ? 'abandoned' : this.hub.abandon(request));
  }

  async forget({ flight }: ForgetRequest): Promise<void> {
    this.started();
    this.hub.forget(flight);
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.inbox?.close();
    this.inbox = undefined;
    return Promise.resolve();
  }

  private started(): Inbox {
    if (this.inbox === undefined) throw new EngineUnavailableError(this.name);
    return this.inbox;
  }
}

/** Tells the sink in a microtask of its own, as a message that comes from elsewhere; nothing once it is closed. */
class Inbox implements FlightSink {
  /** Written once, by {@link close}. */
  private closed = false;

  constructor(private readonly sink: FlightSink) {}

  settled(flight: string, fence: bigint, payload?: Uint8Array): void {
    this.later(() => {
      this.sink.settled(flight, fence, payload);
    });
  }

  abandoned(flight: string, fence: bigint): void {
    this.later(() => {
      this.sink.abandoned(flight, fence);
    });
  }

  forgotten(flight: string, fence: bigint): void {
    this.later(() => {
      this.sink.forgotten(flight, fence);
    });
  }

  resync(): void {
    this.later(() => {
      this.sink.resync();
    });
  }

  close(): void {
    this.closed = true;
  }

  private later(tell: () => void): void {
    queueMicrotask(() => {
      if (!this.closed) tell();
    });
  }
}
