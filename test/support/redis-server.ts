import type { ChildProcessByStdio } from 'node:child_process';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { connect, createServer, Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/**
 * A real Redis or Valkey: the one at `REDIS_URL` (it is shared, so prefix the keys and clean up; `stop()` leaves it
 * alone), otherwise one of our own, empty, on a free port of 127.0.0.1. With options of its own it is always that.
 */
export async function startRedisServer(
  options?: (port: number) => readonly string[],
  at?: number,
): Promise<RedisServer> {
  const given = process.env.REDIS_URL;
  if (given !== undefined && given !== '' && options === undefined) {
    return { url: given, port: Number(new URL(given).port || 6379), stop: () => Promise.resolve() };
  }
  const program = findProgram() ?? (await installProgram());
  return startProgram(program, options, at);
}

const PROGRAMS = ['redis-server', 'valkey-server'];

function findProgram(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return PROGRAMS.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path));
}

async function installProgram(): Promise<string> {
  const mayInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  if (!mayInstall) throw new Error(HOW_TO_GET_ONE);
  // apt-get's update does not wait for another one, so of two Jest workers that come here the second waits for the first.
  const unlock = await lock(join(tmpdir(), 'nestjs-singleflight-install-redis'));
  try {
    if (findProgram() === undefined) {
      await aptGet('update');
      await aptGet('install', '--yes', '--no-install-recommends', 'redis-server');
    }
  } catch (error) {
    throw new Error(HOW_TO_GET_ONE, { cause: error });
  } finally {
    await unlock();
  }
  const program = findProgram();
  if (program === undefined) throw new Error(HOW_TO_GET_ONE);
  return program;
}

/** A folder can be made once: whoever makes it holds the lock. One of a run that was killed is broken after two minutes. */
async function lock(folder: string): Promise<() => Promise<void>> {
  for (;;) {
    try {
      await mkdir(folder);
      return () => rm(folder, { recursive: true, force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const age = await stat(folder).then(
        ({ mtimeMs }) => Date.now() - mtimeMs,
        () => 0,
      );
      if (age > 120_000) await rm(folder, { recursive: true, force: true });
      await setTimeout(100);
    }
  }
}

const HOW_TO_GET_ONE = `This test needs a Redis server. One of these gives it one:
- install redis-server or valkey-server with your package manager, so that it is on the PATH;
- set REDIS_URL to a server that is running, such as redis://127.0.0.1:6379;
- run the tests as root on Debian or Ubuntu, and they install the package redis-server themselves.`;

function aptGet(...args: string[]): Promise<unknown> {
  const waiting = ['-o', 'DPkg::Lock::Timeout=120'];
  // RUNLEVEL=1 keeps the package from starting a server of the system.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  return promisify(execFile)('apt-get', [...waiting, ...args], { env });
}

/** Ends its server when its input closes: on stop(), and when the process of the tests is gone, however it went. */
const GUARD = 'exec 3<&0; "$@" 3<&- & server=$!; (read -r _ <&3; kill -9 $server) & wait $server';

async function startProgram(
  program: string,
  options: (port: number) => readonly string[] = () => [],
  at?: number,
  attempts = 3,
): Promise<RedisServer> {
  const port = at ?? (await freePort());
  // Writes no file; the name keeps it from reading somebody else's.
  const files = ['--save', '', '--appendonly', 'no', '--dir', tmpdir(), '--dbfilename', `none-${port}.rdb`];
  const command = [program, '--port', String(port), '--bind', '127.0.0.1', ...files, ...options(port)];
  const guard = spawn('/bin/sh', ['-c', GUARD, 'sh', ...command], { stdio: ['pipe', 'pipe', 'ignore'] });
  const exited = once(guard, 'exit');

  const stop = async (): Promise<void> => {
    guard.stdin.end();
    await exited;
  };
  const failure = await readiness(guard, port);
  // A test that ends without stop() does not wait for its server.
  guard.unref();
  for (const pipe of [guard.stdin, guard.stdout]) if (pipe instanceof Socket) pipe.unref();
  if (failure === undefined) return { url: `redis://127.0.0.1:${port}`, port, stop };
  await stop();
  // Somebody took the port between our look and the server's.
  if (attempts > 1 && failure.includes('Address already in use'))
    return startProgram(program, options, at, attempts - 1);
  throw new Error(`${program} did not start: ${failure}`);
}

/** Undefined once the server answers PING; otherwise what it said before it gave up. */
async function readiness(
  server: ChildProcessByStdio<Writable, Readable, null>,
  port: number,
): Promise<string | undefined> {
  let log = '';
  const accepting = await new Promise<boolean>((resolve) => {
    server.stdout.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      if (log.includes('Ready to accept connections')) resolve(true);
    });
    server.once('error', (error) => {
      log += error.message;
      resolve(false);
    });
    server.once('exit', () => {
      resolve(false);
    });
  });
  server.stdout.removeAllListeners('data').resume();
  return accepting && (await ping(port)) ? undefined : log;
}

async function ping(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    socket.write('PING\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    return answer.toString().startsWith('+PONG');
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
