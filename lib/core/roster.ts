import type { Announcer } from './announcer.js';
import { turnTime } from './clock.js';
import type { FlightRecord } from './flight.js';
import type { AdriftEvent } from './observer.js';
import type { Counters, FlightInfo, GroupStats } from './stats.js';

/** Which flight each key leads to, and which flights no key leads to any more. */
export class Roster<K> {
  /** The flights that keys lead to, and the results that linger. A key is written here and in `keyed` together. */
  private readonly keyed = new Map<K, FlightRecord<K>>();
  /** The flights that no key leads to and whose function has not ended. */
  private readonly adrift = new Set<FlightRecord<K>>();
  /** Whether some flight could ever be joined for a limited time only; if not, nothing in the map is overdue. */
  private expiring = false;

  constructor(
    private readonly announcer: Announcer<K>,
    private readonly counters: Counters,
  ) {}

  /** The flight, or lingering result, that a caller of `key` may join now. */
  find(key: K): FlightRecord<K> | undefined {
    const flight = this.keyed.get(key);
    if (flight === undefined || !this.isOverdue(flight)) return flight;
    this.pass(flight);
    // Nothing, unless an observer has called meanwhile.
    return this.keyed.get(key);
  }

  /** Whether its time to be joined is over. */
  isOverdue(flight: FlightRecord<K>): boolean {
    return flight.joinableUntil !== undefined && turnTime() >= flight.joinableUntil;
  }

  register(flight: FlightRecord<K>): void {
    this.keyed.set(flight.key, flight);
    flight.keyed = true;
    if (flight.joinableUntil !== undefined) this.expiring = true;
  }

  /** For a while its key leads late callers to its result. */
  linger(flight: FlightRecord<K>): void {
    this.expiring = true;
    flight.linger(() => {
      this.free(flight);
    });
  }

  /** The key leads to it no more. `keyed` says that the map holds this very flight: what is removed can be no other. */
  free(flight: FlightRecord<K>): void {
    flight.keyed = false;
    flight.endLinger();
    this.keyed.delete(flight.key);
  }

  /** The key leads to it no more, and its function runs on. */
  setAdrift(flight: FlightRecord<K>, reason: AdriftEvent['reason']): void {
    this.free(flight);
    this.adrift.add(flight);
    this.announcer.adrift(flight, reason);
  }

  /** Its function has ended. */
  strike(flight: FlightRecord<K>): void {
    if (!flight.keyed) this.adrift.delete(flight);
  }

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

  dropLingering(): void {
    for (const flight of this.keyed.values()) if (flight.settled) this.free(flight);
  }

  unsettled(): FlightRecord<K>[] {
    return [...this.adrift, ...this.keyed.values()].filter((flight) => !flight.settled);
  }

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
        key: this.announcer.describeKey(flight.key),
        ageMs: Math.max(0, now - flight.startedAt),
        callers: flight.settled ? 0 : flight.aboard,
        adrift: !flight.keyed,
      }));
  }

  stats(): GroupStats {
    this.passOverdue();
    return this.counters.read(this.countAdrift());
  }

  /** Functions, not flights: one that loads many keys is adrift when none of them leads to it. */
  private countAdrift(): number {
    const functions = new Set<object>();
    for (const flight of this.adrift) if (flight.batch?.keyed !== true) functions.add(flight.batch ?? flight);
    return functions.size;
  }

  private forgetFlight(flight: FlightRecord<K>): void {
    this.counters.forgotten++;
    if (flight.settled) this.free(flight);
    else this.setAdrift(flight, 'forgotten');
    this.announcer.forgotten(flight.key);
  }

  /** It is overdue. */
  private pass(flight: FlightRecord<K>): void {
    if (flight.settled) this.free(flight);
    else this.setAdrift(flight, 'join-window');
  }

  private passOverdue(): void {
    if (this.expiring) for (const key of this.keyed.keys()) this.find(key);
  }
}
