// How long callers wait when Redis is gone in the middle of their flight.
import { now, startProcesses } from './processes.mjs';
import { startServer } from './server.mjs';

const [PROCESSES, CALLERS] = [4, 100];
export const FUNCTION_MS = 300;

export async function measureFaults({ repeats }) {
  const faults = [
    { name: 'dead', strike: (server) => server.kill() },
    { name: 'hung', strike: (server) => server.hang() },
  ];
  const results = [];
  for (const { name, strike } of faults) {
    const settleMs = [];
    for (let time = 0; time < repeats; time++) settleMs.push(await measure(strike));
    results.push({ name, settleMs, mostMs: Math.max(...settleMs), functionMs: FUNCTION_MS });
  }
  return results;
}

/** From the fault, in the middle of the function, until the last caller of any process was told. */
async function measure(strike) {
  const server = await startServer();
  const processes = await startProcesses(PROCESSES, server.port);
  try {
    const order = { order: 'call', contender: 'fleet', keys: ['hot'], callers: CALLERS, workMs: FUNCTION_MS };
    await processes.ask(PROCESSES, { ...order, keys: ['warm'], workMs: 1 });
    const calling = processes.ask(PROCESSES, order);
    await new Promise((resolve) => setTimeout(resolve, FUNCTION_MS / 2));
    const struckAt = now();
    await strike(server);
    const answers = await calling;
    const told = answers.flatMap((one) => one.answers);
    if (told.length !== PROCESSES * CALLERS) throw new Error(`${told.length} callers were told.`);
    return Math.max(...told) - struckAt;
  } finally {
    await processes.end();
    await server.kill();
  }
}
