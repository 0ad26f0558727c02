import type { ErrorPlace } from '../core/errors.js';
import type { FlightFunction, FlightRecord } from '../core/flight.js';
import type { EventSinks } from '../core/observer.js';
import type { Fence } from './engine.js';
import { FleetFlight, type FleetFlightHost } from './fleet-flight.js';
import type { Fleet } from './fleet.js';

/** What a group has done in its fleet since it was made. */
export interface FleetStats {
  /** Flights that this process has led. */
  readonly led: number;
  /** Flights of others that it has followed. */
  readonly followed: number;
  /** Flights that it led after it had followed: the leader gave up, or its lease was over. */
  readonly takeovers: number;
  /** Flights whose lease it has lost. */
  readonly lost: number;
  /** Flights that ran here alone, or failed, because the engine was down. */
  readonly degraded: number;
  /**
   * Flights whose function ran here because another process's result could not be carried or read, or the last one of
   * their name and key within the last 30 seconds could not.
   */
  readonly unshared: number;
}

/** How long a flight may be led where nothing says so, in milliseconds. */
const MAX_RUN_MS = 30_000;

/** The flights of one group in its fleet: makes them, counts them, and tells whoever listens. */
export class FleetFlights implements FleetFlightHost {
  // Each is written below, as it happens.
  private readonly counts = { led: 0, followed: 0, takeovers: 0, lost: 0, degraded: 0, unshared: 0 };

  constructor(
    private readonly fleet: Fleet,
    private readonly sinks: EventSinks,
    /** Where a flight of the local group is, by the key that it has there. */
    private readonly placeOf: (localKey: string) => ErrorPlace,
  ) {}

  stats(): FleetStats {
    return { ...this.counts };
  }

  /** The function of a local flight that the fleet is to share. The local flight itself never lingers: the engine's does. */
  shared<T>(name: string, key: string, fn: FlightFunction<T>, lingerMs: number): FlightFunction<T> {
    return (record) => {
      // What a group hands its functions is its own record of the flight.
      const local = record as unknown as FlightRecord<string>;
      const { joinWindowMs } = local.limits;
      const maxRunMs = this.fleet.limits.maxRunMs ?? (joinWindowMs === Infinity ? MAX_RUN_MS : joinWindowMs);
      return new FleetFlight(this.fleet, this, local, {
        name,
        key,
        fn,
        maxRunMs,
        lingerMs,
      }) as unknown as PromiseLike<T>;
    };
  }

  /**
   * Makes an id lead to nothing, in every process. The next flight here asks after that.
   *
   * @returns rejects when the engine could not be told, where flights would fail too
   */
  async forget(name: string, key: string): Promise<void> {
    const { fleet } = this;
    const id = fleet.idOf(name, key);
    for (const flight of fleet.link.with(id)) if (flight instanceof FleetFlight) flight.forgottenHere();
    const refusal = fleet.refusal();
    const told: Promise<void> = refusal === undefined ? this.tell(id) : Promise.reject(refusal);
    fleet.hold(id, told);
    if (fleet.limits.whenDown === 'fail') await told;
    else await told.catch(ignore);
  }

  /** The keys, in the local group, of the flights that are not over. */
  localKeys(): string[] {
    const own = [...this.fleet.members].filter((member): member is FleetFlight => member instanceof FleetFlight);
    return own.filter((flight) => flight.host === this).map((flight) => flight.record.key);
  }

  place(flight: FleetFlight): ErrorPlace {
    return this.placeOf(flight.record.key);
  }

  led(flight: FleetFlight, fence: Fence, takeover: boolean): void {
    this.counts.led++;
    if (takeover) {
      this.counts.takeovers++;
      this.publish('takeover', flight, fence);
    }
    this.publish('lead', flight, fence);
  }

  followed(flight: FleetFlight, fence: Fence): void {
    this.counts.followed++;
    this.publish('follow', flight, fence);
  }

  lost(flight: FleetFlight, fence: Fence): void {
    this.counts.lost++;
    this.publish('lost', flight, fence);
  }

  degraded(why: 'down' | 'unshared'): void {
    this.counts[why === 'down' ? 'degraded' : 'unshared']++;
  }

  private async tell(id: string): Promise<void> {
    await this.fleet.start();
    await this.fleet.ask('forget', this.fleet.limits.operationTimeoutMs, () =>
      this.fleet.engine.forget({ flight: id }),
    );
  }

  private publish(event: 'lead' | 'follow' | 'takeover' | 'lost', flight: FleetFlight, fence: Fence): void {
    const sink = this.sinks[event];
    if (!sink.hasSubscribers) return;
    const { group = '', describedKey = '' } = this.place(flight);
    sink.publish({ group, describedKey, flight: flight.record, fleet: flight.plan.name, fence });
  }
}

function ignore(): void {
  // As long as the engine is down this process flies alone, and has forgotten it.
}
