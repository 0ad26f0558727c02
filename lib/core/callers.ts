import { AbandonedError, type ErrorPlace } from './errors.js';
import { Exit, type Leaver } from './exit.js';
import type { FlightRecord, Passenger } from './flight.js';
import type { Isolation } from './isolate.js';
import type { CallOptions } from './options.js';
import type { Failure, Role, Success } from './result.js';

/** How a caller boards. */
export interface BoardingMode {
  /** How the result is handed out, where the group does not say so. */
  readonly isolate?: Isolation | undefined;
  /** Whether the seat can be left by hand. */
  readonly leavable?: boolean;
  /** Whether the flight is this caller's own: no key leads to it. */
  readonly alone?: boolean;
}

/** A caller's place on a flight: what it waits for, and how its answer reads. */
export class Seat<T, K = unknown> {
  constructor(
    readonly promise: Promise<T>,
    private readonly flight: FlightRecord<K>,
    readonly role: Role,
    private readonly caller: Caller<K> | undefined,
  ) {}

  /** Leaves the flight, rejecting with an `AbandonedError`, unless there is nothing to leave any more. */
  abandon(): void {
    this.caller?.abandon();
  }

  /**
   * What the caller waits for where a follower's value has to pass a check first: once for all of them where they get
   * the very same one. The leader gets it as it is.
   */
  checked(check: (value: T, key: K) => T): Promise<T> {
    if (this.role === 'leader') return this.promise;
    if (this.caller === undefined && this.flight.limits.handOut === undefined) {
      return this.flight.checkedOutcome(check as (value: unknown, key: K) => unknown) as Promise<T>;
    }
    return this.promise.then((value) => check(value, this.flight.key));
  }

  success(value: T): Success<T> {
    return { ok: true, value, shared: this.shared, role: this.part };
  }

  failure(error: unknown): Failure {
    return { ok: false, error, shared: this.shared, role: this.part };
  }

  /** Nobody here leads a flight whose function ran in another process. */
  private get part(): Role {
    return this.flight.elsewhere ? 'follower' : this.role;
  }

  /** Who follows shares, even a result that lingered after a lone caller's flight. */
  private get shared(): boolean {
    return this.part === 'follower' || this.flight.shared;
  }
}

/** What a caller asks of its group. */
export interface CallerHost<K> {
  place(key: K): ErrorPlace;
  /** The caller has left the flight before it settled. */
  left(flight: FlightRecord<K>, role: Role, reason: unknown): void;
}

/** A caller who waits on a promise of its own: because it can leave, or because its result is its own. */
export class Caller<K> implements Passenger, Leaver {
  readonly promise: Promise<unknown>;
  // Written once, by the constructor.
  private resolve!: (value: unknown) => void;
  private reject!: (error: unknown) => void;
  private readonly exit: Exit | undefined;
  /** Whether it has been answered, or has left. Written once. */
  private over = false;

  constructor(
    private readonly host: CallerHost<K>,
    private readonly flight: FlightRecord<K>,
    private readonly role: Role,
    options: CallOptions,
  ) {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    flight.board(this);
    this.exit = Exit.of(options, this);
  }

  /** Leaves without a reason of its own. */
  abandon(): void {
    // Asked first: most who are abandoned have been answered, and an error is not cheap to make.
    if (!this.over) this.leave(new AbandonedError(this.place()));
  }

  /** The flight has settled. */
  settle(ok: boolean, outcome: unknown): void {
    this.over = true;
    this.exit?.close(this);
    if (ok) this.resolve(outcome);
    else this.reject(outcome);
  }

  /** Leaves the flight, unless it has settled or the caller has left before. */
  leave(reason: unknown): void {
    if (this.over || !this.flight.disembark(this)) return;
    this.over = true;
    this.exit?.close(this);
    this.reject(reason);
    this.host.left(this.flight, this.role, reason);
  }

  place(): ErrorPlace {
    return this.host.place(this.flight.key);
  }
}
