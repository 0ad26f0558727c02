import { Injectable, Optional } from '@nestjs/common';
import type { Observable } from 'rxjs';
import type { BoardingMode, Seat } from '../core/callers.js';
import { InvalidOptionError } from '../core/errors.js';
import type { FlightFunction } from '../core/flight.js';
import { Group } from '../core/group.js';
import type { BatchFunction } from '../core/batch.js';
import { encodeKey, keyOfGroup, type FlightKey, type KeySource } from '../core/key.js';
import { CALL_OPTIONS, checkNames, type CallOptions, type FlightOptions } from '../core/options.js';
import type { Result, Success } from '../core/result.js';
import type { FlightInfo, GroupStats } from '../core/stats.js';
import { resultOf } from '../rx/do-chan.js';
import type { FleetHealth } from './app-fleet.js';
import type { KeyResult } from './decorator-types.js';
import { requireFleet, splitFleet, type FleetCallOptions, type FleetHost } from './fleet-name.js';
import { NEST_DEFAULTS } from './module-options.js';
import { loadMany } from './load-many.js';
import { wrapFunction, type WrapOptions, type Wrapped } from './wrap.js';

/** What a call of a {@link SingleFlightService} takes. */
export type ServiceCallOptions = CallOptions & FlightOptions & FleetCallOptions;

const SERVICE_CALL_OPTIONS = [...CALL_OPTIONS, 'fleet'] as const;

/**
 * A group as a Nest provider: inject it, and give it keys of any `FlightKey` kind.
 *
 * A key that is `undefined` or `null` means: do not coalesce this call.
 *
 * @example
 * ```ts
 * import { Injectable } from '@nestjs/common';
 * import { SingleFlightService } from 'nestjs-singleflight';
 *
 * @Injectable()
 * class Products {
 *   constructor(private readonly singleFlight: SingleFlightService) {}
 *
 *   find(tenant: string, id: number): Promise<string> {
 *     return this.singleFlight.run([tenant, id], async () => `product ${id} of ${tenant}`);
 *   }
 * }
 * ```
 */
@Injectable()
export class SingleFlightService {
  /** The group behind it, whose keys are encoded. */
  readonly group: Group;
  private readonly app: FleetHost & { enabled: boolean };
  private readonly keySource: KeySource;

  constructor(@Optional() group?: Group, @Optional() app?: FleetHost & { enabled: boolean }) {
    this.group = group ?? new Group(NEST_DEFAULTS);
    this.app = app ?? { enabled: true };
    this.keySource = keyOfGroup(this.group.name);
  }

  /**
   * The app's kill switch, for all groups, decorators and the interceptor. While it is false every call runs its own
   * function, alone; those aboard a flight stay aboard.
   */
  get enabled(): boolean {
    return this.app.enabled;
  }

  set enabled(enabled: boolean) {
    this.app.enabled = enabled;
  }

  /**
   * Runs `fn` unless a flight for `key` is under way, in which case it joins that; resolves to the flight's value. See
   * {@link Group.run}.
   */
  run<T>(key: KeyResult, fn: FlightFunction<T>, options?: ServiceCallOptions): Promise<T> {
    try {
      this.checkNames(key, options);
      if (options !== undefined && 'fleet' in options) return this.board(key, fn, options).promise;
      const encoded = this.encode(key);
      return encoded === undefined ? this.alone(fn, options).promise : this.group.run(encoded, fn, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * As {@link run}, and says how it went. See {@link Group.do}. Who was answered by another process of the fleet is a
   * follower, and shares; where the function ran here, `shared` is about the callers of this process alone.
   */
  do<T>(key: KeyResult, fn: FlightFunction<T>, options?: ServiceCallOptions): Promise<Success<T>> {
    try {
      this.checkNames(key, options);
      const named = options !== undefined && 'fleet' in options;
      const encoded = named ? undefined : this.encode(key);
      if (encoded !== undefined) return this.group.do(encoded, fn, options);
      const seat = named ? this.board(key, fn, options) : this.alone(fn, options);
      return seat.promise.then((value) => seat.success(value));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * One value for each of many keys: joins the flights under way for some, and loads the others in one call. The Map that
   * `load` returns, and the one that this resolves to, may be keyed by equal keys: `['t', 1]` finds `['t', 1]`. See
   * {@link Group.doMany}.
   *
   * @returns rejects with an `InvalidKeyError` when one of the keys is `undefined` or `null`
   *
   * @example
   * ```ts
   * import { SingleFlightService } from 'nestjs-singleflight';
   *
   * const singleFlight = new SingleFlightService();
   * const names = await singleFlight.doMany([1, 2], async (ids) => new Map(ids.map((id) => [id, `user ${id}`])));
   * console.log(names.get(2)); // 'user 2'
   * ```
   */
  doMany<V, K extends FlightKey = FlightKey>(
    keys: Iterable<K>,
    load: BatchFunction<K, V>,
    options?: CallOptions & FlightOptions,
  ): Promise<Map<K, V>> {
    return loadMany(this.group, this.app, keys, load, options);
  }

  /**
   * Starts or joins the flight now; the Observable emits its one `Result` and completes, and never errors. It counts as
   * one caller, who leaves when the last subscriber unsubscribes before the result. Go's `DoChan`.
   */
  doChan<T>(key: KeyResult, fn: FlightFunction<T>, options?: ServiceCallOptions): Observable<Result<T>> {
    return resultOf(() => {
      this.checkNames(key, options);
      return this.board(key, fn, options, { leavable: true });
    });
  }

  /**
   * A function whose concurrent calls with equal keys share one execution. Two wrapped functions never meet, whatever
   * their keys.
   *
   * @example
   * ```ts
   * import { SingleFlightService } from 'nestjs-singleflight';
   *
   * const singleFlight = new SingleFlightService();
   * const load = singleFlight.wrap(
   *   async (id: number) => `product ${id}`,
   *   (id) => id,
   * );
   * await Promise.all([load(1), load(1)]); // one execution
   * load.forget(1);
   * ```
   */
  wrap<A extends unknown[], T>(
    fn: (...args: A) => Promise<T>,
    keyFn: NoInfer<(...args: A) => KeyResult>,
    options?: WrapOptions,
  ): Wrapped<A, T> {
    return wrapFunction(this.group, this.app, fn, keyFn, options);
  }

  /** Makes `key` lead to nothing; true if there was something to forget. See {@link Group.forget}. */
  forget(key: KeyResult): boolean;
  /**
   * With the flight's name in the fleet: in every process, and before this resolves. To be awaited after a write.
   *
   * @returns whether this process had something to forget; rejects with the engine's error where `whenDown` is `'fail'`
   */
  forget(key: KeyResult, options: { readonly fleet: string }): Promise<boolean>;
  forget(key: KeyResult, options?: FleetCallOptions): boolean | Promise<boolean> {
    const name = options?.fleet;
    if (name === undefined) {
      return key !== undefined && key !== null && this.group.forget(encodeKey(key, this.keySource));
    }
    const fleet = requireFleet(this.app, name, `forget of the group '${this.group.name}'`);
    if (fleet === undefined || key === undefined || key === null) return Promise.resolve(false);
    return fleet.forget(this.group, { name, key: encodeKey(key, this.keySource) });
  }

  /** {@link forget} for every key of the group; how many led to something. */
  forgetAll(): number {
    return this.group.forgetAll();
  }

  /** The flights whose function is running, oldest first. See {@link Group.inFlight}. */
  inFlight(): FlightInfo[] {
    return this.group.inFlight();
  }

  /** What the group has done since it was made. */
  stats(): GroupStats {
    return this.group.stats();
  }

  /** Whether the engine of the app's fleet answers; undefined where it has no fleet. */
  fleetHealth(): FleetHealth | undefined {
    return this.app.fleet?.health;
  }

  /** The group does not know that a flight may have a name in the fleet. */
  private checkNames(key: KeyResult, options: ServiceCallOptions | undefined): void {
    if (options === undefined) return;
    checkNames(options, SERVICE_CALL_OPTIONS, () => {
      const encoded = this.encode(key);
      return encoded === undefined ? { group: this.group.name } : this.group.place(encoded);
    });
  }

  /** Takes a seat on a flight: this process's own, one of the fleet, or one that nobody can join. */
  private board<T>(key: KeyResult, fn: FlightFunction<T>, options?: ServiceCallOptions, mode?: BoardingMode): Seat<T> {
    const [name, rest] = splitFleet(options);
    const fleet = requireFleet(this.app, name, `A call of the group '${this.group.name}'`);
    const encoded = this.encode(key);
    if (encoded === undefined) return this.alone(fn, rest, mode);
    if (fleet === undefined || name === undefined) return this.group.board(encoded, fn, rest, mode);
    if (typeof fn !== 'function') throw InvalidOptionError.value('fn', fn, 'a function', this.group.place(encoded));
    return fleet.board(this.group, { name, key: encoded }, fn, rest, mode);
  }

  /** The key as the group takes it; undefined when the call goes alone. */
  private encode(key: KeyResult): string | undefined {
    return key === undefined || key === null || !this.app.enabled ? undefined : encodeKey(key, this.keySource);
  }

  private alone<T>(
    fn: FlightFunction<T>,
    options: (CallOptions & FlightOptions) | undefined,
    mode?: BoardingMode,
  ): Seat<T> {
    return this.group.board('', fn, options, { ...mode, alone: true });
  }
}
