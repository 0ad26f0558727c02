// Sees the tests fail: breaks the library in one place at a time, in a copy, and runs the specs that must notice.
// `node test/mutants/mutants.mjs [words]` prints who was killed and who survived, of all or of those the words are in.
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutants } from './table.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = ['lib', 'test', 'sample-app/test', 'jest.config.mjs', 'package.json', 'tsconfig.json'];
const WORKERS = 2;

const words = process.argv.slice(2).join(' ');
const wanted = mutants.filter(({ promise, what }) => `${promise} ${what}`.includes(words));

const results = [];
const queue = [...wanted];
await Promise.all(Array.from({ length: WORKERS }, work));
results.sort((one, other) => mutants.indexOf(one.mutant) - mutants.indexOf(other.mutant));
const survivors = results.filter(({ survived }) => survived.length > 0);
console.log(`\n${results.length - survivors.length} of ${results.length} mutants killed by every spec that must`);
process.exitCode = survivors.length > 0 ? 1 : 0;

/** Takes mutants from the queue, in a copy of its own. */
async function work() {
  const directory = mkdtempSync(join(tmpdir(), 'singleflight-mutants-'));
  try {
    for (const path of COPIED) cpSync(join(root, path), join(directory, path), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
    for (let mutant; (mutant = queue.shift()) !== undefined;) await tryOut(mutant, directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function tryOut(mutant, directory) {
  const path = join(directory, 'lib', mutant.file);
  const original = readFileSync(path, 'utf8');
  writeFileSync(path, mutated(original, mutant));
  const survived = [];
  const failures = [];
  for (const spec of mutant.specs) {
    const failed = await failuresOf(spec, directory);
    if (failed.length === 0) survived.push(spec);
    failures.push(...failed);
  }
  writeFileSync(path, original);
  results.push({ mutant, survived });
  const verdict = survived.length === 0 ? 'killed  ' : 'SURVIVED';
  console.log(`${verdict} ${String(mutant.promise).padStart(5)}  ${mutant.what} (${mutant.file})`);
  if (survived.length > 0) console.log(`               not noticed by ${survived.join(', ')}`);
  if (process.env.VERBOSE) for (const failure of failures) console.log(`               ${failure}`);
}

function mutated(text, { what, changes }) {
  return changes.reduce((changed, [search, replacement]) => {
    if (changed.split(search).length !== 2) throw new Error(`Not found exactly once, for "${what}": ${search}`);
    return changed.replace(search, () => replacement);
  }, text);
}

/** The names of the tests that failed; a run that crashed or hung is a failure too. */
function failuresOf(spec, directory) {
  const jest = [
    join(directory, 'node_modules/jest/bin/jest.js'),
    '-i',
    '--json',
    '--testTimeout=15000',
    `test/${spec}`,
  ];
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  // As in production: in development the search for deadlocks takes every call off the plain path.
  const options = {
    env: { ...process.env, NODE_ENV: 'production' },
    cwd: directory,
    timeout: 60_000,
    maxBuffer: 2 ** 28,
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [...flags, ...jest], options, (error, stdout) => {
      if (error === null) return resolve([]);
      if (error.killed) return resolve([`${spec} hung`]);
      try {
        const { testResults } = JSON.parse(stdout);
        const failed = testResults.flatMap(({ assertionResults }) =>
          assertionResults.filter(({ status }) => status === 'failed'),
        );
        resolve(failed.map(({ fullName }) => fullName));
      } catch {
        resolve([`${spec} crashed`]);
      }
    });
  });
}
