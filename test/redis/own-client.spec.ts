import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Module, type NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Redis } from 'ioredis';
import { SingleFlightModule } from 'nestjs-singleflight';
import { createClient } from 'redis';
import { InvalidOptionError } from '../../lib/core/errors.js';
import { EngineUnavailableError } from '../../lib/fleet/errors.js';
import type { RedisClient } from '../../lib/redis/options.js';
import { RedisEngine } from '../../lib/redis/redis-engine.js';
import { startRedisServer, type RedisServer } from '../support/redis-server.js';
import { until } from './support/servers.js';

const ignore = (): void => undefined;
const sink = { settled: ignore, abandoned: ignore, forgotten: ignore, resync: ignore };
let server: RedisServer;
let admin: Redis;
beforeAll(async () => {
  server = await startRedisServer(() => []);
  admin = new Redis(server.port);
});
afterAll(async () => {
  admin.disconnect();
  await server.stop();
});

/** How many connections the server has, but for the test's own. */
async function connections(): Promise<number> {
  return (
    String(await admin.client('LIST'))
      .trim()
      .split('\n').length - 1
  );
}

async function untilConnections(count: number): Promise<void> {
  let found = -1;
  await until(`${count} connections`, () => {
    void connections().then((now) => (found = now));
    return found === count ? true : undefined;
  });
}

const SILENT: Pick<NestApplicationOptions, 'logger'> = { logger: false };

@Module({})
class App {}

describe.each<[string, (port: number) => RedisClient]>([
  ['ioredis', (port) => new Redis(port, { retryStrategy: () => 20 })],
  ['node-redis', (port) => createClient({ socket: { host: '127.0.0.1', port, reconnectStrategy: 20 } })],
])('A client of the engine’s own, by %s', (_library, make) => {
  it('is made when the engine starts, closed when it stops, and made again', async () => {
    const engine = new RedisEngine({ client: () => make(server.port) });
    expect([engine.available, await connections()]).toEqual([false, 0]);
    for (let time = 0; time < 2; time++) {
      await engine.start(sink);
      expect([engine.available, await connections()]).toEqual([true, 2]);
      await engine.stop();
      expect(engine.available).toBe(false);
      await untilConnections(0);
    }
  });

  it('keeps its errors to itself, and is closed where nobody answered', async () => {
    const engine = new RedisEngine({ client: () => make(1) });
    await expect(engine.start(sink)).rejects.toBeInstanceOf(EngineUnavailableError);
    await engine.stop();
  });

  it('ends with its app', async () => {
    const engine = new RedisEngine({ client: () => make(server.port) });
    const imports = [SingleFlightModule.forRoot({ fleet: { app: 'shop', engine } })];
    const app = await NestFactory.createApplicationContext({ module: App, imports }, SILENT);
    expect(engine.available).toBe(true);
    await app.close();
    await untilConnections(0);
  });
});

it('A function that makes no client is told so', async () => {
  const engine = new RedisEngine({ client: (() => ({ url: 'redis://' })) as never });
  await expect(engine.start(sink)).rejects.toBeInstanceOf(InvalidOptionError);
  await expect(engine.start(sink)).rejects.toThrow('`client` is an object of Object');
});
