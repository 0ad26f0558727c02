import type { BatchFunction } from './batch.js';
import { Boarding } from './boarding.js';
import type { BoardingMode, Seat } from './callers.js';
import { InvalidKeyError, InvalidOptionError, type ErrorPlace } from './errors.js';
import type { FlightFunction, FlightRecord } from './flight.js';
import { Flights } from './flights.js';
import type { EventSinks } from './observer.js';
import {
  checkCallOptions,
  checkCloseOptions,
  DEFAULT_GRACE_MS,
  checkGroupOptions,
  type CallOptions,
  type CloseOptions,
  type FlightLimits,
  type FlightOptions,
  type GroupOptions,
} from './options.js';
import type { Success } from './result.js';
import type { FlightInfo, GroupStats } from './stats.js';

/**
 * A namespace of keys: per key, at most one flight can be joined at any time. Keys are compared as a `Map` does.
 *
 * It is not a cache (nothing is kept once a flight has landed, unless `lingerMs` is set), not a lock, and not for
 * writes. Everything it does holds in one process. After Go's `golang.org/x/sync/singleflight`.
 *
 * @see https://pkg.go.dev/golang.org/x/sync/singleflight
 *
 * @example
 * ```ts
 * import { Group } from 'nestjs-singleflight/core';
 *
 * const products = new Group({ name: 'products' });
 * const load = async () => ({ id: '42', name: 'a lamp' });
 * const [one, same] = await Promise.all([products.run('42', load), products.run('42', load)]);
 * console.log(one === same); // true: load ran once
 * ```
 */
export class Group<K = string> {
  /** How errors, events and metrics call the group. */
  readonly name: string;
  readonly #flights: Flights<K>;
  readonly #boarding: Boarding<K>;

  /** @throws InvalidOptionError when an option is unknown or its value is not allowed */
  constructor(options: GroupOptions = {}) {
    checkGroupOptions(options);
    this.name = options.name ?? 'default';
    const detectDeadlocks = options.detectDeadlocks ?? process.env.NODE_ENV !== 'production';
    this.#flights = new Flights(this.name, options, isPlain(options) && !detectDeadlocks);
    this.#boarding = new Boarding(this.#flights, options, detectDeadlocks);
  }

  /** How many keys lead to a flight or to a lingering result. */
  get size(): number {
    return this.#flights.roster.size;
  }

  /**
   * Runs `fn` unless a flight for `key` is under way, in which case it joins that; resolves to the flight's value.
   *
   * Everybody who joined gets the same value, or the same error instance. Where the function returned a promise, that
   * promise is what callers may be handed, so a caller who drops it hears nothing of a rejection.
   *
   * @param key identifies the flight within this group; anything but an array, which would never equal another
   * @param fn what to run; called at once, in the caller's context, unless the call joins a flight
   * @param options for this caller, and for the flight if this call starts it
   * @returns rejects with what the function threw or rejected with; with the reason of `options.signal` or a
   * `WaitTimeoutError` when this caller leaves; with a `FlightTimeoutError` when the flight timed out; with an
   * `InvalidKeyError` or `InvalidOptionError` when the call is refused
   *
   * @example
   * ```ts
   * import { Group } from 'nestjs-singleflight/core';
   *
   * const group = new Group();
   * const text = await group.run('robots', async ({ signal }) => {
   *   const response = await fetch('http://localhost/robots.txt', { signal });
   *   return response.text();
   * });
   * ```
   */
  run<T>(key: K, fn: FlightFunction<T, K>, options?: CallOptions & FlightOptions): Promise<T> {
    if (!this.#isPlain(key, fn, options)) return this.#attempt(() => this.board(key, fn, options).promise);
    return (this.#join(key)?.outcome() as Promise<T> | undefined) ?? this.lead(key, fn);
  }

  /**
   * As {@link run}, and says how it went: the value, whether it was shared, and whether this call ran the function.
   * Go's `Do`.
   *
   * @returns rejects as {@link run} does
   *
   * @example
   * ```ts
   * import { Group } from 'nestjs-singleflight/core';
   *
   * const group = new Group();
   * const { value, shared, role } = await group.do('answer', async () => 42);
   * console.log(value, shared, role); // 42 false 'leader'
   * ```
   */
  do<T>(key: K, fn: FlightFunction<T, K>, options?: CallOptions & FlightOptions): Promise<Success<T>> {
    if (!this.#isPlain(key, fn, options)) {
      return this.#attempt(() => {
        const seat = this.board(key, fn, options);
        return seat.promise.then((value) => seat.success(value));
      });
    }
    const joined = this.#join(key);
    if (joined !== undefined) return joined.success() as Promise<Success<T>>;
    const flight = this.#flights.start(key, fn);
    return flight.outcome().then((value) => ({ ok: true, value: value as T, shared: flight.shared, role: 'leader' }));
  }

  /**
   * One value for each of many keys: joins the flights that are under way for some, and loads the others in one call. It
   * settles when all its keys have. A batch is one execution with many keys: whoever calls {@link run} for one of them
   * meanwhile joins it.
   *
   * @param keys any number, duplicates are one; with none, `load` is not called
   * @param load is given the keys that nobody is loading, and a flight whose key is these; returns a `Map` of what it
   * found. Keys it leaves out are left out of the result, and are a `NoResultError` to a `run` that had joined; keys
   * that nobody asked for are ignored
   * @param options as for {@link run}; this caller leaves all the flights at once
   * @returns rejects with the error of the first key, in their order, that failed; otherwise as {@link run} does. When
   * it is refused, nothing was joined or started
   *
   * @example
   * ```ts
   * import { Group } from 'nestjs-singleflight/core';
   *
   * const users = new Group<number>({ name: 'users' });
   * const names = await users.doMany([1, 2, 3], async (missing) => new Map(missing.map((id) => [id, `user ${id}`])));
   * console.log(names.get(2)); // 'user 2'
   * ```
   */
  doMany<V>(
    keys: Iterable<K>,
    load: BatchFunction<K, V>,
    options: CallOptions & FlightOptions = {},
  ): Promise<Map<K, V>> {
    return this.#attempt(() => {
      const wanted = [...new Set(keys)];
      try {
        this.#checkCall(load, options, 'load');
        for (const key of wanted) this.#checkKey(key);
        return wanted.length === 0 ? Promise.resolve(new Map<K, V>()) : this.#boarding.boardMany(wanted, load, options);
      } catch (error) {
        for (const key of wanted) this.#flights.announcer.refused(key, error);
        throw error;
      }
    });
  }

  /**
   * Makes `key` lead to nothing: the next caller starts a new flight, those aboard the old one still get its result.
   * Drops a result that lingers. To be called after a write. Go's `Forget`.
   *
   * @returns whether there was something to forget
   */
  forget(key: K): boolean {
    return this.#flights.roster.forget(key);
  }

  /**
   * {@link forget} for every key.
   *
   * @returns how many keys led to something
   */
  forgetAll(): number {
    return this.#flights.roster.forgetAll();
  }

  /**
   * Ends the group: no flight starts any more (`GroupClosedError`), those under way can still be joined. Resolves when
   * all have ended; those that outlast the grace are cut short: all their callers reject with a `GroupClosedError`, then
   * their signals abort. A caller who was handed the function's own promise (it had no options, nor has the group) is
   * answered by the function alone, when it stops.
   *
   * @param options `graceMs`: how long to wait for flights under way, in milliseconds. Default: 5,000
   * @returns the same promise for every call; rejects with an `InvalidOptionError` for a bad option
   */
  close(options: CloseOptions = {}): Promise<void> {
    return this.#attempt(() => {
      checkCloseOptions(options, () => ({ group: this.name }));
      return this.#flights.close(options.graceMs ?? DEFAULT_GRACE_MS);
    });
  }

  /** The flights whose function is running, oldest first, those adrift included; lingering results are not. */
  inFlight(): FlightInfo[] {
    return this.#flights.roster.list();
  }

  /** What the group has done since it was made. */
  stats(): GroupStats {
    return this.#flights.roster.stats();
  }

  /** @internal Whether a call without options needs nothing but the map, so that {@link joinChecked} and {@link lead} do. */
  get plain(): boolean {
    return this.#flights.plain;
  }

  /**
   * Joins the flight of a key, if there is one, in a plain group: a follower's promise of the value, once it has passed
   * `check`, which runs once for all of them.
   *
   * @internal
   */
  joinChecked<T>(key: K, check: (value: T, key: K) => T): Promise<T> | undefined {
    return this.#join(key)?.checkedOutcome(check as (value: unknown, key: K) => unknown) as Promise<T> | undefined;
  }

  /** @internal Starts a flight for a key that leads to none, in a plain group. */
  lead<T>(key: K, fn: FlightFunction<T, K>): Promise<T> {
    return this.#flights.start(key, fn).outcome() as Promise<T>;
  }

  /**
   * Takes a seat on the flight of `key`, starting it if there is none.
   *
   * @throws InvalidKeyError, InvalidOptionError, or the reason of a signal that has aborted: refused before boarding
   * @internal
   */
  board<T>(key: K, fn: FlightFunction<T, K>, options?: CallOptions & FlightOptions, mode?: BoardingMode): Seat<T, K> {
    try {
      if (typeof fn !== 'function' || options !== undefined) this.#checkCall(fn, options, 'fn', key);
      this.#checkKey(key);
      return this.#boarding.board(key, fn, options, mode);
    } catch (error) {
      this.#flights.announcer.refused(key, error);
      throw error;
    }
  }

  /**
   * {@link inFlight} for the keys that are wanted.
   *
   * @internal
   */
  inFlightWhere(wanted: (key: K) => boolean): FlightInfo[] {
    return this.#flights.roster.list(wanted);
  }

  /** @internal What holds for a flight that is started without options of its own. */
  get limits(): FlightLimits {
    return this.#flights.limits;
  }

  /** @internal Whom the group tells what happens in it. */
  get sinks(): EventSinks {
    return this.#flights.announcer.sinks;
  }

  /** @internal A call was let through alone by whoever stands in front of this group. */
  countBypass(): void {
    this.#flights.counters.bypassed++;
  }

  /** @internal */
  place(key: K): ErrorPlace {
    return this.#flights.place(key);
  }

  #join(key: K): FlightRecord<K> | undefined {
    const flight = this.#flights.roster.find(key);
    if (flight !== undefined) this.#flights.join(flight);
    return flight;
  }

  /** Whether a call needs nothing but the map: one look-up, and the function's own promise. */
  #isPlain(key: K, fn: unknown, options: object | undefined): boolean {
    return options === undefined && this.#flights.plain && typeof fn === 'function' && !Array.isArray(key);
  }

  #checkCall(fn: unknown, options: (CallOptions & FlightOptions) | undefined, name: string, ...key: [K?]): void {
    const place = (): ErrorPlace => (key.length === 0 ? { group: this.name } : this.place(key[0] as K));
    if (typeof fn !== 'function') throw InvalidOptionError.value(name, fn, 'a function', place());
    if (options === undefined) return;
    checkCallOptions(options, place);
    if (options.signal?.aborted === true) throw options.signal.reason;
  }

  #checkKey(key: K): void {
    if (!Array.isArray(key)) return;
    throw new InvalidKeyError(
      `Group '${this.name}': the key is an array, which equals no other array. Use a string, such as encodeKey(key).`,
      { group: this.name },
    );
  }

  /** Turns what is thrown before boarding into a rejection. */
  #attempt<R>(boarding: () => Promise<R>): Promise<R> {
    try {
      return boarding();
    } catch (error) {
      return Promise.reject(error);
    }
  }
}

/** Whether a group sets no bound, makes no copies and has no context of its own. */
function isPlain({ maxFlights = Infinity, maxFollowers = Infinity, isolate = 'none', context }: GroupOptions): boolean {
  return maxFlights === Infinity && maxFollowers === Infinity && isolate === 'none' && context !== 'group';
}
