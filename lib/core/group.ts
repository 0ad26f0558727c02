import type { BoardingMode, Seat } from './callers.js';
import type { BatchFunction } from './batch.js';
import { InvalidKeyError, InvalidOptionError, type ErrorPlace } from './errors.js';
import type { FlightFunction } from './flight.js';
import { Flights } from './flights.js';
import {
  checkCallOptions,
  checkCloseOptions,
  DEFAULT_GRACE_MS,
  checkGroupOptions,
  type CallOptions,
  type CloseOptions,
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

  /** @throws InvalidOptionError when an option is unknown or its value is not allowed */
  constructor(options: GroupOptions = {}) {
    checkGroupOptions(options);
    this.name = options.name ?? 'default';
    this.#flights = new Flights(this.name, options);
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
    if (options !== undefined || !this.#flights.plain || typeof fn !== 'function') {
      return this.#attempt(() => this.board(key, fn, options).promise);
    }
    // The plain path: one look-up, and the function's own promise.
    const flight = this.#flights.roster.find(key);
    if (flight === undefined) return this.#lead(key, fn);
    this.#flights.join(flight);
    return flight.outcome() as Promise<T>;
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
    return this.#attempt(() => {
      const seat = this.board(key, fn, options);
      return seat.promise.then((value) => seat.success(value));
    });
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
        return wanted.length === 0 ? Promise.resolve(new Map<K, V>()) : this.#flights.boardMany(wanted, load, options);
      } catch (error) {
        for (const key of wanted) this.#flights.refused(key, error);
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
      checkCloseOptions(options, { group: this.name });
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

  /**
   * As {@link run}, for functions some of whose results cannot be shared: followers get the value once it has passed
   * `check`, which runs once for all of them; the leader gets it as it is.
   *
   * @internal
   */
  runChecked<T>(key: K, fn: FlightFunction<T, K>, check: (value: T) => T): Promise<T> {
    if (!this.#flights.plain) {
      return this.#attempt(() => {
        const seat = this.board(key, fn);
        return seat.role === 'leader' ? seat.promise : seat.checked(check);
      });
    }
    const flight = this.#flights.roster.find(key);
    if (flight === undefined) return this.#lead(key, fn);
    this.#flights.join(flight);
    return flight.checkedOutcome(check as (value: unknown) => unknown) as Promise<T>;
  }

  /**
   * Takes a seat on the flight of `key`, starting it if there is none.
   *
   * @throws InvalidKeyError, InvalidOptionError, or the reason of a signal that has aborted: refused before boarding
   * @internal
   */
  board<T>(key: K, fn: FlightFunction<T, K>, options?: CallOptions & FlightOptions, mode?: BoardingMode): Seat<T> {
    try {
      this.#checkCall(fn, options, 'fn', key);
      this.#checkKey(key);
      return this.#flights.board(key, fn, options, mode);
    } catch (error) {
      this.#flights.refused(key, error);
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

  /** @internal A call was let through alone by whoever stands in front of this group. */
  countBypass(): void {
    this.#flights.countBypass();
  }

  /** @internal */
  place(key: K): ErrorPlace {
    return this.#flights.place(key);
  }

  #lead<T>(key: K, fn: FlightFunction<T, K>): Promise<T> {
    if (Array.isArray(key)) return this.#attempt(() => this.board(key, fn).promise);
    return this.#flights.start(key, fn).outcome() as Promise<T>;
  }

  #checkCall(fn: unknown, options: (CallOptions & FlightOptions) | undefined, name: string, ...key: [K?]): void {
    const place = (): ErrorPlace => (key.length === 0 ? { group: this.name } : this.#flights.place(key[0] as K));
    if (typeof fn !== 'function') throw InvalidOptionError.value(name, fn, 'a function', place());
    if (options === undefined) return;
    checkCallOptions(options, place());
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
