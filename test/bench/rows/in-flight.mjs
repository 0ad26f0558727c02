// Many keys in flight at one time: what each costs in time and in heap, and whether anything is left of it afterwards.
import { memoryUsage } from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { makeContenders } from '../contenders.mjs';
import { cpuMs, median, quantile, sentenceOf } from '../measure.mjs';

/** How many keys, and in how many rounds: a million take their time. */
const ROUNDS = { 1_000: 9, 10_000: 5, 100_000: 3, 1_000_000: 1 };
const SIZES = Object.keys(ROUNDS).map(Number);
/** Who needs more than this for a key is not asked for ten times as many. */
const MOST = { 10_000: { bytes: 1_800, ns: 15_000 }, 100_000: { bytes: 600, ns: 5_000 } };

export async function measureRow({ quick }) {
  const tables = [];
  let contenders = await makeContenders();
  for (const size of quick ? SIZES.slice(0, 3) : SIZES) {
    const entries = await entriesOf(contenders, size, ROUNDS[size]);
    const title = `${size.toLocaleString('en')} keys in flight`;
    tables.push({ id: `in-flight-${size}`, title: `${title}, per key`, entries });
    tables.push({ id: `heap-${size}`, title: `${title}, heap per key`, unit: 'bytes', entries: entries.map(heapOf) });
    const most = MOST[size] ?? { bytes: Infinity, ns: Infinity };
    const heavy = new Set(
      entries.filter(({ isPeer, bytes, ns }) => isPeer && (bytes > most.bytes || ns > most.ns)).map(({ name }) => name),
    );
    contenders = contenders.map((lane) => (heavy.has(lane.name) ? { ...lane, cannot: 'too heavy for so many' } : lane));
  }
  return tables;
}

async function entriesOf(contenders, size, rounds) {
  const measured = contenders.map((contender) => ({ contender, samples: [], weighed: [], cannot: contender.cannot }));
  for (const { contender, cannot } of measured) if (cannot === undefined) await warm(contender);
  for (let round = 0; round < rounds; round++) {
    for (const lane of measured) {
      if (lane.cannot !== undefined) continue;
      try {
        // What a key takes in the heap hardly varies, and the collections are kept out of the way of the time.
        for (let i = 0; round === 0 && i < (size < 10_000 ? 3 : 1); i++) {
          lane.weighed.push(await fly(lane.contender, size, true));
        }
        lane.samples.push(await fly(lane.contender, size, false));
      } catch (error) {
        lane.cannot = sentenceOf(error);
      }
    }
  }
  const limit = measured[0].samples;
  return measured.map(({ contender: { name, version, isPeer }, samples, weighed, cannot }) => {
    if (cannot !== undefined) return { name, version, isPeer, cannot };
    const ratios = samples.map(({ ns }, i) => ns / limit[i].ns);
    return {
      name,
      version,
      isPeer,
      ns: median(samples.map(({ ns }) => ns)),
      ratio: median(ratios),
      low: quantile(ratios, 0.25),
      high: quantile(ratios, 0.75),
      bytes: median(weighed.map(({ bytes }) => bytes)),
      left: median(weighed.map(({ left }) => left)),
    };
  });
}

/** Lets the compiler see the calls. */
async function warm({ run }) {
  const started = cpuMs();
  for (let calls = 0; cpuMs() - started < 100; calls++) {
    const keys = Array.from({ length: 100 }, (_none, i) => `warm:${calls}:${i}`);
    await Promise.all(keys.map((key) => run(key, async () => 42)));
  }
}

const heapOf = ({ name, version, isPeer, cannot, bytes, left }) => ({ name, version, isPeer, cannot, bytes, left });

/** All functions return one and the same promise, so that the heap holds nothing that is not the contender's. */
async function fly({ run, runMany = run }, size, weigh) {
  const keys = Array.from({ length: size }, (_none, i) => `${size}:${i}`);
  const callers = new Array(size).fill(undefined);
  let land;
  let gate = new Promise((resolve) => {
    land = resolve;
  });
  const load = () => gate;
  const empty = await heapAtRest(weigh);

  const started = cpuMs();
  for (let i = 0; i < size; i++) callers[i] = runMany(keys[i], load);
  const asking = cpuMs() - started;
  const full = await heapAtRest(weigh);

  const landed = cpuMs();
  land(42);
  // The last to have asked is the last to be answered.
  for (let i = size - 1; i >= 0; i--)
    if ((await callers[i]) !== 42) throw new Error('It came back with another value.');
  const landing = cpuMs() - landed;

  callers.fill(undefined);
  gate = undefined;
  const after = await heapAtRest(weigh);
  // Read here, so that the keys were counted with each of the heaps.
  if (keys.length !== callers.length) throw new Error('There is a caller for each key.');
  return { ns: ((asking + landing) / size) * 1e6, bytes: (full - empty) / size, left: (after - empty) / size };
}

async function heapAtRest(collect) {
  await setTimeout(2);
  if (collect) globalThis.gc();
  return memoryUsage().heapUsed;
}
