// The processes of a fleet, as the benchmark sees them.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('process.mjs', import.meta.url));

/** The same in every process of a machine, in milliseconds. */
export const now = () => Number(process.hrtime.bigint()) / 1e6;

/** As many processes as that, connected to one server; each is asked for one thing at a time. */
export async function startProcesses(count, port) {
  const children = Array.from({ length: count }, (_, index) =>
    fork(program, [JSON.stringify({ index, port })], { env: { ...process.env, NODE_ENV: 'production' }, execArgv: [] }),
  );
  await Promise.all(children.map(nextMessage));
  return {
    /** Asks each of the first so many for the same, at the same time; gives their answers. */
    ask(many, order) {
      const at = now() + 15;
      return Promise.all(children.slice(0, many).map((child) => ask(child, { at, ...order })));
    },
    askOne: (index, order) => ask(children[index], order),
    async end() {
      for (const child of children) child.kill('SIGKILL');
    },
  };
}

function ask(child, order) {
  const answer = nextMessage(child);
  child.send(order);
  return answer;
}

function nextMessage(child) {
  return new Promise((resolve, reject) => {
    const ended = (code, signal) => reject(new Error(`A process ended with ${signal ?? code}.`));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message);
    });
  });
}
