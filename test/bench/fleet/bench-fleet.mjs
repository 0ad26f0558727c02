// `npm run bench:fleet`: one flight for many processes on Redis, and what that costs.
//
//   npm run bench:fleet -- --rounds 20       more rounds than usual
//   npm run bench:fleet -- --peers no        without those that are measured beside it
//
// All contenders, numbers of processes and of callers take turns, round after round. Times are read from the monotonic
// clock that all processes of a machine share. Results go to results/ and, as Markdown, to standard output; the exit code
// is 1 when a bar fails.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measureFaults } from './faults.mjs';
import { measureFlights } from './flights.mjs';
import { barsOf, markdown } from './report.mjs';

const bench = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({ options: { rounds: { type: 'string' }, peers: { type: 'string' } } });
const rounds = Number(values.rounds ?? 15);
const hasPeers = values.peers !== 'no';

if (hasPeers && !existsSync(`${bench}node_modules/redlock-universal`)) {
  execFileSync('npm', ['install', '--prefix', bench, '--no-audit', '--no-fund'], { stdio: 'inherit' });
}
const flights = await measureFlights({ rounds, hasPeers });
const faults = await measureFaults({ repeats: 5 });
const results = {
  when: new Date().toISOString().slice(0, 10),
  machine: `${cpus().length} × ${cpus()[0].model.trim()}`,
  node: process.versions.node,
  rounds,
  ...flights,
  faults,
};
const bars = barsOf(results);
const text = markdown(results, bars);
mkdirSync(`${bench}results`, { recursive: true });
writeFileSync(`${bench}results/fleet.json`, `${JSON.stringify({ ...results, bars }, rounded, 2)}\n`);
writeFileSync(`${bench}results/fleet.md`, `# Fleet\n\n${text}\n`);
console.log(text);
if (bars.some(({ holds }) => !holds)) process.exitCode = 1;

function rounded(_name, value) {
  return typeof value === 'number' ? Number(value.toPrecision(4)) : value;
}
