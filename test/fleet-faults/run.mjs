// `npm run test:faults`: every fault of a fleet, five times each, and what came of it as Markdown.
//
//   npm run test:faults -- --repeats 20        more often
//   npm run test:faults -- --only 'killed'     only those whose name matches
//
// What each of them may do at most stands in the tests; the exit code is theirs.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../../', import.meta.url));
const { values } = parseArgs({ options: { repeats: { type: 'string' }, only: { type: 'string' } } });
const repeats = values.repeats ?? '5';

const folder = mkdtempSync(join(tmpdir(), 'singleflight-faults-'));
const report = join(folder, 'report.jsonl');
const jest = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];
// One after the other: what is measured here is not how busy the machine is.
const options = ['test/fleet-faults', '--runInBand', ...(values.only === undefined ? [] : ['-t', values.only])];
const { status } = spawnSync(process.execPath, [...jest, ...options], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit'],
  env: { ...process.env, FAULTS: 'all', FAULT_REPEATS: repeats, FAULTS_REPORT: report },
});
const outcomes = readFileSync(report, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));
rmSync(folder, { recursive: true, force: true });
console.log(tableOf(groupByName(outcomes)));
process.exitCode = status ?? 1;

function groupByName(all) {
  const groups = new Map();
  for (const outcome of all) groups.set(outcome.name, [...(groups.get(outcome.name) ?? []), outcome]);
  return groups;
}

function tableOf(groups) {
  const heads = [
    'executions',
    'at once',
    'answered / rejected / hung',
    'different results',
    'settled after, median',
    '',
  ];
  const lines = [...groups].map(([name, group]) => {
    const most = (count) => Math.max(...group.map((outcome) => outcome[count]));
    const least = (count) => Math.min(...group.map((outcome) => outcome[count]));
    const counts = [least('answered'), most('rejected'), most('hung')].join(' / ');
    const settled = `${(median(group.map(({ settleMs }) => settleMs)) / 1_000).toFixed(1)} s`;
    return [name, most('executions'), most('atOnce'), counts, most('values'), settled, `× ${group.length}`];
  });
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const rule = ['---', ...heads.map(() => '---:')];
  return [
    '4 processes × 100 callers, lease 1.5 s; the worst of each:',
    '',
    ...[['fault', ...heads], rule, ...lines].map(line),
  ].join('\n');
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
