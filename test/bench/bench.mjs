// `npm run bench`: every row in a process of its own, one after the other; see the files in rows/.
//
//   npm run bench -- --rows lone,follower   only these
//   npm run bench -- --rounds 31            more rounds than usual
//   npm run bench -- --quick                a look at everything in a minute or two
//   npm run bench -- --docs                 into docs/ too, where the README shows it
//
// Results go to results/ as JSON and as a chart, and to standard output as Markdown. The exit code is 1 when a bar
// fails.
import { execFileSync, fork } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { QUICK, THOROUGH } from './measure.mjs';

const ROWS = [
  'correctness',
  'lone',
  'follower',
  'errors',
  'zipf',
  'in-flight',
  'bytes',
  'microtasks',
  'do',
  'do-chan',
  'signal',
  'decorator',
  'interceptor',
  'join-window',
  'keys',
  'events',
  'detection',
];

const here = fileURLToPath(new URL('.', import.meta.url));
const { rows, settings, folders } = readOptions();
installPeers();
const tables = [];
for (const row of rows) {
  process.stderr.write(`${row} … `);
  const started = performance.now();
  tables.push(...(await measure(row)));
  process.stderr.write(`${((performance.now() - started) / 1_000).toFixed(1)} s\n`);
}
await report();

function readOptions() {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean' },
      docs: { type: 'boolean' },
    },
  });
  const wanted = values.rows?.split(',') ?? ROWS;
  for (const row of wanted) if (!ROWS.includes(row)) throw new Error(`No row '${row}'. There are: ${ROWS.join(', ')}.`);
  const rounds = values.rounds === undefined ? {} : { rounds: Number(values.rounds) };
  const folders = [`${here}results`, ...(values.docs ? [fileURLToPath(new URL('../../docs', import.meta.url))] : [])];
  return { rows: wanted, settings: { ...(values.quick ? QUICK : THOROUGH), ...rounds }, folders };
}

/** The peers have a package of their own, so that nobody installs them who does not measure. */
function installPeers() {
  if (existsSync(`${here}node_modules`)) return;
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  execFileSync(npm, ['install', '--prefix', here, '--no-audit', '--no-fund'], { stdio: 'inherit' });
}

function measure(row) {
  // Nothing is collected while bytes are counted.
  const nursery = row === 'bytes' ? ['--min-semi-space-size=512', '--max-semi-space-size=512'] : [];
  const child = fork(`${here}row.mjs`, [row, JSON.stringify(settings)], {
    env: { ...process.env, NODE_ENV: 'production' },
    execArgv: ['--expose-gc', '--no-flush-bytecode', '--max-old-space-size=8192', ...nursery],
    timeout: 300_000,
  });
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code, signal) =>
      reject(new Error(`The row '${row}' ended with ${signal ?? code}, without a result.`)),
    );
  });
}

async function report() {
  const [{ judge }, { markdown }, { chart }] = await Promise.all([
    import('./bars.mjs'),
    import('./report.mjs'),
    import('./chart.mjs'),
  ]);
  const results = {
    when: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} × ${cpus()[0].model.trim()}`,
    node: process.versions.node,
    settings,
    tables,
    bars: judge(tables),
  };
  const text = markdown(results);
  const picture = chart(results);
  for (const folder of folders) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/benchmark.json`, `${JSON.stringify(results, rounded, 2)}\n`);
    writeFileSync(`${folder}/benchmark.md`, `# Benchmark\n\n${text}\n`);
    if (picture !== undefined) writeFileSync(`${folder}/benchmark.svg`, picture);
  }
  console.log(text);
  if (results.bars.some(({ verdict }) => verdict === 'FAILS')) process.exitCode = 1;
}

/** What comes after the third digit is noise; and JSON knows no Infinity. */
function rounded(_name, value) {
  if (typeof value !== 'number') return value;
  return Number.isFinite(value) ? Number(value.toPrecision(4)) : String(value);
}
