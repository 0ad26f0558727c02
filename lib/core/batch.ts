import type { Execution } from './adopt.js';
import { AbandonedError, InvalidOptionError, type ErrorPlace, type SingleFlightError } from './errors.js';
import { Exit, type Leaver } from './exit.js';
import type { BatchOf, Flight, FlightRecord, Passenger } from './flight.js';
import type { CallOptions } from './options.js';
import { Stop } from './stop.js';

/** What `doMany` calls for the keys that nobody is loading. */
export type BatchFunction<K, V> = (
  missing: readonly K[],
  flight: Flight<readonly K[]>,
) => ReadonlyMap<K, V> | PromiseLike<ReadonlyMap<K, V>>;

/** What a batch tells its group. */
export interface BatchHost<K> {
  /** The function has ended. */
  batchEnded(batch: Batch<K>, ok: boolean, outcome: unknown): void;
  /** The flight is being stopped: its key must not lead to it any more. */
  release(flight: FlightRecord<K>): void;
  place(key: K): ErrorPlace;
}

/** One execution of a function that loads many keys: each has a flight, and all have one signal. */
export class Batch<K> implements Flight<readonly K[]>, BatchOf, Execution {
  readonly key: readonly K[];
  failed = false;
  private readonly stop = new Stop();

  constructor(
    private readonly host: BatchHost<K>,
    readonly flights: readonly FlightRecord<K>[],
  ) {
    this.key = flights.map((flight) => flight.key);
    for (const flight of flights) flight.enlist(this);
  }

  get signal(): AbortSignal {
    const { signal } = this.stop;
    this.doomIfEmpty();
    return signal;
  }

  get keyed(): boolean {
    return this.flights.some((flight) => flight.keyed);
  }

  end(ok: boolean, outcome: unknown): void {
    this.host.batchEnded(this, ok, outcome);
  }

  /** Nobody is aboard any of its flights, and the function can be stopped: the keys go first, then the signal aborts. */
  doomIfEmpty(): void {
    if (!this.stop.possible) return;
    const waiting = this.flights.filter((flight) => !flight.settled);
    if (waiting.length === 0 || waiting.some((flight) => flight.aboard > 0)) return;
    for (const flight of waiting) this.host.release(flight);
    this.stop.abort(new AbandonedError(this.host.place(waiting[0]?.key as K)));
  }

  /** One of its flights was ended from outside; with the last one, the function has nobody left to load for. */
  abortIfOver(reason: SingleFlightError): void {
    if (this.flights.every((flight) => flight.settled)) this.stop.abort(reason);
  }
}

/**
 * What a loader came back with for each key; undefined for one that it left out.
 *
 * @throws InvalidOptionError when it came back with anything but a Map
 */
export function loadedValues(
  loaded: unknown,
  keys: readonly unknown[],
  place: () => ErrorPlace,
): ({ readonly value: unknown } | undefined)[] {
  const map = loaded as Partial<ReadonlyMap<unknown, unknown>> | null | undefined;
  if (typeof map?.has !== 'function' || typeof map.get !== 'function') {
    throw InvalidOptionError.value('load()', loaded, 'a Map from key to value', place());
  }
  const values = map as ReadonlyMap<unknown, unknown>;
  return keys.map((key) => (values.has(key) ? { value: values.get(key) } : undefined));
}

/** What a caller of `doMany` asks of its group. */
export interface BatchCallerHost<K> {
  place(key: K): ErrorPlace;
  /** The caller has left those of its flights that had not settled. */
  leftMany(flights: readonly FlightRecord<K>[], started: readonly FlightRecord<K>[], reason: unknown): void;
}

/** A caller of `doMany`: aboard many flights, one seat on each; it is answered when all of them have settled. */
export class BatchCaller<K, V> implements Leaver {
  readonly promise: Promise<Map<K, V>>;
  // Written once, by the constructor.
  private resolve!: (values: Map<K, V>) => void;
  private reject!: (error: unknown) => void;
  private readonly exit: Exit | undefined;
  /** How each key ended, in the order of the keys; undefined while it has not, and for a key that its loader left out. */
  private readonly outcomes = new Map<K, { ok: boolean; outcome: unknown } | undefined>();
  private readonly seats = new Map<FlightRecord<K>, Passenger>();
  /** Keys of which the outcome is not known yet. Written as they are boarded and settle. */
  private pending: number;

  constructor(
    private readonly host: BatchCallerHost<K>,
    private readonly keys: readonly K[],
    flights: ReadonlyMap<K, FlightRecord<K>>,
    private readonly started: readonly FlightRecord<K>[],
    options: CallOptions,
  ) {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.pending = keys.length;
    for (const key of keys) this.board(key, flights.get(key) as FlightRecord<K>);
    this.exit = Exit.of(options, this);
  }

  leave(reason: unknown): void {
    const left = [...this.seats].filter(([flight, seat]) => flight.disembark(seat)).map(([flight]) => flight);
    this.seats.clear();
    this.exit?.close(this);
    this.reject(reason);
    this.host.leftMany(left, this.started, reason);
  }

  place(): ErrorPlace {
    return this.host.place(this.keys[0] as K);
  }

  private board(key: K, flight: FlightRecord<K>): void {
    this.outcomes.set(key, undefined);
    const settle = (ok: boolean, outcome: unknown): void => {
      if (!flight.absent) this.outcomes.set(key, { ok, outcome });
      this.seats.delete(flight);
      if (--this.pending === 0) this.answer();
    };
    if (flight.settled) {
      // It lingers: there is nothing to be aboard of.
      flight.lingering().then(
        (value) => {
          settle(true, value);
        },
        (error: unknown) => {
          settle(false, error);
        },
      );
      return;
    }
    const seat = { settle };
    this.seats.set(flight, seat);
    flight.board(seat);
  }

  private answer(): void {
    this.exit?.close(this);
    const values = new Map<K, V>();
    for (const [key, settled] of this.outcomes) {
      if (settled === undefined) continue;
      if (!settled.ok) {
        this.reject(settled.outcome);
        return;
      }
      values.set(key, settled.outcome as V);
    }
    this.resolve(values);
  }
}
