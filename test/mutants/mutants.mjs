// Sees the tests fail: breaks the library in one place at a time, in a copy, and runs the specs that must notice.
// `node test/mutants/mutants.mjs [words]` prints who was killed and who survived, of all or of those the words are in
// (in the promise, the description or the file; a | between alternatives). WORKERS=1 runs one at a time, VERBOSE=1 names the tests that failed.
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutants } from './table.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = ['lib', 'test', 'sample-app/test', 'jest.config.mjs', 'package.json', 'tsconfig.json'];
const NOT_COPIED = ['node_modules', 'bench', 'consumers', 'soak'];
const WORKERS = Number(process.env.WORKERS ?? 2);

const started = Date.now();
const words = process.argv.slice(2).join(' ');
const wanted = mutants.filter(({ promise, what, file }) =>
  words.split('|').some((some) => `${promise} ${what} ${file}`.includes(some)),
);

const results = [];
const queue = [...wanted];
const directories = Array.from({ length: Math.min(WORKERS, wanted.length) }, copy);
try {
  // All of them first: a search string that is not found is a mistake in the table, and no mutant.
  for (const mutant of wanted) mutated(readFileSync(join(root, 'lib', mutant.file), 'utf8'), mutant);
  // A spec that fails without a mutant would kill every one of them.
  await expectHarmless([...new Set(wanted.flatMap(({ specs }) => specs))], directories[0]);
  await Promise.all(directories.map(work));
  summarize();
} finally {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
}

function copy() {
  const directory = mkdtempSync(join(tmpdir(), 'singleflight-mutants-'));
  const filter = (path) => !NOT_COPIED.includes(basename(path));
  for (const path of COPIED) cpSync(join(root, path), join(directory, path), { recursive: true, filter });
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  return directory;
}

async function expectHarmless(specs, directory) {
  if (specs.length === 0) throw new Error(`No mutant has "${words}" in its promise, description or file.`);
  const failures = await failuresOf(specs, directory, 600_000);
  const failed = [...failures].filter(([, names]) => names.length > 0);
  if (failed.length === 0) return;
  throw new Error(`Fails without any mutant: ${failed.map(([spec, names]) => `${spec} (${names[0]})`).join(', ')}`);
}

/** Takes mutants from the queue, in a copy of its own. */
async function work(directory) {
  for (let mutant; (mutant = queue.shift()) !== undefined;) await tryOut(mutant, directory);
}

async function tryOut(mutant, directory) {
  const path = join(directory, 'lib', mutant.file);
  const original = readFileSync(path, 'utf8');
  writeFileSync(path, mutated(original, mutant));
  let failures = await failuresOf(mutant.specs, directory, 60_000);
  let survived = mutant.specs.filter((spec) => failures.get(spec).length === 0);
  if (survived.length > 0) {
    // Once more, in case Jest took the file from its cache as it was before.
    failures = await failuresOf(mutant.specs, directory, 120_000, '--no-cache');
    survived = mutant.specs.filter((spec) => failures.get(spec).length === 0);
  }
  writeFileSync(path, original);
  results.push({ mutant, survived });
  console.log(`${survived.length === 0 ? 'killed  ' : 'SURVIVED'} ${nameOf(mutant)}`);
  if (survived.length > 0) console.log(`               not noticed by ${survived.join(', ')}`);
  if (process.env.VERBOSE) for (const name of [...failures.values()].flat()) console.log(`               ${name}`);
}

function summarize() {
  console.log('');
  for (const promise of [...new Set(wanted.map((mutant) => mutant.promise))].sort(byPromise)) {
    const of = results.filter(({ mutant }) => mutant.promise === promise);
    const killed = of.filter(({ survived }) => survived.length === 0);
    const title = typeof promise === 'number' ? `promise ${promise}` : promise;
    console.log(`${title.padEnd(12)} ${String(killed.length).padStart(3)} of ${of.length} killed`);
  }
  const survivors = results.filter(({ survived }) => survived.length > 0);
  for (const { mutant } of survivors) console.log(`SURVIVED ${nameOf(mutant)}`);
  const seconds = Math.round((Date.now() - started) / 1_000);
  console.log(`\n${results.length - survivors.length} of ${results.length} mutants killed in ${seconds} s`);
  process.exitCode = survivors.length > 0 ? 1 : 0;
}

function byPromise(one, other) {
  const [first, second] = [one, other].map((promise) => (typeof promise === 'number' ? promise : Infinity));
  return first === second ? String(one).localeCompare(String(other)) : first - second;
}

function nameOf({ promise, what, file }) {
  return `${String(promise).padStart(5)}  ${what} (${file})`;
}

function mutated(text, { what, file, changes }) {
  return changes.reduce((changed, [search, replacement]) => {
    const found = changed.split(search).length - 1;
    if (found !== 1) throw new Error(`Found ${found} times in ${file}, for "${what}": ${search}`);
    return changed.replace(search, () => replacement);
  }, text);
}

/** The names of the first tests that failed, by spec; one that crashed or hung has failed too. */
function failuresOf(specs, directory, timeout, ...more) {
  const paths = specs.map((spec) => `test/${spec}${spec.endsWith('.spec') ? '.ts' : ''}`);
  const jest = [
    join(directory, 'node_modules/jest/bin/jest.js'),
    ...['-i', '--json', '--testTimeout=10000', '--env', join(directory, 'test/mutants/bail-environment.mjs')],
    ...more,
    ...paths,
  ];
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const options = {
    // As in production: in development the search for deadlocks takes every call off the plain path.
    env: { ...process.env, NODE_ENV: 'production' },
    cwd: directory,
    timeout,
    killSignal: 'SIGKILL',
    maxBuffer: 2 ** 28,
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [...flags, ...jest], options, (error, stdout) => {
      const all = (names) => new Map(specs.map((spec, index) => [spec, names(paths[index])]));
      if (error === null) return resolve(all(() => []));
      if (error.killed) return resolve(all((path) => [`${path} hung`]));
      try {
        const { testResults } = JSON.parse(stdout);
        resolve(all((path) => testResults.filter(({ name }) => name.includes(path)).flatMap(failedTests)));
      } catch {
        resolve(all((path) => [`${path} crashed`]));
      }
    });
  });
}

function failedTests({ status, name, assertionResults }) {
  if (status !== 'failed') return [];
  const failed = assertionResults.filter((result) => result.status === 'failed');
  return failed.length === 0 ? [`${name} crashed`] : failed.map(({ fullName }) => fullName);
}
