// Packs the library, examines the tarball, and installs it as its users do: into the projects of test/consumers, each
// copied to a folder outside of this repository. Every script of such a project, in its order, is one check.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { cp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const consumers = join(root, 'test/consumers');

const NAMES = ['nest11-cjs', 'nest12-esm', 'nest10-cjs', 'plain-js'];
const AT_A_TIME = 2;
const INSTALL_TIMEOUT_MS = 300_000;
const CHECK_TIMEOUT_MS = 120_000;
const SHIPPED = ['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'dist/cjs', 'dist/esm', 'docs', 'package.json'];

let passed = 0;
let failed = 0;
/** The processes under way; written by `run`. */
const children = new Set();

const temporary = mkdtempSync(join(tmpdir(), 'nestjs-singleflight-'));
process.once('exit', cleanUp);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

const tarball = await pack();
if (tarball !== undefined) {
  await checkPackage(tarball);
  const waiting = [...NAMES];
  const workers = Array.from({ length: AT_A_TIME }, async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await checkConsumer(name, tarball);
  });
  await Promise.all(workers);
}
process.exitCode = failed === 0 ? 0 : 1;
console.log(`${passed} passed, ${failed} failed`);

async function pack() {
  const packed = await check('package: pack', root, ['npm', 'pack', '--pack-destination', temporary]);
  if (!packed) return undefined;
  const file = (await readdir(temporary)).find((name) => name.endsWith('.tgz'));
  return join(temporary, file);
}

async function checkPackage(file) {
  const folder = join(temporary, 'package');
  if (!(await check('package: unpack', temporary, ['tar', '-xzf', file]))) return;
  const shipped = [...(await readdir(folder)), ...(await readdir(join(folder, 'dist'))).map((name) => `dist/${name}`)];
  const wrong = SHIPPED.filter((name) => !shipped.includes(name)).map((name) => `${name} is missing`);
  wrong.push(...shipped.filter((name) => !SHIPPED.includes(name)).map((name) => `${name} does not belong there`));
  report('package: contents', wrong.join('\n'));
  await check('package: publint', root, ['npx', '--no', 'publint', file, '--strict']);
  await check('package: attw', root, ['npx', '--no', 'attw', file, '--profile', 'strict']);
}

async function checkConsumer(name, file) {
  const folder = join(temporary, name);
  await cp(join(consumers, name), folder, { recursive: true });
  const isNestApp = existsSync(join(folder, 'tsconfig.json'));
  if (isNestApp) await cp(join(consumers, 'app'), join(folder, 'src'), { recursive: true });
  const { scripts } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));

  const install = ['npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts', file];
  if (!(await check(`${name}: install`, folder, install, INSTALL_TIMEOUT_MS))) return;
  for (const script of Object.keys(scripts)) {
    await check(`${name}: ${script}`, folder, ['npm', 'run', '--silent', script]);
  }
}

/** Runs a command and counts it; whether it succeeded. */
async function check(name, cwd, command, timeoutMs = CHECK_TIMEOUT_MS) {
  const start = performance.now();
  const failure = await run(command, cwd, timeoutMs);
  return report(`${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`, failure);
}

function report(name, failure) {
  if (failure === '') passed++;
  else failed++;
  console.log(failure === '' ? `ok      ${name}` : `FAILED  ${name}\n${failure.replace(/^/gm, '        ')}`);
  return failure === '';
}

/** Empty when the command succeeded; otherwise what it printed, and how it ended. */
function run([program, ...args], cwd, timeoutMs) {
  return new Promise((resolve) => {
    let output = '';
    let end = '';
    const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined };
    // A process group of its own, so that what it started ends with it.
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    children.add(child);
    const timer = setTimeout(() => {
      end = `Stopped: it was not over after ${timeoutMs / 1000} s.`;
      kill(child);
    }, timeoutMs);
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    child.once('error', (error) => (end = error.message));
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      children.delete(child);
      if (end === '' && code !== 0) end = `It ended with ${signal ?? `exit code ${code}`}.`;
      resolve(end === '' ? '' : `${output.trimEnd()}\n${end}`.trimStart());
    });
  });
}

function kill(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It is over already.
  }
}

function cleanUp() {
  for (const child of children) kill(child);
  rmSync(temporary, { recursive: true, force: true });
}
