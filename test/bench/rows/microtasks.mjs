// How many turns of the microtask queue lie between a function's end and a caller's continuation; 1 is the least.
import { setImmediate } from 'node:timers/promises';
import { makeContenders } from '../contenders.mjs';
import { sentenceOf } from '../measure.mjs';

export async function measureRow() {
  const entries = [];
  for (const { name, version, isPeer, run } of await makeContenders()) {
    try {
      entries.push({
        name,
        version,
        isPeer,
        leader: (await turnsOf(run, 'leader', true))[0],
        follower: (await turnsOf(run, 'follower', true))[1],
        error: (await turnsOf(run, 'error', false))[0],
      });
    } catch (error) {
      entries.push({ name, version, isPeer, cannot: sentenceOf(error) });
    }
  }
  return [{ id: 'microtasks', title: 'microtasks to the continuation', unit: 'turns', entries }];
}

/** For a leader and its follower; Infinity where a turn of the event loop is needed. */
async function turnsOf(run, key, ok) {
  let [resolve, reject] = [];
  const flight = new Promise((...both) => {
    [resolve, reject] = both;
  });
  const answers = [Infinity, Infinity];
  let turns = 1;
  let over = false;
  for (const caller of answers.keys()) {
    const answered = () => {
      answers[caller] = over ? Infinity : turns;
    };
    run(`microtasks:${key}`, () => flight).then(answered, answered);
  }
  // Those who call the function later have called it now.
  await setImmediate();
  if (ok) resolve(42);
  else reject(new Error('The database is away.'));
  const turn = () => {
    turns++;
    if (turns < 100) globalThis.queueMicrotask(turn);
    else over = true;
  };
  globalThis.queueMicrotask(turn);
  await setImmediate();
  for (let i = 0; i < 10 && answers.includes(Infinity) && !over; i++) await setImmediate();
  return answers;
}
