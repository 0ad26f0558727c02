import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PROJECT = join(import.meta.dirname, '..', '..', '..');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The compiled sample app as a process of its own, as `npm start` runs it. */
export class SampleProcess {
  private stdout = '';
  private stderr = '';
  private over = false;
  private readonly child;
  private readonly closed;

  constructor(args: readonly string[], environment: NodeJS.ProcessEnv = {}, program = 'main.js') {
    this.child = spawn(process.execPath, [`dist/app/sample-app/src/${program}`, ...args], {
      cwd: PROJECT,
      env: { ...process.env, DATABASE_URL: undefined, REDIS_URL: undefined, PORT: undefined, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.closed = once(this.child, 'close').then(() => (this.over = true));
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
  }

  /** The first match in what it prints; fails when it ends without. */
  async prints(expected: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = expected.exec(this.stdout);
      if (found) return found;
      if (this.over) {
        throw new Error(`The sample app ended without printing ${String(expected)}:\n${this.stdout}${this.stderr}`);
      }
      await Promise.race([once(this.child.stdout, 'data'), this.closed]);
    }
  }

  async ends(): Promise<Ended> {
    await this.closed;
    return { code: this.child.exitCode, stdout: this.stdout, stderr: this.stderr };
  }

  async interrupt(signal: NodeJS.Signals = 'SIGINT'): Promise<Ended> {
    this.child.kill(signal);
    return this.ends();
  }
}

export async function buildApp(): Promise<void> {
  const build = spawn(process.execPath, ['node_modules/@nestjs/cli/bin/nest.js', 'build'], {
    cwd: PROJECT,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [code] = (await once(build, 'close')) as [number | null];
  if (code !== 0) throw new Error(`nest build ended with ${String(code)}`);
}

/** A data folder that the user who runs PostgreSQL can enter. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sample-app-'));
  await chmod(folder, 0o755);
  return folder;
}

/** The process id and port of the server that runs in this data folder, if any. */
export function serverIn(folder: string): { pid: number; port: number } | undefined {
  const file = join(folder, 'postgres', 'postmaster.pid');
  if (!existsSync(file)) return undefined;
  const [pid, , , port] = readFileSync(file, 'utf8').split('\n');
  return { pid: Number(pid), port: Number(port) };
}

export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The queries that the table shows, by route. */
export function queriesIn(stdout: string): Record<string, number> {
  const rows = stdout.matchAll(/│ (without|with|intercepted) +│ +(\d+) │/g);
  return Object.fromEntries([...rows].map(([, route = '', queries]) => [route, Number(queries)] as const));
}
