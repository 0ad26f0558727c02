import { Caller, Seat, type BoardingMode } from './callers.js';
import { turnTime } from './clock.js';
import { AbandonedError, FlightTimeoutError, type ErrorPlace } from './errors.js';
import { FlightRecord, type FlightFunction, type FlightHost } from './flight.js';
import { inspectThrown } from './inspect.js';
import { describeKeyByDefault } from './key.js';
import { sinksOf, type AdriftEvent, type EventSinks, type FlightEvent, type OneFlightEvent } from './observer.js';
import { limitsOf, type CallOptions, type FlightLimits, type FlightOptions, type GroupOptions } from './options.js';
import type { Role } from './result.js';
import { Counters, type FlightInfo, type GroupStats } from './stats.js';

/** The life of a group's flights: found or started, joined, set adrift, settled, and gone from the map before that. */
export class Flights<K> implements FlightHost<K> {
  /** The flights that keys lead to, and the results that linger. A key is written here and in `keyed` together. */
  private readonly keyed = new Map<K, FlightRecord<K>>();
  /** The flights that no key leads to and whose function has not ended. */
  private readonly adrift = new Set<FlightRecord<K>>();
  private readonly counters = new Counters();
  /** Whether some flight could ever be joined for a limited time only; if not, nothing in the map is overdue. */
  private expiring = false;
  private readonly limits: FlightLimits;
  private readonly describe: (key: K) => unknown;
  private readonly sinks: EventSinks;

  constructor(
    private readonly name: string,
    options: GroupOptions,
  ) {
    this.limits = limitsOf(options);
    this.describe = options.describeKey ?? describeKeyByDefault;
    this.sinks = sinksOf(options.observer);
  }

  // ---- Coming aboard

  /** The flight, or lingering result, that a caller of `key` may join now. */
  find(key: K): FlightRecord<K> | undefined {
    const flight = this.keyed.get(key);
    if (flight === undefined || flight.joinableUntil === Infinity || turnTime() < flight.joinableUntil) return flight;
    this.pass(flight);
    // Nothing, unless an observer has called meanwhile.
    return this.keyed.get(key);
  }

  /** One more caller of a flight that {@link find} found. */
  join(flight: FlightRecord<K>): void {
    flight.join();
    this.counters.followers++;
    if (this.sinks.join.hasSubscribers) {
      this.sinks.join.publish({ ...this.event(flight), lingering: flight.settled });
    }
  }

  /** Starts a flight for a caller who cannot leave. */
  start(key: K, fn: FlightFunction<unknown, K>): FlightRecord<K> {
    const flight = new FlightRecord(this, key, this.limits, turnTime());
    this.launch(flight, fn);
    return flight;
  }

  /** Finds or starts a flight for a caller with options. */
  board<T>(
    key: K,
    fn: FlightFunction<T, K>,
    options: CallOptions & FlightOptions = {},
    { leavable = false, alone = false }: BoardingMode = {},
  ): Seat<T> {
    const found = alone ? undefined : this.find(key);
    if (found !== undefined) {
      // Before anybody is told that it joined: whoever hears it may abort the caller's signal.
      const caller = this.caller(found, 'follower', options, leavable);
      this.join(found);
      return this.seat(found, 'follower', caller);
    }
    const flight = new FlightRecord(this, key, limitsOf(options, this.limits), turnTime());
    // Before the function is called: the caller may leave from inside it.
    const caller = this.caller(flight, 'leader', options, leavable);
    if (alone) this.launchAlone(flight, fn);
    else this.launch(flight, fn);
    return this.seat(flight, 'leader', caller);
  }

  /** A call was refused before boarding. */
  refused(key: K, error: unknown): void {
    if (this.sinks.reject.hasSubscribers) this.sinks.reject.publish({ ...this.keyEvent(key), error });
  }

  /** A call was let through alone without a flight. */
  countBypass(): void {
    this.counters.bypassed++;
  }

  private caller(flight: FlightRecord<K>, role: Role, options: CallOptions, leavable: boolean): Caller | undefined {
    const canLeave = leavable || options.signal !== undefined || options.waitTimeoutMs !== undefined;
    // A result that lingers is there already: there is nothing to leave.
    if (!canLeave || flight.settled) return undefined;
    return new Caller(flight, options, {
      place: () => this.place(flight.key),
      onLeave: (reason) => {
        this.onLeave(flight, role, reason);
      },
    });
  }

  private seat<T>(flight: FlightRecord<K>, role: Role, caller: Caller | undefined): Seat<T> {
    return new Seat<T>((caller?.promise ?? flight.outcome()) as Promise<T>, flight, role, caller);
  }

  // ---- The life of a flight

  /** Registers the flight, then calls its function: a call from inside it finds the flight. */
  private launch(flight: FlightRecord<K>, fn: FlightFunction<unknown, K>): void {
    this.keyed.set(flight.key, flight);
    flight.keyed = true;
    if (flight.joinableUntil !== Infinity) this.expiring = true;
    this.counters.flightStarted();
    if (this.sinks.start.hasSubscribers) this.sinks.start.publish({ ...this.event(flight), alone: false });
    this.execute(flight, fn);
  }

  /** Calls the function of a flight that nobody can join: no key leads to it, and only `bypassed` counts it. */
  private launchAlone(flight: FlightRecord<K>, fn: FlightFunction<unknown, K>): void {
    flight.alone = true;
    this.counters.bypassed++;
    if (this.sinks.start.hasSubscribers) this.sinks.start.publish({ ...this.event(flight), alone: true });
    this.execute(flight, fn);
  }

  private execute(flight: FlightRecord<K>, fn: FlightFunction<unknown, K>): void {
    let returned: unknown;
    let promise: Promise<unknown> | undefined;
    try {
      returned = fn(flight);
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
    else if (flight.limits.flightTimeoutMs === Infinity) flight.promise ??= promise;
    else
      flight.limit(() => {
        this.timeOut(flight);
      });
  }

  /** The function has ended. */
  private end(flight: FlightRecord<K>, ok: boolean, outcome: unknown): void {
    flight.ended = true;
    if (!flight.alone) this.counters.ended++;
    if (!flight.keyed) this.adrift.delete(flight);
    // After a timeout nothing that the function does changes anything.
    if (!flight.settled) this.settle(flight, ok, outcome);
  }

  private settle(flight: FlightRecord<K>, ok: boolean, outcome: unknown): void {
    if (!ok && !flight.alone) this.counters.failures++;
    const lingers = flight.keyed && ok && flight.limits.lingerMs > 0;
    if (flight.keyed && !lingers) this.unkey(flight);
    flight.settle(ok, outcome);
    if (lingers)
      flight.linger(() => {
        this.unkey(flight);
      });
    if (this.sinks.settle.hasSubscribers) {
      this.sinks.settle.publish({
        ...this.event(flight),
        ok,
        ...(ok ? undefined : { error: outcome }),
        callers: flight.joined,
        aboard: flight.aboard,
        durationMs: turnTime() - flight.startedAt,
      });
    }
  }

  private timeOut(flight: FlightRecord<K>): void {
    const error = new FlightTimeoutError(this.place(flight.key), flight.limits.flightTimeoutMs);
    if (flight.keyed) this.setAdrift(flight, 'flight-timeout');
    this.settle(flight, false, error);
    flight.abort(error);
  }

  private onLeave(flight: FlightRecord<K>, role: Role, reason: unknown): void {
    this.counters.left++;
    if (this.sinks.leave.hasSubscribers) this.sinks.leave.publish({ ...this.event(flight), role, reason });
    flight.doomIfEmpty();
  }

  /** Nobody is aboard and the function can be stopped: the key goes first, so that nobody joins what is being stopped. */
  doom(flight: FlightRecord<K>): void {
    if (flight.keyed) this.setAdrift(flight, 'abandoned');
    flight.abort(new AbandonedError(this.place(flight.key)));
  }

  // ---- Keys that lead to nothing any more

  forget(key: K): boolean {
    const flight = this.find(key);
    if (flight === undefined) return false;
    this.forgetFlight(flight);
    return true;
  }

  forgetAll(): number {
    this.passOverdue();
    const flights = [...this.keyed.values()];
    // An observer may have forgotten some of them by itself meanwhile.
    for (const flight of flights) if (flight.keyed) this.forgetFlight(flight);
    return flights.length;
  }

  private forgetFlight(flight: FlightRecord<K>): void {
    this.counters.forgotten++;
    if (flight.settled) this.unkey(flight);
    else this.setAdrift(flight, 'forgotten');
    if (this.sinks.forget.hasSubscribers) this.sinks.forget.publish(this.keyEvent(flight.key));
  }

  /** Its time to be joined is over. */
  private pass(flight: FlightRecord<K>): void {
    if (flight.settled) this.unkey(flight);
    else this.setAdrift(flight, 'join-window');
  }

  private passOverdue(): void {
    if (this.expiring) for (const key of this.keyed.keys()) this.find(key);
  }

  private setAdrift(flight: FlightRecord<K>, reason: AdriftEvent['reason']): void {
    this.unkey(flight);
    this.adrift.add(flight);
    if (this.sinks.adrift.hasSubscribers) this.sinks.adrift.publish({ ...this.event(flight), reason });
  }

  /** `keyed` says that the map holds this very flight, so what is removed can be no other. */
  private unkey(flight: FlightRecord<K>): void {
    flight.keyed = false;
    flight.endLinger();
    this.keyed.delete(flight.key);
  }

  // ---- Looking in from outside

  get size(): number {
    this.passOverdue();
    return this.keyed.size;
  }

  list(wanted: (key: K) => boolean = () => true): FlightInfo[] {
    this.passOverdue();
    const now = performance.now();
    return [...this.adrift, ...this.keyed.values()]
      .filter((flight) => !flight.ended && wanted(flight.key))
      .sort((a, b) => a.startedAt - b.startedAt)
      .map((flight) => ({
        key: this.describeKey(flight.key),
        ageMs: Math.max(0, now - flight.startedAt),
        callers: flight.settled ? 0 : flight.aboard,
        adrift: !flight.keyed,
      }));
  }

  stats(): GroupStats {
    this.passOverdue();
    return this.counters.read(this.adrift.size);
  }

  /** Described when an error asks: most calls that could fail do not. */
  place(key: K): ErrorPlace {
    const describe = (): string => this.describeKey(key);
    let described: string | undefined;
    return {
      group: this.name,
      get describedKey() {
        return (described ??= describe());
      },
    };
  }

  private event(flight: FlightRecord<K>): OneFlightEvent {
    return { ...this.keyEvent(flight.key), flight };
  }

  private keyEvent(key: K): FlightEvent {
    return { group: this.name, describedKey: this.describeKey(key) };
  }

  private describeKey(key: K): string {
    try {
      return String(this.describe(key));
    } catch (error) {
      process.emitWarning(`\`describeKey\` of group '${this.name}' threw: ${inspectThrown(error)}`);
      return '(describeKey threw)';
    }
  }
}

// eslint-disable-next-line @typescript-eslint/unbound-method -- only compared, never called
const nativeThen = Promise.prototype.then;

/** The promise behind what a function returned: itself if it is one, a thenable's, or none. */
function promiseOf(returned: unknown): Promise<unknown> | undefined {
  if (returned instanceof Promise && returned.constructor === Promise && returned.then === nativeThen) {
    return returned as Promise<unknown>;
  }
  if ((typeof returned !== 'object' || returned === null) && typeof returned !== 'function') return undefined;
  const { then } = returned as { then?: unknown };
  if (typeof then !== 'function') return undefined;
  // Adopted here and once: a query builder runs its query each time somebody calls its `then`.
  return new Promise((resolve, reject) => {
    then.call(returned, resolve, reject);
  });
}
