/** A flight as listings show it. */
export interface FlightInfo {
  /** The key, as `describeKey` prints it. */
  readonly key: string;
  /** Since its start, in milliseconds, as exact as a turn of the event loop. */
  readonly ageMs: number;
  /** How many callers are aboard. */
  readonly callers: number;
  /** Whether it goes on although no key leads to it any more. */
  readonly adrift: boolean;
}

/** What a group has done since it was made. */
export interface GroupStats {
  /** Flights started. */
  readonly flights: number;
  /** Calls that started or joined a flight. */
  readonly callers: number;
  /** Calls that joined one. */
  readonly followers: number;
  /** Flights that settled with an error. */
  readonly failures: number;
  /** Callers who left before their flight settled. */
  readonly left: number;
  /** Keys forgotten by hand. */
  readonly forgotten: number;
  /** Calls that were let through alone. */
  readonly bypassed: number;
  /** Functions running now, those adrift counted. */
  readonly active: number;
  /** Functions running now to which no key leads. */
  readonly adrift: number;
  /** The most functions that ever ran at one time. */
  readonly peak: number;
  /** The share of callers who did not have to run the function: followers / callers, 0 without callers. */
  readonly coalescingRatio: number;
}

/** Counts what a group does. Every field is written by {@link Flights} alone, as it happens. */
export class Counters {
  started = 0;
  ended = 0;
  followers = 0;
  failures = 0;
  left = 0;
  forgotten = 0;
  bypassed = 0;
  peak = 0;

  /** Functions running now. */
  get active(): number {
    return this.started - this.ended;
  }

  flightStarted(): void {
    const active = ++this.started - this.ended;
    if (active > this.peak) this.peak = active;
  }

  read(adrift: number): GroupStats {
    const callers = this.started + this.followers;
    return {
      flights: this.started,
      callers,
      followers: this.followers,
      failures: this.failures,
      left: this.left,
      forgotten: this.forgotten,
      bypassed: this.bypassed,
      active: this.active,
      adrift,
      peak: this.peak,
      coalescingRatio: callers === 0 ? 0 : this.followers / callers,
    };
  }
}
