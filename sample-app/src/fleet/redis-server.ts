import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { reasonOf } from '../reason.js';
import { StartupError } from '../startup-error.js';

const PROGRAMS = ['redis-server', 'valkey-server'];
const START_TIMEOUT_MS = 5_000;

/** The Redis that the processes have in common: the one at `REDIS_URL`, or one that is started and stopped here. */
export class FleetRedis {
  private constructor(
    readonly url: string,
    readonly close: () => Promise<void>,
  ) {}

  static async open(url: string | undefined): Promise<FleetRedis> {
    if (url !== undefined) return new FleetRedis(url, () => Promise.resolve());
    for (const program of PROGRAMS) {
      const started = await start(program);
      if (started !== undefined) return new FleetRedis(started.url, started.stop);
    }
    throw new StartupError(
      `There is no ${PROGRAMS.join(' or ')} on the PATH. Install one (on Debian: apt-get install redis-server), or set REDIS_URL.`,
    );
  }
}

/** Undefined where there is no such program. */
async function start(program: string): Promise<{ url: string; stop: () => Promise<void> } | undefined> {
  const port = await freePort();
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const server = spawn(program, [...options, '--dir', tmpdir()], { stdio: 'ignore' });
  const gone = once(server, 'close').catch((error: unknown) => error);
  const missing = await Promise.race([once(server, 'spawn').then(() => false), gone.then(() => true)]).catch(
    () => true,
  );
  if (missing) return undefined;
  const stop = async (): Promise<void> => {
    server.kill();
    await gone;
  };
  const url = `redis://127.0.0.1:${port}`;
  try {
    await answering(url);
  } catch (error) {
    await stop();
    throw new StartupError(`${program} was started and does not answer: ${reasonOf(error)}.`);
  }
  return { url, stop };
}

async function answering(url: string): Promise<void> {
  const until = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.ping();
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
      await setTimeout(20);
    } finally {
      client.disconnect();
    }
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
