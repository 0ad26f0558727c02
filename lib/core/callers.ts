import { AbandonedError, type ErrorPlace } from './errors.js';
import { Exit } from './exit.js';
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
export class Seat<T> {
  constructor(
    readonly promise: Promise<T>,
    private readonly flight: FlightOf,
    readonly role: Role,
    private readonly caller: Caller | undefined,
  ) {}

  /** Leaves the flight, rejecting with an `AbandonedError`, unless there is nothing to leave any more. */
  abandon(): void {
    this.caller?.abandon();
  }

  /** What a follower waits for where the value has to pass a check first: once for all who get the very same one. */
  checked(check: (value: T) => T): Promise<T> {
    if (this.flight.limits.handOut === undefined) {
      return this.flight.checkedOutcome(check as (value: unknown) => unknown) as Promise<T>;
    }
    const checked = this.promise.then(check);
    checked.catch(() => undefined);
    return checked;
  }

  success(value: T): Success<T> {
    return { ok: true, value, shared: this.shared, role: this.role };
  }

  failure(error: unknown): Failure {
    return { ok: false, error, shared: this.shared, role: this.role };
  }

  /** Who follows shares, even a result that lingered after a lone caller's flight. */
  private get shared(): boolean {
    return this.role === 'follower' || this.flight.shared;
  }
}

/** A flight, whatever its keys are. */
type FlightOf = Pick<FlightRecord<unknown>, 'board' | 'disembark' | 'shared' | 'limits' | 'checkedOutcome'>;

/** What a caller asks of its group. */
export interface CallerHost {
  /** Where the caller is, for its errors. */
  readonly place: () => ErrorPlace;
  /** The caller has left the flight before it settled. */
  onLeave(reason: unknown): void;
}

/** A caller who waits on a promise of its own: because it can leave, or because its result is its own. */
export class Caller implements Passenger {
  readonly promise: Promise<unknown>;
  // Written once, by the constructor.
  private resolve!: (value: unknown) => void;
  private reject!: (error: unknown) => void;
  private readonly exit: Exit;

  constructor(
    private readonly flight: FlightOf,
    options: CallOptions,
    private readonly host: CallerHost,
  ) {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    flight.board(this);
    this.exit = new Exit(options, host.place, (reason) => {
      this.leave(reason);
    });
  }

  /** Leaves without a reason of its own. */
  abandon(): void {
    this.leave(new AbandonedError(this.host.place()));
  }

  /** The flight has settled. */
  settle(ok: boolean, outcome: unknown): void {
    this.exit.close();
    if (ok) this.resolve(outcome);
    else this.reject(outcome);
  }

  /** Leaves the flight, unless it has settled or the caller has left before. */
  private leave(reason: unknown): void {
    if (!this.flight.disembark(this)) return;
    this.exit.close();
    this.reject(reason);
    this.host.onLeave(reason);
  }
}
