// A fast wrong answer is none: what each contender answers where it is hard to. Run in a process of its own.
import { setTimeout } from 'node:timers/promises';

const PATIENCE_MS = 200;

/** Each takes `run` and a key of its own, and returns what is wrong, or nothing. */
const CHECKS = {
  executions: async (run, key) => {
    const flight = deferred();
    let executions = 0;
    const callers = Array.from({ length: 100 }, () => run(key, () => (executions++, flight.promise)));
    await turn();
    flight.resolve(42);
    await Promise.all(callers);
    if (executions !== 1) return `ran ${executions} times for 100 callers`;
  },

  errors: async (run, key) => {
    const failure = new Error('The database is away.');
    let executions = 0;
    const fail = async () => {
      executions++;
      await turn();
      throw failure;
    };
    const ends = await Promise.allSettled(Array.from({ length: 10 }, () => run(key, fail)));
    if (executions !== 1) return `ran ${executions} times for 10 callers`;
    if (ends.some(({ status }) => status === 'fulfilled')) return 'an error became a success';
    if (ends.some(({ reason }) => reason !== failure)) return 'another error than the one thrown';
  },

  falsyRejections: async (run, key) => {
    for (const falsy of [undefined, null, 0, '']) {
      const fail = async () => {
        await turn();
        throw falsy;
      };
      const ends = await Promise.allSettled([1, 2, 3].map(() => run(`${key}:${String(falsy)}`, fail)));
      const lost = ends.filter(({ status }) => status === 'fulfilled').length;
      if (lost > 0) return `a rejection with ${inspect(falsy)} became a success for ${lost} of 3 callers`;
      if (ends.some(({ reason }) => reason !== falsy)) return `a rejection with ${inspect(falsy)} became another`;
    }
  },

  synchronousThrow: async (run, key) => {
    const failure = new Error('thrown');
    try {
      await run(key, () => {
        throw failure;
      });
      return 'a throw became a success';
    } catch (error) {
      if (error !== failure) return 'another error than the one thrown';
    }
    const again = await run(key, async () => 42).catch(() => undefined);
    if (again !== 42) return 'the key is poisoned: later calls get the old error';
  },

  fresh: async (run, key) => {
    const flight = deferred();
    const first = run(key, () => flight.promise);
    await turn();
    let second;
    // The function has ended, and everybody in this process could know it.
    const late = flight.promise.then(() => {
      second = run(key, async () => 'fresh');
    });
    flight.resolve('stale');
    await first;
    await late;
    if ((await second) !== 'fresh') return 'joins a flight that has ended';
  },

  retry: async (run, key) => {
    let executions = 0;
    const fail = async () => {
      executions++;
      await turn();
      throw new Error('The database is away.');
    };
    const retrying = () => run(key, fail).catch(() => run(key, fail).catch(() => undefined));
    await Promise.all([retrying(), retrying()]);
    if (executions !== 2) return `a retry in catch ran the function ${executions - 1} times more, not once`;
  },

  keys: async (run) => {
    const [number, text] = await Promise.all([run(1, async () => 'number'), run('1', async () => 'text')]);
    if (number === text) return "1 is the same key as '1'";
    if ((await run('__proto__', async () => 42)) !== 42) return "'__proto__' is no key";
  },
};

/** The columns of the table. */
export const QUESTIONS = {
  executions: 'one execution',
  errors: 'one error for all',
  falsyRejections: 'falsy rejections',
  synchronousThrow: 'synchronous throw',
  fresh: 'fresh',
  retry: 'retry in catch',
  keys: 'keys',
};

/** What the answers of one contender are: nothing where they are right, otherwise a sentence. */
export async function examine({ name, version, isPeer, run }) {
  const wrong = {};
  const unhandled = [];
  const onUnhandled = (error) => unhandled.push(error);
  process.on('unhandledRejection', onUnhandled);
  for (const [question, check] of Object.entries(CHECKS)) {
    const never = setTimeout(PATIENCE_MS, 'a caller is never answered');
    const threw = (error) => `threw ${inspect(error)}`;
    wrong[question] = await Promise.race([check(run, `examined:${question}`).catch(threw), never]);
  }
  await setTimeout(5);
  process.off('unhandledRejection', onUnhandled);
  if (unhandled.length > 0) wrong.errors ??= `${unhandled.length} rejections that nobody can handle`;
  return { name, version, isPeer, wrong };
}

function deferred() {
  let resolve;
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** Longer than anybody takes to call the function. */
const turn = () => setTimeout(5);

const inspect = (value) => (value === '' ? "''" : value instanceof Error ? value.message : String(value));
