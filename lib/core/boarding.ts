import { Batch, BatchCaller, type BatchCallerHost, type BatchFunction } from './batch.js';
import { Caller, Seat, type BoardingMode, type CallerHost } from './callers.js';
import { turnTime } from './clock.js';
import { Waiting } from './deadlock.js';
import { GroupClosedError, TooManyFlightsError, TooManyFollowersError, type ErrorPlace } from './errors.js';
import { FlightRecord, type FlightFunction } from './flight.js';
import type { Flights } from './flights.js';
import { limitsOf, type CallOptions, type FlightOptions, type GroupOptions } from './options.js';
import type { Role } from './result.js';

/** Who may come aboard a group's flights, and who has left them. */
export class Boarding<K> implements CallerHost<K>, BatchCallerHost<K> {
  private readonly maxFlights: number;
  private readonly maxFollowers: number;

  constructor(
    private readonly flights: Flights<K>,
    options: GroupOptions,
    private readonly detectDeadlocks: boolean,
  ) {
    this.maxFlights = options.maxFlights ?? Infinity;
    this.maxFollowers = options.maxFollowers ?? Infinity;
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
  ): Seat<T, K> {
    const canLeave = mode.leavable === true || options.signal !== undefined || options.waitTimeoutMs !== undefined;
    const found = mode.alone === true ? undefined : this.flights.roster.find(key);
    if (found === undefined) return this.lead(key, fn, options, mode, canLeave);
    this.admitFollower(found, canLeave);
    // Before anybody is told that it joined: whoever hears it may abort the caller's signal.
    const caller = this.caller(found, 'follower', options, canLeave);
    this.flights.join(found);
    if (!canLeave) found.waiting?.await();
    return this.seat(found, 'follower', caller);
  }

  private lead<T>(
    key: K,
    fn: FlightFunction<T, K>,
    options: CallOptions & FlightOptions,
    mode: BoardingMode,
    canLeave: boolean,
  ): Seat<T, K> {
    if (mode.alone !== true) this.admitFlight(key);
    const limits = limitsOf(options, mode.isolate, this.flights.limits);
    const flight = new FlightRecord(this.flights, key, limits, turnTime());
    this.watch([flight], canLeave);
    // Before the function is called: the caller may leave from inside it.
    const caller = this.caller(flight, 'leader', options, canLeave);
    if (mode.alone === true) this.flights.launchAlone(flight, fn);
    else this.flights.launch(flight, fn);
    return this.seat(flight, 'leader', caller);
  }

  /** Joins the flights of the keys that have one, and loads the others in one flight. Throws as {@link board} does. */
  boardMany<V>(
    keys: readonly K[],
    load: BatchFunction<K, V>,
    options: CallOptions & FlightOptions,
  ): Promise<Map<K, V>> {
    const { roster } = this.flights;
    const canLeave = options.signal !== undefined || options.waitTimeoutMs !== undefined;
    // What is overdue goes first: whoever hears of that may start a flight for another of the keys.
    for (const key of keys) roster.find(key);
    const aboard = new Map<K, FlightRecord<K>>();
    for (const key of keys) {
      const flight = roster.find(key);
      if (flight !== undefined) aboard.set(key, flight);
    }
    const joined = [...aboard.values()];
    const missing = keys.filter((key) => !aboard.has(key));
    if (missing.length > 0) this.admitFlight(missing[0] as K);
    for (const flight of joined) this.admitFollower(flight, canLeave);

    const limits = limitsOf(options, undefined, this.flights.limits);
    const started = missing.map((key) => new FlightRecord(this.flights, key, limits, turnTime()));
    if (started.length > 0) this.watch(started, canLeave);
    for (const flight of started) aboard.set(flight.key, flight);
    for (const flight of joined) {
      this.flights.count(flight);
      if (!canLeave) flight.waiting?.await();
    }
    const caller = new BatchCaller<K, V>(this, keys, aboard, started, options);
    // Before anybody is told: whoever hears of it may ask for one of the keys.
    for (const flight of started) roster.register(flight);
    // Whoever hears it may abort the caller's signal: all is counted by now.
    for (const flight of joined) this.flights.announcer.joined(flight);
    if (started.length > 0) this.flights.launchBatch(new Batch(this.flights, started), load);
    return caller.promise;
  }

  left(flight: FlightRecord<K>, role: Role, reason: unknown): void {
    this.flights.counters.left++;
    this.flights.disembarked(flight, role, reason);
  }

  leftMany(flights: readonly FlightRecord<K>[], started: readonly FlightRecord<K>[], reason: unknown): void {
    this.flights.counters.left++;
    const led = new Set(started);
    for (const flight of flights) this.flights.disembarked(flight, led.has(flight) ? 'leader' : 'follower', reason);
  }

  place(key: K): ErrorPlace {
    return this.flights.place(key);
  }

  private admitFlight(key: K): void {
    if (this.flights.closed) throw new GroupClosedError(this.place(key));
    if (this.flights.counters.active < this.maxFlights) return;
    throw new TooManyFlightsError(this.place(key), this.maxFlights);
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
    const waiting = new Waiting(() => this.flights.announcer.describeFlight(flights.map(({ key }) => key)));
    for (const flight of flights) flight.waiting = waiting;
    if (!canLeave) waiting.await();
  }

  private caller(flight: FlightRecord<K>, role: Role, options: CallOptions, canLeave: boolean): Caller<K> | undefined {
    if (flight.settled || (!canLeave && flight.limits.handOut === undefined)) return undefined;
    return new Caller(this, flight, role, options);
  }

  private seat<T>(flight: FlightRecord<K>, role: Role, caller: Caller<K> | undefined): Seat<T, K> {
    const promise = caller?.promise ?? (flight.settled ? flight.lingering() : flight.outcome());
    return new Seat<T, K>(promise as Promise<T>, flight, role, caller);
  }
}
