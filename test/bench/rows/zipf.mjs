// A day in production: few keys are asked for often and many seldom (Zipf), and each flight holds for a while. Time is
// counted in calls, not on a clock, so that all contenders see the very same day.
import { setImmediate } from 'node:timers/promises';
import { makeContenders } from '../contenders.mjs';
import { sideBySide } from '../measure.mjs';

const KEYS = 1_000;
const CALLS = 4_096;
const LONGEST_HOLD = 256;

export async function measureRow(settings) {
  const lanes = await makeContenders();
  const entries = await sideBySide({ file: import.meta.url, body: 'days', lanes, settings });
  return [{ id: 'zipf', title: `${KEYS.toLocaleString('en')} zipf-mixed keys with hold times`, entries }];
}

let day;

export async function days(lane, calls) {
  day ??= planDay();
  let [made, executions, expected] = [0, 0, 0];
  for (; made < calls; made += CALLS) {
    executions += await liveThrough(day, lane);
    expected += day.flights;
  }
  return { calls: made, executions, expected };
}

/** What is asked for in which order, how long its flight would hold, and how many flights that makes. */
function planDay() {
  const random = randomNumbers(20_260_101);
  const weights = Array.from({ length: KEYS }, (_none, rank) => 1 / (rank + 1));
  const total = weights.reduce((sum, weight) => sum + weight);
  const asks = Array.from({ length: CALLS }, () => {
    let rest = random() * total;
    const rank = weights.findIndex((weight) => (rest -= weight) <= 0);
    return { key: `product:${rank}`, hold: 1 + Math.floor(random() * LONGEST_HOLD) };
  });
  return { asks, flights: countFlights(asks) };
}

function countFlights(asks) {
  const landsAt = new Map();
  let flights = 0;
  asks.forEach(({ key, hold }, now) => {
    if ((landsAt.get(key) ?? 0) > now) return;
    flights++;
    landsAt.set(key, turnAfter(now + hold));
  });
  return flights;
}

/** Flights land where the microtasks run: between one turn and the next. */
const TURN = 8;
const turnAfter = (time) => Math.ceil(time / TURN) * TURN;

async function liveThrough({ asks }, { run }) {
  const landings = Array.from({ length: (CALLS + LONGEST_HOLD) / TURN + 1 }, () => []);
  let [now, executions, asleep] = [0, 0, CALLS];
  const wake = () => {
    asleep--;
  };
  for (; now < CALLS; now++) {
    if (now % TURN === 0) {
      for (const land of landings[now / TURN]) land(42);
      // Where others wait for a turn of the event loop, they get one now and then.
      await (now % 256 === 0 ? setImmediate() : undefined);
    }
    const { key, hold } = asks[now];
    const lands = now + hold;
    const load = () => {
      executions++;
      return new Promise((land) => {
        landings[turnAfter(Math.max(lands, now + 1)) / TURN].push(land);
      });
    };
    run(key, load).then(wake, wake);
  }
  for (let turn = 0; asleep > 0; turn++) {
    if (turn > 10_000) throw new Error('leaves callers without an answer');
    for (const late of landings) for (const land of late.splice(0)) land(42);
    await setImmediate();
  }
  return executions;
}

/** Mulberry32: the same numbers in every run. */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
