import { randomBytes } from 'node:crypto';
import type { ErrorPlace } from '../core/errors.js';
import type { EventSinks } from '../core/observer.js';
import { Cargo } from './cargo.js';
import type { Fence, FlightEngine, Joined, JoinRequest, RenewRequest } from './engine.js';
import { EngineLink } from './engine-link.js';
import { ErrorCodec } from './error-codec.js';
import { EngineTimeoutError, EngineUnavailableError, PayloadTooLargeError } from './errors.js';
import { flightId } from './flight-id.js';
import { Health, type HealthHost } from './health.js';
import { fleetLimitsOf, type FleetLimits, type FleetOptions } from './options.js';
import { Schedule } from './schedule.js';
import { Unshared } from './unshared.js';

/** A flight of this process that hears when the engine goes down. */
export interface FleetMember {
  engineDown(error: unknown): void;
}

/**
 * This process's part in a fleet: asks the engine, with a deadline each time; knows whether it answers; and holds the two
 * timers, one for all leases that are led (it keeps no process alive) and one for all that are followed.
 */
export class Fleet implements HealthHost {
  readonly engine: FlightEngine;
  readonly limits: FleetLimits;
  readonly link: EngineLink;
  readonly cargo: Cargo;
  readonly health: Health;
  readonly leads: Schedule;
  readonly follows = new Schedule(true);
  /** The flights of this process that are not over. Each adds and removes itself. */
  readonly members = new Set<FleetMember>();
  /** Flights that have ended here, and of which the engine could not be told yet: fences by id. Written by landings. */
  readonly unpublished = new Map<string, Fence>();
  /** Flights that this process flies alone for a while, because their result cannot be carried. */
  readonly unshared = new Unshared();
  /**
   * What has to be over before this process asks for an id again: that the engine has been told of the end of its last
   * flight, or that it is forgotten. Each removes itself.
   */
  private readonly barriers = new Map<string, Promise<unknown>>();
  private readonly app: string;
  private readonly version: string;
  private readonly tokens = randomBytes(12).toString('base64url');
  private tokenCount = 0;
  /** What is under way at the engine, so that closing waits for it. Each removes itself. */
  private readonly pending = new Set<Promise<unknown>>();
  private readonly stopListening: () => void;

  /** @throws InvalidOptionError when an option is unknown or its value is not allowed */
  constructor(
    options: FleetOptions,
    private readonly sinks: Pick<EventSinks, 'degrade' | 'restore'>,
    place: () => ErrorPlace = () => ({}),
  ) {
    const { codec, ...limits } = fleetLimitsOf(options, place);
    const errors = new ErrorCodec(options.errors ?? [], place());
    this.limits = limits;
    this.engine = options.engine;
    this.app = options.app;
    this.version = options.version ?? '';
    this.cargo = new Cargo(codec, errors, this.engine);
    this.leads = new Schedule(false, limits.leaseMs / 6);
    this.health = new Health(this, this.follows, this.leads, limits.degradeAfterMs);
    this.link = EngineLink.of(this.engine);
    this.stopListening = this.link.onResync(() => {
      this.health.alive();
    });
  }

  idOf(name: string, key: string): string {
    return flightId(this.app, this.version, name, key);
  }

  newToken(): string {
    return `${this.tokens}.${(++this.tokenCount).toString(36)}`;
  }

  /** Starts the engine ahead of the first flight. One that has not started is down, and tried again as after an outage. */
  start(): Promise<void> {
    if (this.link.started) return Promise.resolve();
    const starting = this.ask('start', this.limits.degradeAfterMs, () => this.link.start());
    starting.catch((error: unknown) => {
      this.health.unavailable(error);
    });
    return starting;
  }

  /** Why the engine cannot be asked for a fresh flight; undefined when it can. */
  refusal(): unknown {
    if (this.link.started && !this.engine.available) {
      this.health.unavailable(new EngineUnavailableError(this.engine.name));
    } else if (this.health.down) this.health.lookAfter();
    return this.health.down ? this.health.error : undefined;
  }

  /** How long a lease may be that is not to last longer; undefined when it would be too short to make sense. */
  leaseFor(maxMs: number): number | undefined {
    const leaseMs = Math.min(this.limits.leaseMs, maxMs);
    return leaseMs >= Math.max(1, this.engine.limits.minLeaseMs) ? leaseMs : undefined;
  }

  /** So that not everybody asks at once when a lease is over: up to a twentieth of it, 500 ms at most. */
  jitterMs(): number {
    return this.limits.random() * Math.min(500, this.limits.leaseMs / 20);
  }

  join(request: JoinRequest, onLate: (joined: Joined) => void): Promise<Joined> {
    const { operationTimeoutMs, degradeAfterMs } = this.limits;
    const timeoutMs = Math.min(operationTimeoutMs, degradeAfterMs);
    return this.ask('join', timeoutMs, (signal) => this.engine.join(request, signal), onLate);
  }

  renew(request: RenewRequest): Promise<'held' | 'reclaimed' | 'lost'> {
    return this.ask('renew', this.limits.operationTimeoutMs, (signal) => this.engine.renew(request, signal));
  }

  /** A renewal of what never was writes nothing, and is answered by whoever is there. */
  ping(timeoutMs: number): void {
    const request = { flight: this.idOf('', ''), token: this.tokens, fence: 1n, leaseMs: 1, insideLease: false };
    const answered = this.link.started
      ? this.ask('renew', timeoutMs, (signal) => this.engine.renew(request, signal))
      : this.start();
    answered.catch(ignore);
  }

  /** Tells the engine something that nobody waits for. */
  tell(operation: string, call: () => Promise<unknown>): void {
    this.ask(operation, this.limits.operationTimeoutMs, call).catch(ignore);
  }

  /** The next flight of this id waits until that is over, however it ends. */
  hold(id: string, until: Promise<unknown>): void {
    const barrier = until.catch(ignore).finally(() => {
      if (this.barriers.get(id) === barrier) this.barriers.delete(id);
    });
    this.barriers.set(id, barrier);
  }

  heldUp(id: string): Promise<unknown> | undefined {
    return this.barriers.get(id);
  }

  /**
   * Asks the engine, for so long.
   *
   * @param onLate what is done with an answer that comes after that
   * @returns rejects with an `EngineTimeoutError` or what the engine failed with, an `EngineUnavailableError` at last
   */
  ask<T>(
    operation: string,
    timeoutMs: number,
    call: (signal: AbortSignal) => Promise<T>,
    onLate: (answer: T) => void = ignore,
  ): Promise<T> {
    const sentAt = performance.now();
    const asking = new AbortController();
    return this.track(
      new Promise<T>((resolve, reject) => {
        const timer = setTimeout(() => {
          const error = new EngineTimeoutError(this.engine.name, operation, timeoutMs);
          reject(error);
          asking.abort(error);
          this.health.failed(error, sentAt);
        }, timeoutMs);
        attempt(() => call(asking.signal)).then(
          (answer) => {
            clearTimeout(timer);
            this.health.alive();
            if (asking.signal.aborted) onLate(answer);
            else resolve(answer);
          },
          (failure: unknown) => {
            clearTimeout(timer);
            const error = this.engineError(failure);
            reject(error);
            if (!(error instanceof PayloadTooLargeError)) this.health.failed(error, sentAt);
          },
        );
      }),
    );
  }

  gaveUp(error: unknown): void {
    for (const member of [...this.members]) member.engineDown(error);
  }

  wentDown(error: unknown): void {
    const { degrade } = this.sinks;
    if (degrade.hasSubscribers) {
      degrade.publish({ engine: this.engine.name, error, whenDown: this.limits.whenDown });
    }
  }

  cameBack(): void {
    if (this.sinks.restore.hasSubscribers) this.sinks.restore.publish({ engine: this.engine.name });
  }

  /** Ends this process's part, once what is under way at the engine has been answered or timed out. */
  async close(): Promise<void> {
    this.health.close();
    this.leads.clear();
    this.follows.clear();
    while (this.pending.size > 0) await Promise.allSettled([...this.pending]);
    this.stopListening();
    await this.link.release();
  }

  private track<T>(work: Promise<T>): Promise<T> {
    const tracked = work.catch(ignore).finally(() => {
      this.pending.delete(tracked);
    });
    this.pending.add(tracked);
    return work;
  }

  private engineError(failure: unknown): unknown {
    const isOwn =
      failure instanceof EngineUnavailableError ||
      failure instanceof EngineTimeoutError ||
      failure instanceof PayloadTooLargeError;
    return isOwn ? failure : new EngineUnavailableError(this.engine.name, { cause: failure });
  }
}

function attempt<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call();
  } catch (error) {
    return Promise.reject(error);
  }
}

function ignore(): void {
  // It is best effort, or somebody else hears of it.
}
