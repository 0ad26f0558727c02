// Flights of one key, of a hundred keys, and of nobody else.
import { median } from '../measure.mjs';
import { startProcesses } from './processes.mjs';
import { connect } from './redis.mjs';
import { startServer } from './server.mjs';

const PROCESSES = [2, 4, 8];
const CALLERS = [100, 1_000];
const WORK_MS = 50;
export const BARE = 'bare PUBLISH to SUBSCRIBE';
const PEERS = ['redlock-universal + result key', 'bentocache'];
/** Counting what the server is asked slows it down, so that it has flights of its own. */
const COUNTED = 3;

export async function measureFlights({ rounds, hasPeers }) {
  const server = await startServer();
  const processes = await startProcesses(Math.max(...PROCESSES), server.port);
  try {
    const lanes = lanesOf(hasPeers);
    for (let round = 0; round <= rounds; round++) {
      for (const lane of round % 2 === 0 ? lanes : [...lanes].reverse()) await fly(processes, lane, round);
      if (round > 0) process.stderr.write(`round ${round} of ${rounds}\n`);
    }
    for (const lane of lanes) if (lane.contender !== BARE) await count(processes, server, lane);
    const hundred = await measureHundredKeys(processes);
    const lone = await measureLone(processes, server);
    return { lanes: lanes.map(resultOf), hundred, lone };
  } finally {
    await processes.end();
    await server.kill();
  }
}

function lanesOf(hasPeers) {
  const lanes = PROCESSES.flatMap((many) => [
    ...[1, ...CALLERS].map((callers) => ({ contender: BARE, many, callers })),
    ...CALLERS.map((callers) => ({ contender: 'fleet', many, callers })),
    ...(hasPeers ? PEERS : []).map((contender) => ({ contender, many, callers: 100 })),
  ]);
  return lanes.map((lane) => ({ ...lane, executions: [], extras: [], firsts: [], commands: [] }));
}

let flights = 0;

async function fly(processes, lane, round) {
  const { executions, extras, firsts } = await flight(processes, lane);
  // The first round warms up.
  if (round === 0) return;
  lane.executions.push(executions);
  lane.extras.push(...extras);
  lane.firsts.push(...firsts);
}

async function flight(processes, { contender, many, callers }) {
  const order = contender === BARE ? { order: 'publish' } : { order: 'call', contender, keys: [`key-${++flights}`] };
  const answers = await processes.ask(many, { ...order, callers, workMs: WORK_MS });
  for (const { failure } of answers) if (failure !== undefined) throw new Error(`${contender}: ${failure}`);
  const runs = answers.flatMap(({ executions }) => executions);
  const settledAt = Math.min(...runs.map(({ end }) => end));
  const followers = answers.filter(({ executions }) => executions.length === 0);
  return {
    executions: runs.length,
    extras: followers.flatMap((one) => one.answers.map((at) => at - settledAt)),
    firsts: followers.map((one) => one.answers[0] - settledAt),
  };
}

async function count(processes, server, lane) {
  for (let time = 0; time < COUNTED; time++) {
    lane.commands.push(await commandsOf(server, () => flight(processes, lane)));
  }
}

/** How many commands clients send meanwhile; what a script calls within the server is none of them. */
async function commandsOf(server, work) {
  const client = connect(server.port);
  // Ready before anybody listens: ioredis cannot tell the INFO that it sends at first from the answer to MONITOR.
  await client.ping();
  const monitor = await client.monitor();
  let commands = 0;
  monitor.on('monitor', (_time, [name], source) => {
    if (source !== 'lua' && name !== 'info') commands++;
  });
  await work();
  // What is sent after the answer belongs to it.
  await new Promise((resolve) => setTimeout(resolve, 50));
  await client.info('server');
  monitor.disconnect();
  client.disconnect();
  return commands;
}

/** In waves, all processes for all keys at once: no two executions of a key may overlap. */
async function measureHundredKeys(processes) {
  const many = Math.max(...PROCESSES);
  const keys = Array.from({ length: 100 }, (_, index) => `one-of-100-${index}`);
  const order = { order: 'call', contender: 'fleet', keys, callers: 10, workMs: WORK_MS };
  const runs = [];
  for (let wave = 0; wave < 10; wave++) {
    runs.push(...(await processes.ask(many, order)).flatMap(({ executions }) => executions));
  }
  return { keys: keys.length, waves: 10, processes: many, executions: runs.length, overlaps: overlapsOf(runs) };
}

function overlapsOf(runs) {
  const lastEnd = new Map();
  let overlaps = 0;
  for (const { key, start, end } of [...runs].sort((one, other) => one.start - other.start)) {
    if (start < (lastEnd.get(key) ?? -Infinity)) overlaps++;
    lastEnd.set(key, Math.max(end, lastEnd.get(key) ?? -Infinity));
  }
  return overlaps;
}

async function measureLone(processes, server) {
  const { flights: alone, commands } = await processes.askOne(0, { order: 'lone', times: 2_000 });
  const times = 100;
  // Those that warm up are counted as well, and each is followed by a bare command.
  const sent = await commandsOf(server, () => processes.askOne(0, { order: 'lone', times }));
  return {
    flightUs: median(alone) * 1_000,
    roundTripUs: median(commands) * 1_000,
    commands: sent / (times + 50) - 1,
  };
}

function resultOf({ contender, many, callers, executions, extras, firsts, commands }) {
  return {
    ...{ contender, many, callers },
    executions: executions.reduce((sum, one) => sum + one, 0) / executions.length,
    mostExecutions: Math.max(...executions),
    extraMs: extras.length === 0 ? undefined : median(extras),
    firstMs: firsts.length === 0 ? undefined : median(firsts),
    commands: commands.length === 0 ? undefined : median(commands),
  };
}
