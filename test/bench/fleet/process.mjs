// One process of a fleet: calls what it is told to, and tells when what happened.
import { contenders } from './contenders.mjs';
import { now } from './processes.mjs';
import { connect } from './redis.mjs';

const { index, port } = JSON.parse(process.argv[2]);
const contenderOf = contenders({ port });
const bare = { publisher: connect(port), subscriber: connect(port) };

process.on('message', async (order) => process.send(await ORDERS[order.order](order)));
process.on('disconnect', () => process.exit());
await bare.subscriber.subscribe('bench:bare');
await bare.publisher.ping();
process.send({ ready: true });

const ORDERS = {
  /** So many callers call each key, at the same time in all processes. */
  async call({ contender, keys, callers, workMs, at }) {
    const { run } = await contenderOf(contender);
    const [executions, answers] = [[], []];
    const fn = (key) => async () => {
      const start = now();
      await new Promise((resolve) => setTimeout(resolve, workMs));
      executions.push({ key, start, end: now() });
      return { index, key };
    };
    await until(at);
    const call = async (key) => {
      await run(key, fn(key));
      answers.push(now());
    };
    const outcomes = await Promise.allSettled(keys.flatMap((key) => Array.from({ length: callers }, () => call(key))));
    const failed = outcomes.find(({ status }) => status === 'rejected');
    return { executions, answers, failure: failed && String(failed.reason), most: outcomes.length };
  },

  /** One flight after the other, nobody else in them; a bare command each in between. */
  async lone({ times }) {
    const { run } = await contenderOf('fleet');
    const [flights, commands] = [[], []];
    for (let time = -50; time < times; time++) {
      const start = now();
      await run(`lone-${time}-${start}`, () => time);
      const middle = now();
      await new Promise((resolve) => setImmediate(resolve));
      const before = now();
      await bare.publisher.get('bench:nothing');
      if (time < 0) continue;
      flights.push(middle - start);
      commands.push(now() - before);
    }
    return { flights, commands };
  },

  /** What cannot be done without: the first process publishes, and a message wakes so many callers in each other. */
  async publish({ callers, workMs, at }) {
    let [wake, answers] = [undefined, []];
    const woken = new Promise((resolve) => (wake = resolve));
    bare.subscriber.once('message', wake);
    await until(at);
    const call = async () => {
      await woken;
      answers.push(now());
    };
    const calls = Array.from({ length: callers }, call);
    let executions = [];
    if (index === 0) {
      await new Promise((resolve) => setTimeout(resolve, workMs));
      executions = [{ end: now() }];
      void bare.publisher.publish('bench:bare', 'x'.repeat(60));
      wake();
    }
    await Promise.all(calls);
    bare.subscriber.off('message', wake);
    return { executions, answers };
  },
};

function until(at) {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, at - now())));
}
