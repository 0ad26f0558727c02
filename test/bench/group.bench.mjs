// Group.run beside the limit: what one would write by hand with a Map and a promise. Rounds are interleaved and the
// medians of ratios are what counts: single times on a shared machine mean little.
// `npm run bench` builds the library first; NODE_ENV is set to production there.
import { Group } from '../../dist/esm/core/index.js';

const ROUNDS = 31;

/** The limit: no options, no counters, nobody can leave. */
class ByHand {
  #promises = new Map();

  run(key, fn) {
    const known = this.#promises.get(key);
    if (known !== undefined) return known;
    const promise = fn();
    this.#promises.set(key, promise);
    const cleanup = () => {
      if (this.#promises.get(key) === promise) this.#promises.delete(key);
    };
    promise.then(cleanup, cleanup);
    return promise;
  }
}

const contenders = {
  'by hand': new ByHand(),
  'Group.run': new Group(),
  'Group.run, 30 s join window': new Group({ joinWindowMs: 30_000 }),
};

const rows = [
  { name: 'lone leader', calls: 20_000, run: lone },
  { name: 'follower, 100 to a flight', calls: 20_000, run: (group, calls) => crowd(group, calls, 100) },
  { name: 'follower, 1,000 to a flight', calls: 20_000, run: (group, calls) => crowd(group, calls, 1_000) },
];

async function work() {
  return 42;
}

/** One call after the other, each with a flight of its own. */
async function lone(group, calls) {
  for (let i = 0; i < calls; i++) await group.run('key', work);
}

/** Crowds that ask for one key while its flight is under way; only asking is timed for, and the waking of everybody. */
async function crowd(group, calls, size) {
  for (let i = 0; i < calls; i += size) {
    let land;
    const flight = new Promise((resolve) => (land = resolve));
    const waiting = [];
    for (let caller = 0; caller < size; caller++) waiting.push(group.run('key', () => flight).then(noop));
    land(42);
    await waiting[size - 1];
  }
}

function noop() {}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
const quartile = (numbers, q) => [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) * q)];

for (const { name, calls, run } of rows) {
  const times = Object.fromEntries(Object.keys(contenders).map((contender) => [contender, []]));
  for (let round = -3; round < ROUNDS; round++) {
    // Another order each round, so that nobody always runs in the other's wake.
    const order = Object.keys(contenders);
    order.push(...order.splice(0, Math.abs(round) % order.length));
    for (const contender of order) {
      const before = performance.now();
      await run(contenders[contender], calls);
      if (round >= 0) times[contender].push(((performance.now() - before) / calls) * 1e6);
    }
  }
  console.log(`\n${name}`);
  for (const contender of Object.keys(contenders)) {
    const ratios = times[contender].map((time, round) => time / times['by hand'][round]);
    const spread = `${quartile(ratios, 0.25).toFixed(2)}–${quartile(ratios, 0.75).toFixed(2)}`;
    console.log(
      `  ${contender.padEnd(28)} ${median(ratios).toFixed(2)} ×  (${spread})   ${median(times[contender]).toFixed(0)} ns a call`,
    );
  }
}
