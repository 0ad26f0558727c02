import { AsyncResource } from 'node:async_hooks';
import { Announcer } from './announcer.js';
import { Batch, BatchCaller, checkLoaded, loadedOutcome, type BatchFunction, type BatchHost } from './batch.js';
import { Caller, Seat, type BoardingMode } from './callers.js';
import { turnTime } from './clock.js';
import { Waiting } from './deadlock.js';
import {
  AbandonedError,
  FlightTimeoutError,
  GroupClosedError,
  TooManyFlightsError,
  TooManyFollowersError,
  type ErrorPlace,
  type SingleFlightError,
} from './errors.js';
import { FlightRecord, type FlightFunction, type FlightHost } from './flight.js';
import type { HandOut } from './isolate.js';
import type { AdriftEvent } from './observer.js';
import { limitsOf, type CallOptions, type FlightLimits, type FlightOptions, type GroupOptions } from './options.js';
import { promiseOf } from './promise-of.js';
import type { Role } from './result.js';
import { Roster } from './roster.js';
import { Counters } from './stats.js';

/** The life of a group's flights: found or started, joined, set adrift, settled, and gone from the map before that. */
export class Flights<K> implements FlightHost<K>, BatchHost<K> {
  /**
   * Whether a call without options needs nothing but the map: no bound, no copies, no context of its own, no search for
   * deadlocks. Written again when the group is closed.
   */
  plain: boolean;
  readonly roster: Roster<K>;
  private readonly counters = new Counters();
  private readonly announcer: Announcer<K>;
  private readonly limits: FlightLimits;
  private readonly maxFlights: number;
  private readonly maxFollowers: number;
  private readonly detectDeadlocks: boolean;
  /** The context in which the group was made, where functions run in that. */
  private readonly context: AsyncResource | undefined;
  /** Set when the group is closed; written once. */
  private closing: Promise<void> | undefined = undefined;
  /** What is called when the last function has ended; set while somebody closes the group. */
  private onIdle: (() => void) | undefined = undefined;

  constructor(name: string, options: GroupOptions) {
    this.announcer = new Announcer(name, options);
    this.roster = new Roster(this.announcer, this.counters);
    this.limits = limitsOf(options);
    this.maxFlights = options.maxFlights ?? Infinity;
    this.maxFollowers = options.maxFollowers ?? Infinity;
    this.detectDeadlocks = options.detectDeadlocks ?? process.env.NODE_ENV !== 'production';
    this.context = options.context === 'group' ? new AsyncResource('SingleFlightGroup') : undefined;
    this.plain =
      this.maxFlights === Infinity &&
      this.maxFollowers === Infinity &&
      this.limits.handOut === undefined &&
      this.context === undefined &&
      !this.detectDeadlocks;
  }

  // ---- Coming aboard

  /** One more caller of a flight that the roster found. */
  join(flight: FlightRecord<K>): void {
    this.count(flight);
    this.announcer.joined(flight);
  }

  private count(flight: FlightRecord<K>): void {
    flight.join();
    this.counters.followers++;
  }

  /** Starts a flight for a caller who cannot leave, in a plain group. */
  start(key: K, fn: FlightFunction<unknown, K>): FlightRecord<K> {
    const flight = new FlightRecord(this, key, this.limits, turnTime());
    this.launch(flight, fn);
    return flight;
  }

  /**
   * Finds or starts a flight for any caller.
   *
   * @throws TooManyFlightsError, TooManyFollowersError, GroupClosedError, DeadlockError: refused, nothing was joined or
   * started
   */
  board<T>(
    key: K,
    fn: FlightFunction<T, K>,
    options: CallOptions & FlightOptions = {},
    mode: BoardingMode = {},
  ): Seat<T> {
    const canLeave = mode.leavable === true || options.signal !== undefined || options.waitTimeoutMs !== undefined;
    const found = mode.alone === true ? undefined : this.roster.find(key);
    if (found !== undefined) {
      this.admitFollower(found, canLeave);
      // Before anybody is told that it joined: whoever hears it may abort the caller's signal.
      const caller = this.caller(found, 'follower', options, canLeave);
      this.join(found);
      if (!canLeave) found.waiting?.await();
      return this.seat(found, 'follower', caller);
    }
    if (mode.alone !== true) this.admitFlight(key);
    const flight = new FlightRecord(
      this,
      key,
      limitsOf({ ...options, isolate: mode.isolate }, this.limits),
      turnTime(),
    );
    this.watch([flight], canLeave);
    // Before the function is called: the caller may leave from inside it.
    const caller = this.caller(flight, 'leader', options, canLeave);
    if (mode.alone === true) this.launchAlone(flight, fn);
    else this.launch(flight, fn);
    return this.seat(flight, 'leader', caller);
  }

  /** Joins the flights of the keys that have one, and loads the others in one flight. Throws as {@link board} does. */
  boardMany<V>(
    keys: readonly K[],
    load: BatchFunction<K, V>,
    options: CallOptions & FlightOptions,
  ): Promise<Map<K, V>> {
    const canLeave = options.signal !== undefined || options.waitTimeoutMs !== undefined;
    // What is overdue goes first: whoever hears of that may start a flight for another of the keys.
    for (const key of keys) this.roster.find(key);
    const found = new Map(keys.map((key) => [key, this.roster.find(key)]));
    const missing = keys.filter((key) => found.get(key) === undefined);
    const first = missing[0];
    if (first !== undefined) this.admitFlight(first);
    for (const flight of found.values()) if (flight !== undefined) this.admitFollower(flight, canLeave);

    const limits = limitsOf(options, this.limits);
    const joined = [...found.values()].filter((flight) => flight !== undefined);
    const started = missing.map((key) => new FlightRecord(this, key, limits, turnTime()));
    if (started.length > 0) this.watch(started, canLeave);
    for (const flight of joined) {
      this.count(flight);
      if (!canLeave) flight.waiting?.await();
    }
    const caller = this.batchCaller<V>(keys, joined, started, options);
    // Before anybody is told: whoever hears of it may ask for one of the keys.
    for (const flight of started) this.roster.register(flight);
    // Whoever hears it may abort the caller's signal: all is counted by now.
    for (const flight of joined) this.announcer.joined(flight);
    if (started.length > 0) this.launchBatch(new Batch(this, started), load);
    return caller.promise;
  }

  /** A call was refused before boarding. */
  refused(key: K, error: unknown): void {
    this.announcer.refused(key, error);
  }

  /** A call was let through alone without a flight. */
  countBypass(): void {
    this.counters.bypassed++;
  }

  private admitFlight(key: K): void {
    if (this.closing !== undefined) throw new GroupClosedError(this.place(key));
    if (this.counters.active >= this.maxFlights) throw new TooManyFlightsError(this.place(key), this.maxFlights);
  }

  private admitFollower(flight: FlightRecord<K>, canLeave: boolean): void {
    // A result that lingers is there already: nobody waits for it.
    if (flight.settled) return;
    // Aboard are the first caller and those who follow.
    if (flight.aboard > this.maxFollowers) throw new TooManyFollowersError(this.place(flight.key), this.maxFollowers);
    if (!canLeave) flight.waiting?.refuseCircle();
  }

  /** Has deadlocks looked for: flights that one function runs wait together. */
  private watch(flights: readonly FlightRecord<K>[], canLeave: boolean): void {
    if (!this.detectDeadlocks) return;
    const waiting = new Waiting(() => this.announcer.describeFlight(flights.map((flight) => flight.key)));
    for (const flight of flights) flight.waiting = waiting;
    if (!canLeave) waiting.await();
  }

  private caller(flight: FlightRecord<K>, role: Role, options: CallOptions, canLeave: boolean): Caller | undefined {
    if (flight.settled || (!canLeave && flight.limits.handOut === undefined)) return undefined;
    return new Caller(flight, options, {
      place: () => this.place(flight.key),
      onLeave: (reason) => {
        this.counters.left++;
        this.disembarked(flight, role, reason);
      },
    });
  }

  private batchCaller<V>(
    keys: readonly K[],
    joined: readonly FlightRecord<K>[],
    started: readonly FlightRecord<K>[],
    options: CallOptions,
  ): BatchCaller<K, V> {
    const byKey = new Map([...joined, ...started].map((flight) => [flight.key, flight]));
    const aboard = keys.map((key) => [key, byKey.get(key)]) as [K, FlightRecord<K>][];
    const onLeave = (flights: readonly FlightRecord<K>[], reason: unknown): void => {
      this.counters.left++;
      for (const flight of flights) this.disembarked(flight, started.includes(flight) ? 'leader' : 'follower', reason);
    };
    return new BatchCaller(new Map(aboard), options, () => this.place(keys[0] as K), onLeave);
  }

  private seat<T>(flight: FlightRecord<K>, role: Role, caller: Caller | undefined): Seat<T> {
    const promise = caller?.promise ?? (flight.settled ? flight.lingering() : flight.outcome());
    return new Seat<T>(promise as Promise<T>, flight, role, caller);
  }

  // ---- The life of a flight

  /** Registers the flight, then calls its function: a call from inside it finds the flight. */
  private launch(flight: FlightRecord<K>, fn: FlightFunction<unknown, K>): void {
    this.roster.register(flight);
    this.counters.flightStarted();
    this.announcer.started(flight);
    this.execute(flight, fn);
  }

  /** Calls the function of a flight that nobody can join: no key leads to it, and only `bypassed` counts it. */
  private launchAlone(flight: FlightRecord<K>, fn: FlightFunction<unknown, K>): void {
    flight.uncounted = true;
    this.counters.bypassed++;
    this.announcer.started(flight, true);
    this.execute(flight, fn);
  }

  /** Calls the function that loads the keys of flights that are registered; it counts as one flight. */
  private launchBatch<V>(batch: Batch<K>, load: BatchFunction<K, V>): void {
    for (const flight of batch.flights) flight.uncounted = true;
    this.counters.flightStarted();
    for (const flight of batch.flights) this.announcer.started(flight);
    this.executeBatch(batch, load);
  }

  private endBatch(batch: Batch<K>, ok: boolean, outcome: unknown): void {
    let loaded: ReadonlyMap<unknown, unknown> | undefined;
    let error = outcome;
    if (ok) {
      try {
        checkLoaded(outcome, this.place(batch.key[0] as K));
        loaded = outcome;
      } catch (misuse) {
        error = misuse;
      }
    }
    // What it does after its flights have been cut short changes nothing.
    if (loaded === undefined && batch.flights.some((flight) => !flight.settled)) this.counters.failures++;
    for (const flight of batch.flights) {
      if (loaded === undefined) this.end(flight, false, error);
      else this.end(flight, ...loadedOutcome(loaded, flight.key, () => this.place(flight.key)));
    }
  }

  private execute(flight: FlightRecord<K>, fn: FlightFunction<unknown, K>): void {
    let returned: unknown;
    let promise: Promise<unknown> | undefined;
    try {
      returned = this.plain ? fn(flight) : this.call(flight, () => fn(flight));
      promise = promiseOf(returned);
      // First of all that wait for it, so that the key is free before anybody wakes.
      promise?.then(
        (value) => {
          this.end(flight, true, value);
        },
        (error: unknown) => {
          this.end(flight, false, error);
        },
      );
    } catch (error) {
      this.end(flight, false, error);
      return;
    }
    if (promise === undefined) this.end(flight, true, returned);
    else if (flight.limits.flightTimeoutMs !== Infinity) this.limit(flight);
    else if (flight.limits.handOut === undefined) flight.promise ??= promise;
  }

  private executeBatch<V>(batch: Batch<K>, load: BatchFunction<K, V>): void {
    const end = (ok: boolean, outcome: unknown): void => {
      this.counters.ended++;
      this.endBatch(batch, ok, outcome);
      this.onIdle?.();
    };
    let promise: Promise<unknown> | undefined;
    try {
      const returned = this.call(batch.flights[0], () => load(batch.key, batch));
      promise = promiseOf(returned);
      if (promise === undefined) end(true, returned);
    } catch (error) {
      end(false, error);
    }
    promise?.then(
      (loaded) => {
        end(true, loaded);
      },
      (error: unknown) => {
        end(false, error);
      },
    );
    for (const flight of batch.flights) this.limit(flight);
  }

  /** Calls a function in the context that it is to run in. */
  private call(flight: FlightRecord<K> | undefined, fn: () => unknown): unknown {
    const waiting = flight?.waiting;
    const watched = waiting === undefined ? fn : () => waiting.run(fn);
    return this.context === undefined ? watched() : this.context.runInAsyncScope(watched);
  }

  private limit(flight: FlightRecord<K>): void {
    if (flight.settled || flight.limits.flightTimeoutMs === Infinity) return;
    flight.limit(() => {
      this.cut(flight, 'flight-timeout', new FlightTimeoutError(this.place(flight.key), flight.limits.flightTimeoutMs));
    });
  }

  /** The function has ended. */
  private end(flight: FlightRecord<K>, ok: boolean, outcome: unknown): void {
    flight.ended = true;
    this.roster.strike(flight);
    // After a timeout nothing that the function does changes anything.
    if (!flight.settled) this.settle(flight, ok, outcome);
    if (flight.uncounted) return;
    this.counters.ended++;
    this.onIdle?.();
  }

  private settle(flight: FlightRecord<K>, ok: boolean, outcome: unknown): void {
    const lingers = flight.keyed && ok && flight.limits.lingerMs > 0 && this.closing === undefined;
    if (flight.keyed && !lingers) this.roster.free(flight);
    const { handOut } = flight.limits;
    if (ok && handOut !== undefined && (lingers || flight.aboard > 1)) {
      this.settleApart(flight, outcome, handOut);
    } else this.settleAs(flight, ok, outcome);
    if (lingers && flight.keyed) this.roster.linger(flight);
  }

  /** Gives each caller its own share of a success; when it cannot be shared, all of them the error that says so. */
  private settleApart(flight: FlightRecord<K>, value: unknown, handOut: HandOut): void {
    let share: () => unknown;
    try {
      share = handOut(value, () => this.place(flight.key));
    } catch (error) {
      if (flight.keyed) this.roster.free(flight);
      this.settleAs(flight, false, error);
      return;
    }
    this.settleAs(flight, true, value, share);
  }

  private settleAs(flight: FlightRecord<K>, ok: boolean, outcome: unknown, share?: () => unknown): void {
    if (!ok && !flight.uncounted) this.counters.failures++;
    flight.waiting?.end();
    flight.settle(ok, outcome, share);
    this.announcer.settled(flight, ok, outcome, turnTime);
  }

  /** Settles a flight whose function has not ended: frees its key, answers everybody, then aborts. */
  private cut(flight: FlightRecord<K>, reason: AdriftEvent['reason'], error: SingleFlightError): void {
    if (flight.keyed) this.roster.setAdrift(flight, reason);
    this.settle(flight, false, error);
    flight.abort(error);
  }

  private disembarked(flight: FlightRecord<K>, role: Role, reason: unknown): void {
    this.announcer.left(flight, role, reason);
    flight.doomIfEmpty();
  }

  /** Nobody is aboard and the function can be stopped: the key goes first, so that nobody joins what is being stopped. */
  doom(flight: FlightRecord<K>): void {
    this.release(flight);
    flight.abort(new AbandonedError(this.place(flight.key)));
  }

  release(flight: FlightRecord<K>): void {
    if (flight.keyed) this.roster.setAdrift(flight, 'abandoned');
  }

  // ---- The end of the group

  /** Refuses new flights, waits for those under way, and after the grace cuts them short. */
  close(graceMs: number): Promise<void> {
    this.closing ??= this.drain(graceMs);
    return this.closing;
  }

  private async drain(graceMs: number): Promise<void> {
    this.plain = false;
    this.roster.dropLingering();
    if (this.counters.active > 0) await this.idleWithin(graceMs);
    const cut = this.roster
      .unsettled()
      .map((flight) => ({ flight, error: new GroupClosedError(this.place(flight.key)) }));
    // All callers first, then all functions: what a function does when it is stopped finds nobody waiting.
    for (const { flight, error } of cut) {
      if (flight.keyed) this.roster.setAdrift(flight, 'closed');
      this.settle(flight, false, error);
    }
    for (const { flight, error } of cut) flight.abort(error);
  }

  private idleWithin(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const over = (): void => {
        clearTimeout(timer);
        this.onIdle = undefined;
        resolve();
      };
      const timer = setTimeout(over, graceMs);
      this.onIdle = () => {
        if (this.counters.active === 0) over();
      };
    });
  }

  /** Described when an error asks: most calls that could fail do not. */
  place(key: K): ErrorPlace {
    return this.announcer.place(key);
  }
}
