import { inspect } from '../core/inspect.js';
import type { Seat } from '../core/callers.js';
import { InvalidKeyError, InvalidOptionError, type ErrorPlace } from '../core/errors.js';
import type { FlightFunction } from '../core/flight.js';
import { Group } from '../core/group.js';
import { describeKeyByDefault } from '../core/key.js';
import { sinksOf } from '../core/observer.js';
import {
  CALL_OPTIONS,
  checkCallOptions,
  checkGroupOptions,
  checkNames,
  placeOf,
  GROUP_OPTIONS,
  type CallOptions,
  type CloseOptions,
  type FlightOptions,
  type GroupOptions,
} from '../core/options.js';
import type { Success } from '../core/result.js';
import type { FlightInfo, GroupStats } from '../core/stats.js';
import { FleetFlights, type FleetStats } from './fleet-flights.js';
import { Fleet } from './fleet.js';
import { checkNamed, FLEET_OPTIONS, type FleetOptions } from './options.js';

/** What a {@link FleetGroup} is made with. */
export interface FleetGroupOptions extends GroupOptions, FleetOptions {
  /** The name of its flights, the same in every process, such as `catalog.product`; a call may have another. */
  fleet?: string | undefined;
}

/** What a call of a {@link FleetGroup} takes. */
export interface FleetCallOptions extends CallOptions, FlightOptions {
  /** The name of the flight, the same in every process. Default: the group's. */
  fleet?: string | undefined;
}

export const FLEET_GROUP_OPTIONS = [...GROUP_OPTIONS, ...FLEET_OPTIONS, 'fleet'] as const;

/** What a {@link FleetGroup} has done since it was made. */
export interface FleetGroupStats extends GroupStats, FleetStats {}

/**
 * A {@link Group} whose flights are shared by all processes of a fleet: while one of them runs the function for a name and
 * key, all others wait for its result. In front of it stands the local group, so that a process asks the engine once
 * however many callers it has, and everything said of a `Group` holds for them.
 *
 * While the engine is reachable and keeps its data, at most one process runs the function **per lease**; overall at least
 * once: after a crash, a pause longer than the lease, or a loss of the engine's data it may run again, even at the same
 * time. It saves work, and is no lock: make the function idempotent, or have what it writes to refuse a `flight.fence`
 * below the highest it has seen.
 *
 * A result comes to other processes as a copy, made by the codec; an error as itself where its class is the language's or
 * registered, and as a `RemoteError` otherwise. A result lingers in the engine only: while that is down, none does.
 *
 * @example
 * ```ts
 * import { FleetGroup, MemoryEngine, MemoryHub } from 'nestjs-singleflight/fleet';
 *
 * const hub = new MemoryHub();
 * const [here, there] = [1, 2].map(
 *   () => new FleetGroup({ app: 'shop', fleet: 'catalog.product', engine: new MemoryEngine(hub) }),
 * );
 * const load = async () => ({ id: '42', name: 'a lamp' });
 * await Promise.all([here?.run('42', load), there?.run('42', load)]); // load ran once
 * await Promise.all([here?.close(), there?.close()]);
 * ```
 */
export class FleetGroup {
  /** How errors, events and metrics call the group. */
  readonly name: string;
  readonly #group: Group;
  readonly #fleet: Fleet;
  readonly #flights: FleetFlights;
  readonly #defaultName: string | undefined;
  readonly #lingerMs: number;
  /** Set when the group is closed; written once. */
  #closing: Promise<void> | undefined = undefined;

  /** @throws InvalidOptionError when an option is unknown or its value is not allowed */
  constructor(options: FleetGroupOptions) {
    const place = (): ErrorPlace => placeOf(options, 'new FleetGroup');
    checkNames(options, FLEET_GROUP_OPTIONS, place);
    const { fleet, lingerMs = 0, describeKey = describeKeyByDefault, observer } = options;
    if (fleet !== undefined) checkNamed('fleet', fleet, place);
    // Checked by the group itself, and not among what it is made with: its flights do not linger here.
    checkGroupOptions(only(options, GROUP_OPTIONS), place);
    this.#group = new Group({
      ...only(options, GROUP_OPTIONS),
      lingerMs: 0,
      describeKey: (localKey: string) => describeKey(keyOf(localKey)),
    });
    this.name = this.#group.name;
    this.#defaultName = fleet;
    this.#lingerMs = lingerMs;
    const sinks = sinksOf(observer);
    this.#fleet = new Fleet(only(options, FLEET_OPTIONS) as FleetOptions, sinks, place);
    this.#flights = new FleetFlights(this.#fleet, sinks, (localKey) => this.#group.place(localKey));
  }

  /** How many keys lead to a flight of this process. */
  get size(): number {
    return this.#group.size;
  }

  /**
   * Starts the engine ahead of the first call, which would do it otherwise.
   *
   * @returns rejects with an `EngineUnavailableError` or `EngineTimeoutError`; it is tried again in the background then,
   * from time to time, and by a call of this
   */
  start(): Promise<void> {
    return this.#fleet.start();
  }

  /**
   * As {@link Group.run}, for the whole fleet: runs `fn` unless a flight of this name and key is under way in any process,
   * in which case it joins that.
   *
   * @param key identifies the flight under its name
   * @param fn what to run; called in the caller's context, once this process leads
   * @param options for this caller, and for the flight if this call starts it
   * @returns rejects as `Group.run` does; with the function's error, also from another process; with an
   * `EngineUnavailableError` or `EngineTimeoutError` where `whenDown` is `'fail'`
   */
  run<T>(key: string, fn: FlightFunction<T>, options: FleetCallOptions = {}): Promise<T> {
    return this.#attempt(() => this.#board(key, fn, options).promise);
  }

  /**
   * As {@link run}, and says how it went: the value, whether it was shared, and whether this call ran the function. Who was
   * answered by another process is a follower, and shares; where the function ran here, `shared` is about the callers of
   * this process alone, because it is not told of those elsewhere.
   */
  do<T>(key: string, fn: FlightFunction<T>, options: FleetCallOptions = {}): Promise<Success<T>> {
    return this.#attempt(() => {
      const seat = this.#board(key, fn, options);
      return seat.promise.then((value) => seat.success(value));
    });
  }

  /**
   * Makes the key lead to nothing in every process: here at once, elsewhere before this resolves. Those aboard still get
   * the result of their flight; a result that lingers is dropped. To be called, and awaited, after a write.
   *
   * @returns whether this process had a flight to forget; rejects with the engine's error where `whenDown` is `'fail'`
   */
  forget(key: string, { fleet }: { readonly fleet?: string | undefined } = {}): Promise<boolean> {
    return this.#attempt(async () => {
      const name = this.#nameOf(key, fleet);
      const found = this.#group.forget(localKeyOf(name, key));
      await this.#flights.forget(name, key);
      return found;
    });
  }

  /**
   * {@link forget} for every key that this process has a flight for.
   *
   * @returns how many those were
   */
  forgetAll(): Promise<number> {
    return this.#attempt(async () => {
      const localKeys = [...new Set(this.#flights.localKeys())];
      const found = this.#group.forgetAll();
      await Promise.all(localKeys.map((localKey) => this.#flights.forget(nameOf(localKey), keyOf(localKey))));
      return found;
    });
  }

  /** The flights of this process, oldest first: those it leads, those it follows, and those that run here alone. */
  inFlight(): FlightInfo[] {
    return this.#group.inFlight();
  }

  /** What the group has done since it was made, in this process. */
  stats(): FleetGroupStats {
    return { ...this.#group.stats(), ...this.#flights.stats() };
  }

  /**
   * As {@link Group.close}. Within the grace results are still published; at its end the leases are given up, so that
   * processes that wait take over at once. The engine is stopped with the last group that uses it.
   */
  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#group.close(options).then(() => this.#fleet.close());
    return this.#closing;
  }

  #board<T>(key: string, fn: FlightFunction<T>, { fleet, ...options }: FleetCallOptions): Seat<T, string> {
    const name = this.#nameOf(key, fleet);
    const place = this.#placeOf(key);
    if (typeof fn !== 'function') throw InvalidOptionError.value('fn', fn, 'a function', place());
    checkNames(options, [...CALL_OPTIONS, 'fleet'], place);
    checkCallOptions(options, place);
    const shared = this.#flights.shared(name, key, fn, options.lingerMs ?? this.#lingerMs);
    return this.#group.board(localKeyOf(name, key), shared, { ...options, lingerMs: 0 });
  }

  #nameOf(key: string, fleet = this.#defaultName): string {
    const place = this.#placeOf(key);
    if (typeof key !== 'string') {
      const came = inspect(key);
      throw new InvalidKeyError(
        `Group '${this.name}': the key is ${came}. Use a string, such as encodeKey(key).`,
        place(),
      );
    }
    checkNamed('fleet', fleet, place);
    return fleet as string;
  }

  #placeOf(key: unknown): () => ErrorPlace {
    return () => ({
      group: this.name,
      ...(typeof key === 'string' ? { describedKey: this.#group.place(localKeyOf('', key)).describedKey } : undefined),
    });
  }

  /** Turns what is thrown before boarding into a rejection. */
  #attempt<R>(attempt: () => Promise<R>): Promise<R> {
    try {
      return attempt();
    } catch (error) {
      return Promise.reject(error);
    }
  }
}

/** Name and key as one key of the local group: flights of two names never meet. */
export function localKeyOf(name: string, key: string): string {
  return `${name.length}:${name}${key}`;
}

function nameOf(localKey: string): string {
  const at = localKey.indexOf(':') + 1;
  return localKey.slice(at, at + Number.parseInt(localKey, 10));
}

function keyOf(localKey: string): string {
  return localKey.slice(localKey.indexOf(':') + 1 + Number.parseInt(localKey, 10));
}

function only<T extends object>(options: T, names: readonly string[]): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name))) as Partial<T>;
}
