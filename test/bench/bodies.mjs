// What is timed in most rows. Each contender gets a copy of this module of its own.

/** One call after the other, each with a flight of its own. */
export async function lone(lane, calls) {
  keys ??= keysOf(lane);
  let executions = 0;
  const load = async () => {
    executions++;
    return 42;
  };
  for (let i = 0; i < calls; i++) await lane.run(nextKey(), load);
  return { calls, executions, expected: calls };
}

/** As {@link lone}, with a function that fails, though not at once: then Node would complain before anybody can listen. */
export async function failing(lane, calls) {
  keys ??= keysOf(lane);
  let executions = 0;
  const load = async () => {
    executions++;
    await undefined;
    throw failure;
  };
  for (let i = 0; i < calls; i++) {
    try {
      await lane.run(nextKey(), load);
    } catch (error) {
      if (error !== failure) throw new Error('rejects with another error than the one thrown', { cause: error });
    }
  }
  return { calls, executions, expected: calls };
}

/** Crowds of a leader and its followers: the asking and the waking of everybody. With `fails`, they all fail. */
export async function crowds(lane, calls) {
  keys ??= keysOf(lane);
  let [made, executions, expected] = [0, 0, 0];
  for (; made < calls; made += lane.followers + 1) {
    executions += await crowd(lane, nextKey());
    expected++;
  }
  return { calls: made, executions, expected };
}

function crowd({ run, followers, fails = false }, key) {
  return new Promise((resolve) => {
    let executions = 0;
    let [land, crash] = [];
    const flight = new Promise((...ends) => {
      [land, crash] = ends;
    });
    const load = () => {
      executions++;
      return flight;
    };
    let asleep = followers + 1;
    const wake = () => {
      if (--asleep === 0) resolve(executions);
    };
    for (let caller = 0; caller <= followers; caller++) run(key, load).then(wake, wake);
    if (!fails) land(42);
    else {
      // Somebody may call the function only later: until then nobody handles this.
      flight.catch(ignore);
      crash(failure);
    }
  });
}

/** Joining alone, many times: the waking is not timed, and everybody who gets the same promise wakes once. */
export async function joins({ run }, calls) {
  let land;
  const flight = new Promise((resolve) => {
    land = resolve;
  });
  const load = () => flight;
  let last;
  for (let i = 0; i < calls; i++) last = run('product', load);
  land(42);
  await last;
  return { calls };
}

const failure = new Error('The database is away.');

/** Taken in turn. Who keeps a value for a while gets so many keys that it has forgotten one when that comes again. */
function keysOf({ keeps = false }) {
  return Array.from({ length: keeps ? 2 ** 17 : 2 ** 10 }, (_none, i) => `product:${i}`);
}

let keys;
let next = 0;

function nextKey() {
  next = (next + 1) % keys.length;
  return keys[next];
}

function ignore() {
  // The callers hear of it.
}
