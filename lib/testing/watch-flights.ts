import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { FlightEvents, OneFlightEvent } from '../core/observer.js';

/** A flight under way, as a test sees it. */
export interface WatchedFlight {
  readonly group: string;
  readonly key: string;
  /** How many callers are aboard. */
  readonly callers: number;
}

/** Which flights, and how many callers aboard. */
export interface Expected {
  readonly group?: string;
  readonly key?: string;
  readonly callers: number;
}

/** Sees every flight of every group in the process that has no observer of its own. */
export interface FlightWatch {
  /** The flights under way, oldest first. */
  readonly flights: readonly WatchedFlight[];
  /**
   * Resolves as soon as a flight of this group and key (each: any, unless stated) has at least so many callers aboard:
   * what a test awaits instead of sleeping.
   */
  aboard(expected: Expected): Promise<WatchedFlight>;
  /** Stops watching; whoever still waits in {@link aboard} is rejected. */
  stop(): void;
}

/**
 * Starts to watch the flights of this process.
 *
 * @example
 * ```ts
 * import { Group } from 'nestjs-singleflight/core';
 * import { held, watchFlights } from 'nestjs-singleflight/testing';
 *
 * const flights = watchFlights();
 * const load = held<string>();
 * const group = new Group({ name: 'products' });
 * const first = group.run('42', load);
 * const second = group.run('42', load);
 * await flights.aboard({ group: 'products', key: '42', callers: 2 });
 * load.release('a lamp');
 * await Promise.all([first, second]);
 * flights.stop();
 * ```
 */
export function watchFlights(): FlightWatch {
  const flights = new Map<object, { group: string; key: string; callers: number }>();
  const waiting = new Set<{
    expected: Expected;
    resolve: (flight: WatchedFlight) => void;
    reject: (error: Error) => void;
  }>();
  const changed = (): void => {
    for (const waiter of waiting) {
      const found = find(flights.values(), waiter.expected);
      if (found === undefined) continue;
      waiting.delete(waiter);
      waiter.resolve({ ...found });
    }
  };
  const stopListening = listen({
    start: ({ flight, group, describedKey }) => {
      flights.set(flight, { group, key: describedKey, callers: 1 });
      changed();
    },
    join: ({ flight, lingering }) => {
      const watched = flights.get(flight);
      if (watched !== undefined && !lingering) watched.callers++;
      changed();
    },
    leave: ({ flight }) => {
      const watched = flights.get(flight);
      if (watched !== undefined) watched.callers--;
    },
    settle: ({ flight }) => {
      flights.delete(flight);
    },
  });
  return {
    get flights() {
      return [...flights.values()].map((flight) => ({ ...flight }));
    },
    aboard: (expected) =>
      new Promise((resolve, reject) => {
        waiting.add({ expected, resolve, reject });
        changed();
      }),
    stop() {
      stopListening();
      for (const { expected, reject } of waiting) reject(new Error(`Nobody saw ${JSON.stringify(expected)} aboard.`));
      waiting.clear();
    },
  };
}

function find(flights: Iterable<WatchedFlight>, { group, key, callers }: Expected): WatchedFlight | undefined {
  for (const flight of flights) {
    if (group !== undefined && flight.group !== group) continue;
    if (key !== undefined && flight.key !== key) continue;
    if (flight.callers >= callers) return flight;
  }
  return undefined;
}

type Listeners = { [E in 'start' | 'join' | 'leave' | 'settle']: (event: FlightEvents[E] & OneFlightEvent) => void };

function listen(listeners: Listeners): () => void {
  const subscriptions = Object.entries(listeners).map(
    ([event, listener]) => [`nestjs-singleflight:flight:${event}`, listener as (message: unknown) => void] as const,
  );
  for (const [channel, listener] of subscriptions) subscribe(channel, listener);
  return () => {
    for (const [channel, listener] of subscriptions) unsubscribe(channel, listener);
  };
}
