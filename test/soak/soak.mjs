// One million flights with random options: the heap, the open handles and the listeners before and after.
// `npm run build && node --expose-gc test/soak/soak.mjs [flights] [seed]`
import { getEventListeners } from 'node:events';
import { Group } from '../../dist/esm/core/index.js';

const FLIGHTS = Number(process.argv[2] ?? 1_000_000);
const SEED = Number(process.argv[3] ?? Date.now() % 2 ** 31);
const AT_ONCE = 500;

/** mulberry32: small, and the same numbers for the same seed. */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = randomFrom(SEED);
const chance = (share) => random() < share;
const below = (n) => Math.floor(random() * n);

const groups = [
  new Group({ name: 'plain' }),
  new Group({ name: 'windowed', joinWindowMs: 5 }),
  new Group({ name: 'lingering', lingerMs: 2 }),
  new Group({ name: 'timed', flightTimeoutMs: 5 }),
  new Group({ name: 'cloned', isolate: 'clone' }),
  new Group({ name: 'bounded', maxFlights: 400, maxFollowers: 50 }),
];
const longLived = new AbortController();

async function work({ signal }) {
  if (chance(0.05)) throw new Error('on purpose');
  if (chance(0.3)) await new Promise((resolve) => setImmediate(resolve));
  if (chance(0.02)) {
    await new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, 2);
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    });
  }
  return { n: below(1_000) };
}

async function one() {
  const group = groups[below(groups.length)];
  const key = `key ${below(chance(0.5) ? 20 : 5_000)}`;
  const options = {};
  if (chance(0.1)) options.signal = longLived.signal;
  if (chance(0.05)) options.waitTimeoutMs = 1 + below(3);
  if (chance(0.03)) options.joinWindowMs = 1 + below(3);
  if (chance(0.03)) options.flightTimeoutMs = 1 + below(3);
  if (chance(0.03)) options.lingerMs = 1 + below(3);
  let leave;
  if (chance(0.05)) {
    leave = new AbortController();
    options.signal = leave.signal;
  }
  const call = chance(0.1)
    ? group.doMany([key, `${key}+`], async (missing) => new Map(missing.map((k) => [k, { k }])), options)
    : chance(0.2)
      ? group.do(key, work, options)
      : group.run(key, work, Object.keys(options).length === 0 ? undefined : options);
  if (chance(0.02)) group.forget(key);
  leave?.abort();
  await call.catch(() => undefined);
}

const flown = () => groups.reduce((sum, group) => sum + group.stats().flights, 0);

/** Calls, until so many flights more have been started. */
async function fly(count) {
  const goal = flown() + count;
  let calls = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (flown() < goal) {
        calls++;
        await one();
      }
    }),
  );
  return calls;
}

async function settled() {
  while (groups.some((group) => group.size > 0 || group.stats().active > 0)) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const handles = () =>
  process.getActiveResourcesInfo().filter((kind) => kind !== 'TTYWrap' && kind !== 'PipeWrap').length;
const heap = () => process.memoryUsage().heapUsed;

console.log(`${FLIGHTS.toLocaleString('en')} flights, seed ${SEED}`);
await fly(50_000);
await settled();
const before = { heap: heap(), handles: handles(), listeners: getEventListeners(longLived.signal, 'abort').length };
const calls = await fly(FLIGHTS);
await settled();
const after = { heap: heap(), handles: handles(), listeners: getEventListeners(longLived.signal, 'abort').length };

const total = (name) => groups.reduce((sum, group) => sum + group.stats()[name], 0).toLocaleString('en');
const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(2)} MiB`;
console.log(
  `${calls.toLocaleString('en')} calls; with the warm-up ${total('flights')} flights, ${total('followers')} followers,`,
);
console.log(`${total('failures')} failures, ${total('left')} left, ${total('forgotten')} forgotten`);
console.log(`heap      before ${mebibytes(before.heap)}, after ${mebibytes(after.heap)}`);
console.log(`handles   before ${before.handles}, after ${after.handles}`);
console.log(`listeners before ${before.listeners}, after ${after.listeners}`);
const leaked = after.heap - before.heap > 2 * 2 ** 20 || after.handles > before.handles || after.listeners > 0;
console.log(leaked ? 'LEAKED' : 'level');
process.exitCode = leaked ? 1 : 0;
