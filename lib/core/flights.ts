import { AsyncResource } from 'node:async_hooks';
import { endWith } from './adopt.js';
import { Announcer } from './announcer.js';
import { loadedValues, type Batch, type BatchFunction, type BatchHost } from './batch.js';
import { turnTime } from './clock.js';
import {
  AbandonedError,
  FlightTimeoutError,
  GroupClosedError,
  NoResultError,
  type ErrorPlace,
  type SingleFlightError,
} from './errors.js';
import { FlightRecord, type BatchOf, type FlightFunction, type FlightHost } from './flight.js';
import type { HandOut } from './isolate.js';
import type { AdriftEvent } from './observer.js';
import { limitsOf, type FlightLimits, type GroupOptions } from './options.js';
import type { Role } from './result.js';
import { Roster } from './roster.js';
import { Counters } from './stats.js';

/** The life of a group's flights: started, joined, set adrift, settled, and gone from the map before that. */
export class Flights<K> implements FlightHost<K>, BatchHost<K> {
  readonly roster: Roster<K>;
  readonly counters = new Counters();
  readonly announcer: Announcer<K>;
  /** What holds for a flight that is started without options of its own. */
  readonly limits: FlightLimits;
  /** The context in which the group was made, where functions run in that. */
  private readonly context: AsyncResource | undefined;
  /** Set when the group is closed; written once. */
  private closing: Promise<void> | undefined = undefined;
  /** What is called when the last function has ended; set while somebody closes the group. */
  private onIdle: (() => void) | undefined = undefined;

  constructor(
    name: string,
    options: GroupOptions,
    /**
     * Whether a call without options needs nothing but the map: no bound, no copies, no context of its own, no search
     * for deadlocks. Written again when the group is closed.
     */
    public plain: boolean,
  ) {
    this.announcer = new Announcer(name, options);
    this.roster = new Roster(this.announcer, this.counters);
    this.limits = limitsOf(options, options.isolate);
    this.context = options.context === 'group' ? new AsyncResource('SingleFlightGroup') : undefined;
  }

  /** One more caller of a flight that the roster found. */
  join(flight: FlightRecord<K>): void {
    this.count(flight);
    this.announcer.joined(flight);
  }

  /** As {@link join}, for who tells it later. */
  count(flight: FlightRecord<K>): void {
    flight.join();
    this.counters.followers++;
  }

  /** Starts a flight for a caller who cannot leave, in a plain group. */
  start(key: K, fn: FlightFunction<unknown, K>): FlightRecord<K> {
    const flight = new FlightRecord(this, key, this.limits, turnTime());
    this.launch(flight, fn);
    return flight;
  }

  /** Registers the flight, then calls its function: a call from inside it finds the flight. */
  launch(flight: FlightRecord<K>, fn: FlightFunction<unknown, K>): void {
    this.roster.register(flight);
    this.counters.flightStarted();
    this.announcer.started(flight);
    this.execute(flight, fn);
  }

  /** Calls the function of a flight that nobody can join: no key leads to it, and only `bypassed` counts it. */
  launchAlone(flight: FlightRecord<K>, fn: FlightFunction<unknown, K>): void {
    flight.uncounted = true;
    this.counters.bypassed++;
    this.announcer.started(flight, true);
    this.execute(flight, fn);
  }

  /** Calls the function that loads the keys of flights that are registered; it counts as one flight. */
  launchBatch<V>(batch: Batch<K>, load: BatchFunction<K, V>): void {
    for (const flight of batch.flights) flight.uncounted = true;
    this.counters.flightStarted();
    for (const flight of batch.flights) this.announcer.started(flight);
    this.executeBatch(batch, load);
  }

  batchEnded(batch: Batch<K>, ok: boolean, outcome: unknown): void {
    this.counters.ended++;
    let error = outcome;
    let found: ReturnType<typeof loadedValues> | undefined;
    try {
      if (ok) found = loadedValues(outcome, batch.key, () => this.place(batch.key[0] as K));
    } catch (misuse) {
      error = misuse;
    }
    // What it does after its flights have been cut short changes nothing.
    if (found === undefined && batch.flights.some((flight) => !flight.settled)) this.countFailure(batch);
    batch.flights.forEach((flight, index) => {
      if (found === undefined) {
        this.ended(flight, false, error);
        return;
      }
      const one = found[index];
      flight.absent = one === undefined;
      if (one === undefined) this.ended(flight, false, new NoResultError(this.place(flight.key)));
      else this.ended(flight, true, one.value);
    });
    this.onIdle?.();
  }

  private execute(flight: FlightRecord<K>, fn: FlightFunction<unknown, K>): void {
    let promise: Promise<unknown> | undefined;
    try {
      promise = endWith(flight, this.plain ? fn(flight) : this.call(flight, () => fn(flight)));
    } catch (error) {
      flight.end(false, error);
    }
    if (flight.ended) return;
    if (flight.limits.flightTimeoutMs !== Infinity) this.limit(flight);
    else if (promise !== undefined && flight.limits.handOut === undefined) flight.promise ??= promise;
  }

  private executeBatch<V>(batch: Batch<K>, load: BatchFunction<K, V>): void {
    try {
      void endWith(
        batch,
        this.call(batch.flights[0], () => load(batch.key, batch)),
      );
    } catch (error) {
      batch.end(false, error);
    }
    for (const flight of batch.flights) this.limit(flight);
  }

  /** Calls a function in the context that it is to run in. */
  private call(flight: FlightRecord<K> | undefined, fn: () => unknown): unknown {
    const waiting = flight?.waiting;
    const watched = waiting === undefined ? fn : () => waiting.run(fn);
    if (this.context === undefined) return watched();
    // A resource of its own for each call: in Node 20 `als.run` writes into the one that is running, and would change
    // the group's context for whoever comes next.
    const own = this.context.runInAsyncScope(() => new AsyncResource('SingleFlight'));
    return own.runInAsyncScope(watched);
  }

  private limit(flight: FlightRecord<K>): void {
    if (flight.settled || flight.limits.flightTimeoutMs === Infinity) return;
    flight.limit(() => {
      this.cut(flight, 'flight-timeout', new FlightTimeoutError(this.place(flight.key), flight.limits.flightTimeoutMs));
    });
  }

  /** The function has ended. */
  ended(flight: FlightRecord<K>, ok: boolean, outcome: unknown): void {
    flight.ended = true;
    this.roster.strike(flight);
    // After a timeout nothing that the function does changes anything.
    if (!flight.settled) this.settle(flight, ok, outcome);
    if (flight.uncounted) return;
    this.counters.ended++;
    this.onIdle?.();
  }

  private settle(flight: FlightRecord<K>, ok: boolean, outcome: unknown): void {
    const { handOut, lingerMs } = flight.limits;
    const lingers = ok && lingerMs > 0 && flight.keyed && !this.closed && !this.roster.isOverdue(flight);
    if (flight.keyed && !lingers) this.roster.free(flight);
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
    this.countFailure(flight.batch);
    this.settle(flight, false, error);
    flight.abort(error);
  }

  /** A batch is one flight to the counters, however many of its keys fail with it. */
  private countFailure(batch: BatchOf | undefined): void {
    if (batch === undefined || batch.failed) return;
    batch.failed = true;
    this.counters.failures++;
  }

  disembarked(flight: FlightRecord<K>, role: Role, reason: unknown): void {
    this.announcer.left(flight, role, reason);
    flight.doomIfEmpty();
  }

  /** Nobody is aboard and the function can be stopped: the key goes first, so that nobody joins what is being stopped. */
  doom(flight: FlightRecord<K>): void {
    this.release(flight);
    flight.abort(new AbandonedError(this.place(flight.key)));
  }

  forgottenElsewhere(flight: FlightRecord<K>): void {
    if (flight.keyed && !flight.settled) this.roster.setAdrift(flight, 'forgotten');
  }

  release(flight: FlightRecord<K>): void {
    if (flight.keyed) this.roster.setAdrift(flight, 'abandoned');
  }

  /** Whether no flight starts any more. */
  get closed(): boolean {
    return this.closing !== undefined;
  }

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
      this.countFailure(flight.batch);
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
      const overWhenIdle = (): void => {
        if (this.counters.active === 0) over();
      };
      this.onIdle = overWhenIdle;
    });
  }

  place(key: K): ErrorPlace {
    return this.announcer.place(key);
  }
}
