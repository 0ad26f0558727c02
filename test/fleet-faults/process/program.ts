import { appendFileSync } from 'node:fs';
import type { FlightObserver } from '../../../lib/core/observer.js';
import type { Flight } from '../../../lib/core/flight.js';
import type { FlightEngine } from '../../../lib/fleet/engine.js';
import { FleetGroup } from '../../../lib/fleet/fleet-group.js';
import { RedisEngine } from '../../../lib/redis/redis-engine.js';
import { chaosEngine } from '../../../lib/testing/chaos-engine.js';
import { clientOf } from './clients.js';
import { monotonicMs, type FleetEvent, type Order, type Report, type Setup, type Told, type Work } from './protocol.js';

const EVENTS: readonly FleetEvent[] = ['lead', 'follow', 'takeover', 'lost', 'degrade', 'restore'];

const setup = JSON.parse(process.argv[2] ?? '') as Setup;
const redis = new RedisEngine({
  ...{ client: await clientOf(setup), prefix: 'faults', secret: setup.secret, inlineBytes: setup.inlineBytes },
});
const group = new FleetGroup({
  ...{ app: 'shop', fleet: 'catalog.product', name: 'products', leaseMs: 1_500, observer: observer() },
  ...{ detectDeadlocks: false, ...setup.group, engine: around(redis) },
});
const released = new Map<string, { readonly promise: Promise<void>; readonly resolve: () => void }>();
const [values, errors]: Record<string, number>[] = [{}, {}];
let [runs, calls, answered, rejected, lastMs] = [0, 0, 0, 0, 0];

process.on('message', (order) => {
  obey(order as Order);
});
process.on('disconnect', () => process.exit());
// A process that has just begun, on a machine that is busy, may not have its answer in time.
for (let attempt = 1; !(await started()) && attempt < 10; attempt++);
tell({ told: 'ready' });

function started(): Promise<boolean> {
  return group.start().then(
    () => true,
    () => false,
  );
}

function obey(order: Order): void {
  switch (order.order) {
    case 'call':
      void Promise.all(Array.from({ length: order.callers }, () => call(order))).then(() => {
        tell({ told: 'answered', key: order.key });
      });
      tell({ told: 'called' });
      break;
    case 'release':
      release(order.key).resolve();
      break;
    case 'close':
      void group.close({ graceMs: order.graceMs }).then(() => {
        tell({ told: 'closed' });
      });
      break;
    case 'report':
      tell({ told: 'report', report: report() });
  }
}

function call({ key, work, options }: Extract<Order, { order: 'call' }>): Promise<void> {
  calls++;
  return group
    .run(key, (flight) => fly(flight, key, work), options)
    .then(
      ({ run }) => {
        answered++;
        values![run] = (values![run] ?? 0) + 1;
        settled();
      },
      (error: unknown) => {
        rejected++;
        const code = String((error as { code?: unknown } | undefined)?.code ?? error);
        errors![code] = (errors![code] ?? 0) + 1;
        settled();
      },
    );
}

/** The user's function. */
async function fly(flight: Flight, key: string, work: Work): Promise<{ run: string; body?: string }> {
  const run = `${key}/${setup.index}.${++runs}`;
  write('start', key, run, flight.fence);
  tell({ told: 'started', key, run });
  const { nested } = work;
  if (nested !== undefined) {
    await release(`${key} leads`).promise;
    await group.run(nested, (inner) => fly(inner, nested, {}));
  }
  if (work.ms === undefined) await release(key).promise;
  else await new Promise((resolve) => setTimeout(resolve, work.ms));
  write('end', key, run, flight.fence);
  return { run, ...(work.bytes === undefined ? undefined : { body: 'x'.repeat(work.bytes) }) };
}

function settled(): void {
  lastMs = monotonicMs();
  if (answered + rejected === calls) tell({ told: 'settled', report: report() });
}

function report(): Report {
  return { calls, answered, rejected, values: values!, errors: errors!, lastMs, stray: redis.strayMessages };
}

function release(key: string): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let one = released.get(key);
  if (one === undefined) {
    let resolve!: () => void;
    const promise = new Promise<void>((onResolve) => (resolve = onResolve));
    released.set(key, (one = { promise, resolve }));
  }
  return one;
}

/** One call of the system, so that the lines of all processes are in one order. */
function write(what: 'start' | 'end', key: string, run: string, fence: bigint | undefined): void {
  appendFileSync(setup.log, `${what} ${key} ${run} ${process.pid} ${fence ?? '-'}\n`);
}

function tell(told: Told): void {
  if (process.connected) process.send?.(told);
}

function observer(): FlightObserver {
  const listener = (event: FleetEvent) => (fact: object) => {
    tell({ told: 'event', event, ...('fence' in fact ? { fence: String(fact.fence) } : undefined) });
  };
  return Object.fromEntries(EVENTS.map((event) => [event, listener(event)]));
}

function around(engine: FlightEngine): FlightEngine {
  const chaotic = setup.chaos === undefined ? engine : chaosEngine(engine, setup.chaos);
  if (setup.newer !== true) return chaotic;
  const { complete } = chaotic;
  return Object.assign(chaotic, {
    complete: (...[request, signal]: Parameters<FlightEngine['complete']>) =>
      complete.call(chaotic, { ...request, payload: request.payload.with(2, 2) }, signal),
  });
}
