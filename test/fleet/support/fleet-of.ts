import { afterEach } from '@jest/globals';
import type { FlightEvents, FlightObserver } from '../../../lib/core/observer.js';
import type { FlightEngine } from '../../../lib/fleet/engine.js';
import { FleetGroup, type FleetGroupOptions } from '../../../lib/fleet/fleet-group.js';
import { MemoryEngine, type MemoryEngineOptions } from '../../../lib/fleet/memory-engine.js';
import { MemoryHub } from '../../../lib/fleet/memory-hub.js';
import { chaosEngine, type ChaosControls } from '../../../lib/testing/chaos-engine.js';
import { pass } from '../../support/fake-time.js';
import { turn } from '../../support/turns.js';

/** One process of a fleet under test. */
export interface Ship extends FleetGroup {
  readonly told: readonly (readonly [keyof FlightEvents, unknown])[];
  /** What goes wrong between it and the engine. */
  readonly faults: ChaosControls;
  /** Each verb that it has asked the engine, in order. */
  readonly asked: readonly string[];
}

const EVENTS = ['lead', 'follow', 'takeover', 'lost', 'degrade', 'restore', 'adrift', 'forget', 'settle'] as const;

export interface ShipOptions extends Partial<FleetGroupOptions> {
  readonly memory?: MemoryEngineOptions;
}

/** A fleet in one process: closed after each test, so that none leaves a timer behind. To be called before `fakeTime`. */
export function fleets(): (hub?: MemoryHub) => (options?: ShipOptions) => Ship {
  const ships: Ship[] = [];
  afterEach(async () => {
    const closing = ships.splice(0).map((ship) => {
      ship.faults.comeBack();
      return ship.close({ graceMs: 0 });
    });
    // What an engine that hangs has been asked times out.
    if ('clock' in setTimeout) await pass(5_000);
    await Promise.all(closing);
  });
  return (hub = new MemoryHub()) =>
    ({ memory, ...options } = {}) => {
      const told: (readonly [keyof FlightEvents, unknown])[] = [];
      const asked: string[] = [];
      const observer = Object.fromEntries(
        EVENTS.map((event) => [event, (fact: object) => told.push([event, { ...fact }])]),
      ) as FlightObserver;
      const faults = chaosEngine(new MemoryEngine(hub, memory), { random: () => 0.5 });
      const engine = options.engine ?? counted(faults, asked);
      const ship = new FleetGroup({
        ...{ app: 'shop', fleet: 'product', name: 'products', leaseMs: 9_000, random: () => 0.5, observer },
        ...{ detectDeadlocks: false, ...options, engine },
      });
      ships.push(Object.assign(ship, { told, faults: faults.controls, asked }));
      return ship as Ship;
    };
}

/** Writes down each verb that is asked. */
function counted(engine: FlightEngine, asked: string[]): FlightEngine {
  return new Proxy(engine, {
    get(target, property) {
      const value = Reflect.get(target, property, target) as unknown;
      if (typeof value !== 'function') return value;
      return (...parameters: unknown[]): unknown => {
        asked.push(String(property));
        return Reflect.apply(value, target, parameters);
      };
    },
  });
}

/** Lets everything happen that needs no time. */
export async function settleDown(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await turn();
}
