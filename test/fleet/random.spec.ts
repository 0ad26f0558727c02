import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import type { Flight } from '../../lib/core/flight.js';
import { FleetGroup } from '../../lib/fleet/fleet-group.js';
import { MemoryEngine } from '../../lib/fleet/memory-engine.js';
import { MemoryHub } from '../../lib/fleet/memory-hub.js';
import { chaosEngine, type ChaosEngine, type ChaosOptions } from '../../lib/testing/chaos-engine.js';
import { fakeTime, pass, restartTime } from '../support/fake-time.js';

const LEASE = 3_000;
const RUNS = Number(process.env.FLEET_PROGRAMS ?? 150);

type Step =
  | {
      readonly kind: 'call';
      readonly ship: number;
      readonly key: string;
      readonly workMs: number;
      readonly fails: boolean;
    }
  | {
      readonly kind: 'leaver';
      readonly ship: number;
      readonly key: string;
      readonly workMs: number;
      readonly stayMs: number;
    }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'forget'; readonly ship: number; readonly key: string }
  | {
      readonly kind: 'fault';
      readonly ship: number;
      readonly fault: 'goDown' | 'refuse' | 'hang' | 'deafen' | 'comeBack' | 'resync';
    }
  | { readonly kind: 'lose' };

const ship = fc.nat({ max: 3 });
const key = fc.constantFrom('a', 'b');
const workMs = fc.constantFrom(0, 1, 20, 700, 4_000);
const call = fc.record({ kind: fc.constant('call' as const), ship, key, workMs, fails: fc.boolean() });
const stayMs = fc.constantFrom(0.5, 10, 900, 3_500);
const leaver = fc.record({ kind: fc.constant('leaver' as const), ship, key, workMs, stayMs });
const wait = fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(1, 15, 300, 1_000, 3_200) });
const forget = fc.record({ kind: fc.constant('forget' as const), ship, key });
const faultName = fc.constantFrom('goDown', 'refuse', 'hang', 'deafen', 'comeBack', 'resync');
const fault = fc.record({ kind: fc.constant('fault' as const), ship, fault: faultName });
const lose = fc.record({ kind: fc.constant('lose' as const) });

const calm = fc.oneof({ weight: 5, arbitrary: call }, { weight: 2, arbitrary: leaver }, { weight: 3, arbitrary: wait });
const wild = fc.oneof(
  { weight: 10, arbitrary: calm },
  { weight: 1, arbitrary: forget },
  { weight: 3, arbitrary: fault },
  { weight: 1, arbitrary: lose },
) as fc.Arbitrary<Step>;

/** One execution of a function, as its callers get it. */
interface Run {
  readonly key: string;
  readonly number: number;
}

class World {
  readonly hub = new MemoryHub();
  readonly engines: ChaosEngine[];
  readonly ships: FleetGroup[];
  readonly pending = new Set<Promise<unknown>>();
  /** Executions of which a process has learned the end, by process. */
  private readonly learned: Set<number>[];
  private readonly running = new Map<string, number>();
  /** Processes for which the engine is down. */
  private readonly down = new Set<number>();
  runs = 0;
  calls = 0;
  /** What must not be, in words. */
  readonly broken: string[] = [];
  mostAtOnce = 0;

  constructor(
    ships: number,
    chaos: ChaosOptions,
    /** Whether what those who leave have started reads its signal, and stops. */
    private readonly stoppable: boolean,
  ) {
    this.engines = Array.from({ length: ships }, () => chaosEngine(new MemoryEngine(this.hub), chaos));
    this.ships = this.engines.map(
      (engine, index) =>
        new FleetGroup({
          app: 'shop',
          fleet: 'product',
          engine,
          leaseMs: LEASE,
          random: chaos.random,
          detectDeadlocks: false,
          observer: { degrade: () => this.down.add(index), restore: () => this.down.delete(index) },
        }),
    );
    this.learned = this.ships.map(() => new Set());
  }

  async do(step: Step): Promise<void> {
    const index = 'ship' in step ? step.ship % this.ships.length : 0;
    switch (step.kind) {
      case 'call':
        this.call(index, step.key, step.workMs, step.fails, undefined);
        break;
      case 'leaver':
        this.call(index, step.key, step.workMs, false, step.stayMs);
        break;
      case 'pass':
        await pass(step.ms);
        break;
      case 'forget':
        this.track(this.ships[index]!.forget(step.key));
        break;
      case 'fault':
        this.engines[index]!.controls[step.fault]();
        break;
      case 'lose':
        this.hub.loseData();
    }
  }

  /** All is well again, and time enough passes for everything to settle. */
  async calmDown(): Promise<void> {
    for (const engine of this.engines) engine.controls.comeBack();
    for (let leases = 0; leases < 8; leases++) await pass(LEASE);
    if (this.pending.size > 0) this.broken.push(`${this.pending.size} calls have not settled`);
    this.ships.forEach((one, index) => {
      if (one.size > 0 || one.inFlight().length > 0) this.broken.push(`process ${index} has flights left`);
    });
    // By chance an engine may be down again; then it is asked again from time to time, and may be just now.
    const timers = (): number => jest.getTimerCount() - this.down.size;
    for (let asking = 0; asking < LEASE && this.down.size > 0 && timers() > 0; asking += 100) await pass(100);
    if (timers() > 0) this.broken.push(`${timers()} timers run with nothing under way`);
    const closing = Promise.all(this.ships.map((one) => one.close({ graceMs: 0 })));
    await pass(2_000);
    await closing;
    if (jest.getTimerCount() > 0) this.broken.push(`${jest.getTimerCount()} timers are left`);
    if (this.runs > this.calls * 2) this.broken.push(`${this.calls} calls made ${this.runs} runs`);
  }

  private call(index: number, key: string, workMs: number, fails: boolean, stayMs: number | undefined): void {
    this.calls++;
    const before = new Set(this.learned[index]);
    const learn = (run: unknown): void => {
      const { number, key: of } = run as Run;
      if (before.has(number)) this.broken.push(`a caller got run ${number}, whose end its process knew`);
      if (of !== key) this.broken.push(`a caller of ${key} got a result of ${of}`);
      this.learned[index]!.add(number);
    };
    const options = stayMs === undefined ? {} : { waitTimeoutMs: stayMs };
    const work = async (flight: Flight): Promise<Run> => {
      const run = { key, number: ++this.runs };
      const now = (this.running.get(key) ?? 0) + 1;
      this.running.set(key, now);
      this.mostAtOnce = Math.max(this.mostAtOnce, now);
      const stop = stayMs === undefined || !this.stoppable ? undefined : flight.signal;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, workMs);
        stop?.addEventListener('abort', () => (clearTimeout(timer), resolve()));
      });
      this.running.set(key, this.running.get(key)! - 1);
      stop?.throwIfAborted();
      if (fails) throw Object.assign(new Error(`run ${run.number}`), { code: JSON.stringify(run) });
      return run;
    };
    this.track(
      this.ships[index]!.run(key, work as never, options).then(learn, (thrown: unknown) => {
        const error = thrown as Error & { readonly code?: string };
        if (error.code?.startsWith('{') === true) learn(JSON.parse(error.code));
        else if (stayMs === undefined) this.broken.push(`a caller who stayed failed with ${error.message}`);
      }),
    );
  }

  private track(work: Promise<unknown>): void {
    const tracked = work.catch(() => undefined).finally(() => this.pending.delete(tracked));
    this.pending.add(tracked);
  }
}

/** Chance that repeats itself. */
function chanceOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function flown(
  ships: number,
  seed: number,
  chaos: ChaosOptions,
  steps: readonly Step[],
  stoppable: boolean,
): Promise<World> {
  restartTime();
  const world = new World(ships, { random: chanceOf(seed), ...chaos }, stoppable);
  for (const step of steps) await world.do(step);
  await world.calmDown();
  return world;
}

describe('Whatever becomes of the engine', () => {
  fakeTime();
  const size = fc.integer({ min: 1, max: 4 });
  const seed = fc.integer();

  it('everybody settles, nobody gets what is over, and nothing is left', async () => {
    const chaos = { drop: 0.2, delay: 0.3, repeat: 0.2, refuse: 0.1, lose: 0.05 };
    await fc.assert(
      fc.asyncProperty(size, seed, fc.array(wild, { maxLength: 25 }), async (ships, chance, steps) => {
        expect((await flown(ships, chance, chaos, steps, true)).broken).toEqual([]);
      }),
      { numRuns: RUNS },
    );
  }, 120_000);

  it('as long as the engine answers, the function runs once at a time, though every push is lost, late, twice', async () => {
    const chaos = { drop: 0.4, delay: 0.4, repeat: 0.3 };
    const steps = fc.array(calm, { maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(size, seed, steps, async (ships, chance, program) => {
        const world = await flown(ships, chance, chaos, program, false);
        expect(world.broken).toEqual([]);
        expect(world.mostAtOnce).toBeLessThanOrEqual(1);
      }),
      { numRuns: RUNS },
    );
  }, 120_000);
});
