// How long 100,000 followers of one flight keep the event loop from turning, when they join and when they wake.
// `npm run build && node test/soak/fan-out.mjs`
import { Group } from '../../dist/esm/core/index.js';

const FOLLOWERS = 100_000;
const ROUNDS = 7;

const kinds = {
  'run, no options': (group, fn) => group.run('key', fn),
  do: (group, fn) => group.do('key', fn),
  'run with a signal': (group, fn) => group.run('key', fn, { signal: shared.signal }),
  'isolate: clone': (group, fn) => group.run('key', fn),
};
const shared = new AbortController();
const page = { id: 42, name: 'a lamp', reviews: [{ rating: 5 }, { rating: 4 }] };

/** The longest time between two turns of the event loop while `work` is done and its consequences run. */
async function longestDelay(work) {
  let longest = 0;
  let last = performance.now();
  let watching = true;
  const turn = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (watching) setImmediate(turn);
  };
  setImmediate(turn);
  await new Promise((resolve) => setImmediate(resolve));
  await work();
  await new Promise((resolve) => setImmediate(resolve));
  watching = false;
  return longest;
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

for (const [name, call] of Object.entries(kinds)) {
  const joining = [];
  const waking = [];
  for (let round = 0; round < ROUNDS; round++) {
    const group = new Group({ isolate: name === 'isolate: clone' ? 'clone' : 'none', detectDeadlocks: false });
    let land;
    const flight = new Promise((resolve) => (land = resolve));
    let answered = 0;
    joining.push(
      await longestDelay(() => {
        for (let i = 0; i < FOLLOWERS; i++) {
          void call(group, () => flight).then(() => answered++);
        }
      }),
    );
    waking.push(
      await longestDelay(async () => {
        land(page);
        await flight;
      }),
    );
    if (answered !== FOLLOWERS) throw new Error(`${name}: ${answered} of ${FOLLOWERS} were answered.`);
  }
  console.log(
    `${name.padEnd(20)} joining ${median(joining).toFixed(0).padStart(5)} ms   waking ${median(waking).toFixed(0).padStart(5)} ms`,
  );
}
