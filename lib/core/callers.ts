import { AbandonedError, WaitTimeoutError, type ErrorPlace } from './errors.js';
import type { FlightRecord, Passenger } from './flight.js';
import type { CallOptions } from './options.js';
import type { Failure, Role, Success } from './result.js';

/** How a caller boards. */
export interface BoardingMode {
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
type FlightOf = Pick<FlightRecord<unknown>, 'board' | 'disembark' | 'shared'>;

/** What a caller asks of its group. */
export interface CallerHost {
  /** Where the caller is, for its errors. */
  place(): ErrorPlace;
  /** The caller has left the flight before it settled. */
  onLeave(reason: unknown): void;
}

/** A caller who can leave: it waits on a promise of its own, and neither its timer nor its listener outlives it. */
export class Caller implements Passenger {
  readonly promise: Promise<unknown>;
  // Written once, by the constructor.
  private resolve!: (value: unknown) => void;
  private reject!: (error: unknown) => void;
  private readonly signal: AbortSignal | undefined;
  private readonly timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly flight: FlightOf,
    { signal, waitTimeoutMs }: CallOptions,
    private readonly host: CallerHost,
  ) {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    flight.board(this);
    this.signal = signal;
    if (signal !== undefined) departuresOf(signal).add(this);
    if (waitTimeoutMs !== undefined && waitTimeoutMs !== Infinity) {
      this.timer = setTimeout(() => {
        this.leave(new WaitTimeoutError(host.place(), waitTimeoutMs));
      }, waitTimeoutMs);
    }
  }

  /** Leaves the flight, unless it has settled or the caller has left before. */
  leave(reason: unknown): void {
    if (!this.flight.disembark(this)) return;
    this.release();
    this.reject(reason);
    this.host.onLeave(reason);
  }

  /** Leaves without a reason of its own. */
  abandon(): void {
    this.leave(new AbandonedError(this.host.place()));
  }

  /** The flight has settled. */
  settle(ok: boolean, outcome: unknown): void {
    this.release();
    if (ok) this.resolve(outcome);
    else this.reject(outcome);
  }

  private release(): void {
    clearTimeout(this.timer);
    if (this.signal !== undefined) departuresOf(this.signal).delete(this);
  }
}

/** The callers that one signal guards: one listener for all of them, while there are any. */
class Departures {
  private readonly callers = new Set<Caller>();

  constructor(private readonly signal: AbortSignal) {}

  add(caller: Caller): void {
    if (this.callers.size === 0) this.signal.addEventListener('abort', this);
    this.callers.add(caller);
  }

  delete(caller: Caller): void {
    if (this.callers.delete(caller) && this.callers.size === 0) this.signal.removeEventListener('abort', this);
  }

  handleEvent(): void {
    for (const caller of [...this.callers]) caller.leave(this.signal.reason);
  }
}

const departures = new WeakMap<AbortSignal, Departures>();

function departuresOf(signal: AbortSignal): Departures {
  let found = departures.get(signal);
  if (found === undefined) departures.set(signal, (found = new Departures(signal)));
  return found;
}
