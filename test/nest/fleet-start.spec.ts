import { afterEach, describe, expect, it } from '@jest/globals';
import { SingleFlightModule, SingleFlightService } from 'nestjs-singleflight';
import { RedisEngine } from 'nestjs-singleflight/redis';
import { Redis } from 'ioredis';
import { MemoryEngine, MemoryHub } from 'nestjs-singleflight/fleet';
import { until } from '../redis/support/servers.js';
import { freePort, startRedisServer, type RedisServer } from '../support/redis-server.js';
import { closeApps, startApp, type StartedApp } from './support/apps.js';

/** Counts how often it has not started. */
class Counting extends RedisEngine {
  failures = 0;
  override async start(...sink: Parameters<RedisEngine['start']>): Promise<void> {
    try {
      await super.start(...sink);
    } catch (error) {
      this.failures++;
      throw error;
    }
  }
}

describe('An app that starts while Redis cannot be reached', () => {
  let server: RedisServer | undefined;
  let client: Redis | undefined;

  afterEach(async () => {
    await closeApps();
    client?.disconnect();
    await server?.stop();
  });

  it('says so in one line, and is up again without a call, said in another', async () => {
    const port = await freePort();
    client = new Redis(port, { retryStrategy: () => 50 });
    client.on('error', () => undefined);
    const engine = new Counting({ client });
    const { app, logger }: StartedApp = await startApp({
      imports: [SingleFlightModule.forRoot({ fleet: { app: 'shop', engine } })],
    });
    const health = (): unknown => app.get(SingleFlightService).fleetHealth();
    expect(health()).toMatchObject({ engine: 'redis', up: false });
    expect(logger.errors).toEqual([expect.stringMatching(/^The fleet has not started/)]);
    await until('the end of the first start', () => (engine.failures > 0 ? true : undefined));
    server = await startRedisServer(() => [], port);
    await until('the engine', () => ((health() as { up: boolean }).up ? true : undefined));
    expect(health()).toEqual({ engine: 'redis', up: true });
    const lines = [...logger.warnings, ...logger.logged].filter((line) => line.includes('The engine'));
    expect(lines).toEqual(["The engine 'redis' is back, and flights are shared by the fleet again."]);
  }, 30_000);

  it('leaves the engine alone once it was refused a start without it', async () => {
    const stopped: string[] = [];
    class Refusing extends MemoryEngine {
      override start(): Promise<void> {
        return Promise.reject(new Error('connection refused'));
      }
      override stop(): Promise<void> {
        stopped.push(this.name);
        return super.stop();
      }
    }
    const engine = new Refusing(new MemoryHub());
    const strict = { app: 'shop', engine, whenDown: 'fail' } as const;
    await expect(startApp({ imports: [SingleFlightModule.forRoot({ fleet: strict })] })).rejects.toThrow();
    expect(stopped).toEqual(['memory']);
  });
});
