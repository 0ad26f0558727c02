import type { ErrorPlace } from './errors.js';
import type { FlightRecord } from './flight.js';
import { inspectThrown } from './inspect.js';
import { describeKeyByDefault } from './key.js';
import { sinksOf, type AdriftEvent, type EventSinks, type FlightEvent, type OneFlightEvent } from './observer.js';
import type { GroupOptions } from './options.js';
import type { Role } from './result.js';

/** Tells whoever listens to a group what happens in it; nobody listening, it makes no event. */
export class Announcer<K> {
  private readonly describe: (key: K) => unknown;
  readonly sinks: EventSinks;

  constructor(
    private readonly group: string,
    { describeKey, observer }: GroupOptions,
  ) {
    this.describe = describeKey ?? describeKeyByDefault;
    this.sinks = sinksOf(observer);
  }

  started(flight: FlightRecord<K>, alone = false): void {
    if (this.sinks.start.hasSubscribers) this.sinks.start.publish({ ...this.flightEvent(flight), alone });
  }

  joined(flight: FlightRecord<K>): void {
    if (this.sinks.join.hasSubscribers) {
      this.sinks.join.publish({ ...this.flightEvent(flight), lingering: flight.settled });
    }
  }

  left(flight: FlightRecord<K>, role: Role, reason: unknown): void {
    if (this.sinks.leave.hasSubscribers) this.sinks.leave.publish({ ...this.flightEvent(flight), role, reason });
  }

  settled(flight: FlightRecord<K>, ok: boolean, outcome: unknown, now: () => number): void {
    if (!this.sinks.settle.hasSubscribers) return;
    this.sinks.settle.publish({
      ...this.flightEvent(flight),
      ok,
      ...(ok ? undefined : { error: outcome }),
      callers: flight.joined,
      aboard: flight.aboard,
      durationMs: now() - flight.startedAt,
    });
  }

  forgotten(key: K): void {
    if (this.sinks.forget.hasSubscribers) this.sinks.forget.publish(this.event(key));
  }

  adrift(flight: FlightRecord<K>, reason: AdriftEvent['reason']): void {
    if (this.sinks.adrift.hasSubscribers) this.sinks.adrift.publish({ ...this.flightEvent(flight), reason });
  }

  refused(key: K, error: unknown): void {
    if (this.sinks.reject.hasSubscribers) this.sinks.reject.publish({ ...this.event(key), error });
  }

  /** Where a call is, for an error: asked only when there is one to make. */
  place(key: K): ErrorPlace {
    return { group: this.group, describedKey: this.describeKey(key) };
  }

  describeKey(key: K): string {
    try {
      return String(this.describe(key));
    } catch (error) {
      process.emitWarning(`\`describeKey\` of group '${this.group}' threw: ${inspectThrown(error)}`);
      return '(describeKey threw)';
    }
  }

  /** How a chain of flights names one: the group, and the key or keys. */
  describeFlight(keys: readonly K[]): string {
    return `${this.group}(${keys.map((key) => this.describeKey(key)).join(', ')})`;
  }

  private flightEvent(flight: FlightRecord<K>): OneFlightEvent {
    return { ...this.event(flight.key), flight };
  }

  private event(key: K): FlightEvent {
    return { group: this.group, describedKey: this.describeKey(key) };
  }
}
