// How everything is measured. A shared machine is fast in one second and slow in the next, so contenders take turns,
// round after round, each round in another order, and what counts is the median of each round's ratios. Time is the
// processor's, not the clock's: what other programs do meanwhile is not counted.
import { cpuUsage, memoryUsage } from 'node:process';

/** How thorough a run is. */
export const THOROUGH = { rounds: 25, warmUpMs: 250, batchMs: 10, quick: false };
export const QUICK = { rounds: 7, warmUpMs: 80, batchMs: 4, quick: true };

/** A call this slow is not worth a closer look. */
const SLOW_NS = 10_000;

/** Where a row's body is, unless the row has one of its own. */
const BODIES = new URL('bodies.mjs', import.meta.url).href;

/**
 * Times one function of a module, for each lane in a copy of its own: a call site that has seen every contender would
 * be slow for all of them, and hide what differs.
 *
 * @param row `file` and `body`: the module, and the exported function to time; the `lanes`: objects with a `name`, of
 * which the first is what the others are compared with. A body is called with its lane and a number of calls, does at
 * least so many, and returns how many it did and, where that is checked, how many `executions` they took and how many
 * were `expected`. With `afterCollection`, that many calls are timed after full collections instead
 * @returns one entry for each lane: the median of its nanoseconds a call, of its ratios to the first lane, and quartiles
 */
export async function sideBySide({ file = BODIES, body, lanes, afterCollection, settings }) {
  const running = [];
  const broken = [];
  for (const lane of lanes) {
    try {
      const warmed = await warm(await ownCopy(file, body, lane), settings);
      running.push(afterCollection === undefined ? warmed : { ...warmed, calls: afterCollection, collect: true });
    } catch (error) {
      broken.push({ name: lane.name, version: lane.version, isPeer: lane.isPeer, cannot: sentenceOf(error) });
    }
  }
  // However slow: the others are compared with it in every round.
  if (running[0] !== undefined) running[0].every = 1;
  for (let round = 0; round < settings.rounds; round++) {
    for (const lane of turned(running, round)) {
      lane.times.push(round % lane.every === 0 ? await timed(lane) : undefined);
    }
  }
  return [...running.map((lane) => entryOf(lane, running[0])), ...broken];
}

/**
 * Bytes allocated for each call, by the same kind of body: nothing is collected in between, because the process was
 * started with room for it.
 */
export async function allocated({ file = BODIES, body, lanes, settings }) {
  const running = [];
  for (const lane of lanes) {
    const warmed = await warm(await ownCopy(file, body, lane), settings);
    // Enough that a page more or less is nothing; few enough that they fit, at ten kilobytes each.
    running.push({ ...warmed, calls: warmed.every === 1 ? 20_000 : 2_000 });
  }
  for (let round = 0; round < Math.min(settings.rounds, 9); round++) {
    for (const lane of turned(running, round)) {
      globalThis.gc();
      const before = memoryUsage().heapUsed;
      const { calls } = await lane.run(lane.calls);
      lane.times.push((memoryUsage().heapUsed - before) / calls);
    }
  }
  return running.map(({ of: { name, version, isPeer }, times }) => ({ name, version, isPeer, bytes: median(times) }));
}

let copies = 0;

async function ownCopy(file, body, lane) {
  const copy = await import(`${file}?copy=${++copies}`);
  return { of: lane, run: (calls) => copy[body](lane, calls), calls: 1, every: 1, times: [], note: undefined };
}

/** Lets the compiler see the calls until it has made up its mind, then finds how many of them fill a batch. */
async function warm(lane, { batchMs, warmUpMs }) {
  const { executions, expected } = await lane.run(1);
  if (executions !== expected) {
    const extent = executions > expected ? 'more' : 'fewer';
    lane.note = `ran the function ${extent} often: ${executions} instead of ${expected} times`;
  }
  const started = cpuMs();
  while (cpuMs() - started < warmUpMs) {
    const before = cpuMs();
    const { calls } = await lane.run(lane.calls);
    if (cpuMs() - before < batchMs) lane.calls = Math.max(lane.calls * 2, calls);
  }
  const nsPerCall = median([await timed(lane), await timed(lane), await timed(lane)]);
  lane.calls = Math.max(1, Math.ceil((batchMs * 1e6) / nsPerCall));
  // Who is slow by orders of magnitude takes part in every fourth round.
  const { calls } = await lane.run(lane.calls);
  if (calls * nsPerCall > 5e6 * batchMs || nsPerCall > SLOW_NS) lane.every = 4;
  return lane;
}

async function timed(lane) {
  // Nobody pays for what another has left behind.
  if (!lane.collect) globalThis.gc({ type: 'minor' });
  // Twice: what V8 keeps for one collection, the second takes.
  for (let i = 0; lane.collect && i < 2; i++) globalThis.gc();
  const started = cpuMs();
  const { calls } = await lane.run(lane.calls);
  return ((cpuMs() - started) / calls) * 1e6;
}

/** The processor time that this process has used, its collector's threads included. */
export function cpuMs() {
  const { user, system } = cpuUsage();
  return (user + system) / 1_000;
}

function entryOf({ of: { name, version, isPeer }, times, note }, first) {
  const measured = times.filter((time) => time !== undefined);
  const ratios = times.flatMap((time, round) => (time === undefined ? [] : time / first.times[round]));
  return {
    name,
    version,
    isPeer,
    ns: median(measured),
    ratio: median(ratios),
    low: quantile(ratios, 0.25),
    high: quantile(ratios, 0.75),
    note,
  };
}

/** Each round begins with another lane, and every other round goes backwards: nobody always runs in another's wake. */
function turned(lanes, round) {
  const order = lanes.map((_lane, i) => lanes[(i + round) % lanes.length]);
  return round % 2 === 0 ? order : order.reverse();
}

export const median = (numbers) => quantile(numbers, 0.5);

export function quantile(numbers, q) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const place = (sorted.length - 1) * q;
  const below = sorted[Math.floor(place)];
  return below + (sorted[Math.ceil(place)] - below) * (place - Math.floor(place));
}

export function sentenceOf(error) {
  return error instanceof Error ? error.message.split('\n')[0] : String(error);
}
