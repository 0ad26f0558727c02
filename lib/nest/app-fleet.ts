import * as common from '@nestjs/common';
import type { BoardingMode, Seat } from '../core/callers.js';
import type { FlightFunction } from '../core/flight.js';
import type { Group } from '../core/group.js';
import { prefixKey } from '../core/key.js';
import type { EventSink, EventSinks } from '../core/observer.js';
import type { CallOptions, FlightOptions } from '../core/options.js';
import type { ErrorClass } from '../fleet/error-codec.js';
import { outageReason } from '../fleet/errors.js';
import { FleetFlights } from '../fleet/fleet-flights.js';
import { Fleet } from '../fleet/fleet.js';
import type { FleetOptions } from '../fleet/options.js';
import { weakEntry } from './weak-entry.js';

const { HttpException, Logger } = common;

/** Whether the engine of a fleet answers. */
export interface FleetHealth {
  /** The engine's name. */
  readonly engine: string;
  /** Whether flights are shared with the other processes now. */
  readonly up: boolean;
  /** What the engine was last heard to fail with, while it does. */
  readonly error?: unknown;
}

/** A flight as it is known in every process: its name and, under that, its key. */
export interface FleetPlace {
  readonly name: string;
  readonly key: string;
}

/** Where an app's fleet is set up, for errors. */
export const FLEET_PLACE = { site: 'forRoot({ fleet })' };

/** An app's part in its fleet: the flights of all its groups that have a name there. */
export class AppFleet {
  private readonly fleet: Fleet;
  private readonly flights = new WeakMap<object, FleetFlights>();
  private readonly logger = new Logger('SingleFlight');
  // Each is written once, below.
  private starting: Promise<void> | undefined = undefined;
  private closing: Promise<void> | undefined = undefined;
  /** Whether the engine is being started for the app: how that went is told at its end. Written by {@link startEngine}. */
  private isStarting = false;

  /** @throws InvalidOptionError when an option is unknown or its value is not allowed */
  constructor(options: FleetOptions, sinks: EventSinks) {
    const errors = [...HTTP_ERRORS, ...(options.errors ?? [])];
    this.fleet = new Fleet({ ...options, errors }, this.logging(sinks), () => FLEET_PLACE);
  }

  /**
   * Starts the engine. One that cannot be had is told in the log: the app runs without it, unless flights are to fail then,
   * and it is tried again in the background.
   *
   * @throws EngineUnavailableError, EngineTimeoutError where `whenDown` is `'fail'`
   */
  start(): Promise<void> {
    // Nest asks once for each token by which it knows the registry.
    this.starting ??= this.startEngine();
    return this.starting;
  }

  /** Once the groups are closed, and have published what they could. */
  close(): Promise<void> {
    this.closing ??= this.fleet.close();
    return this.closing;
  }

  private async startEngine(): Promise<void> {
    this.isStarting = true;
    try {
      await this.fleet.start();
    } catch (error) {
      if (this.fleet.limits.whenDown === 'fail') {
        // The app does not start either: nobody closes it, and nobody waits for the engine.
        await this.close();
        throw error;
      }
      const reason = outageReason(error);
      this.logger.error(`The fleet has not started, and functions run once per process until it does: ${reason}`);
    } finally {
      this.isStarting = false;
    }
  }

  get health(): FleetHealth {
    const { engine, health } = this.fleet;
    const up = engine.available && !health.down;
    return { engine: engine.name, up, ...(up ? undefined : { error: health.error }) };
  }

  /** Takes a seat on this process's part of a flight, which leads or follows. */
  board<T>(
    group: Group,
    place: FleetPlace,
    fn: FlightFunction<T>,
    options?: CallOptions & FlightOptions,
    mode?: BoardingMode,
  ): Seat<T> {
    const limits = { ...options, lingerMs: 0 };
    return group.board(localKeyOf(place), this.shared(group, place, fn, options), limits, mode);
  }

  /** The function of a local flight that the fleet is to share; that one must not linger, the engine's result does. */
  shared<T, K>(group: Group<K>, place: FleetPlace, fn: FlightFunction<T>, options?: FlightOptions): FlightFunction<T> {
    const lingerMs = options?.lingerMs ?? group.limits.lingerMs;
    return this.flightsOf(group).shared(place.name, place.key, fn, lingerMs);
  }

  /** Makes the key lead to nothing: here at once, elsewhere before this resolves; whether there was something here. */
  async forget(group: Group, place: FleetPlace): Promise<boolean> {
    const found = group.forget(localKeyOf(place));
    await this.flightsOf(group).forget(place.name, place.key);
    return found;
  }

  private flightsOf<K>(group: Group<K>): FleetFlights {
    return weakEntry(
      this.flights,
      group,
      () => new FleetFlights(this.fleet, group.sinks, (key) => group.place(key as K)),
    );
  }

  /** One line when the engine goes down, and one when it is back. */
  private logging({ degrade, restore }: EventSinks): Pick<EventSinks, 'degrade' | 'restore'> {
    return {
      degrade: alsoTelling(degrade, ({ engine, error, whenDown }) => {
        if (this.isStarting) return;
        const meanwhile = whenDown === 'fail' ? 'flights of the fleet fail' : 'functions run once per process';
        this.logger.warn(`The engine '${engine}' does not answer, and ${meanwhile}: ${outageReason(error)}`);
      }),
      restore: alsoTelling(restore, ({ engine }) => {
        this.logger.log(`The engine '${engine}' is back, and flights are shared by the fleet again.`);
      }),
    };
  }
}

/** The key, in a local group, of a flight that has a name in the fleet: no other key of the group is like it. */
export function localKeyOf({ name, key }: FleetPlace): string {
  return prefixKey(`fleet:${name.length}:${name}`, key);
}

function alsoTelling<E>(sink: EventSink<E>, tell: (event: E) => void): EventSink<E> {
  return {
    hasSubscribers: true,
    publish: (event) => {
      tell(event);
      if (sink.hasSubscribers) sink.publish(event);
    },
  };
}

/** Nest's own exceptions arrive in other processes as themselves. */
const HTTP_ERRORS: readonly ErrorClass[] = Object.values(common as unknown as Record<string, unknown>)
  .filter(
    (exported): exported is typeof HttpException =>
      typeof exported === 'function' &&
      (exported === HttpException || (exported.prototype as unknown) instanceof HttpException),
  )
  .map((exception) => ({ class: exception, properties: ['status', 'response', 'cause'] }));
