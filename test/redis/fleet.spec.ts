import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { FleetGroup } from '../../lib/fleet/fleet-group.js';
import { RedisEngine } from '../../lib/redis/redis-engine.js';
import { chaosEngine } from '../../lib/testing/chaos-engine.js';
import { deferred } from '../support/deferred.js';
import { startRedisServer } from '../support/redis-server.js';
import { ioredis, nodeRedis, type Open, type Opened } from './support/clients.js';
import { until, type Deployment } from './support/servers.js';

/** The same numbers again and again. */
function repeatable(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

describe.each<[string, Open]>([
  ['ioredis', ioredis],
  ['node-redis', nodeRedis],
])('A fleet on Redis, by %s', (_, open) => {
  let deployment: Deployment;
  let data: Redis;
  beforeAll(async () => {
    const server = await startRedisServer(() => []);
    deployment = { ports: [server.port], stop: () => server.stop() };
    data = new Redis(server.port);
  });
  afterAll(async () => {
    data.disconnect();
    await deployment.stop();
  });

  /** `count` processes with a client each, while `act` runs. */
  async function withGroups(
    count: number,
    around: (engine: RedisEngine, index: number) => ConstructorParameters<typeof FleetGroup>[0]['engine'],
    act: (groups: FleetGroup[]) => Promise<void>,
  ): Promise<void> {
    const opened: Opened[] = await Promise.all(Array.from({ length: count }, () => open(deployment)));
    const groups = opened.map(({ client }, index) => {
      const engine = around(new RedisEngine({ client }), index);
      return new FleetGroup({ app: 'shop', fleet: 'product', engine, leaseMs: 1_500, detectDeadlocks: false });
    });
    try {
      await Promise.all(groups.map((group) => group.start().catch(() => undefined)));
      await act(groups);
    } finally {
      for (const group of groups) await group.close({ graceMs: 0 });
      for (const one of opened) await one.close();
    }
  }

  it('one execution for 4 processes with 100 callers each', () =>
    withGroups(
      4,
      (engine) => engine,
      async (groups) => {
        for (let round = 0; round < 10; round++) {
          const gate = deferred<string>();
          let runs = 0;
          const load = () => {
            runs++;
            return gate.promise;
          };
          const key = `key ${round}`;
          const calls = groups.flatMap((group) => Array.from({ length: 100 }, () => group.run(key, load)));
          await until('3 followers', async () => {
            const [waiters = ''] = await data.keys('*:waiters');
            return waiters !== '' && (await data.scard(waiters)) === 3 ? true : undefined;
          });
          gate.resolve(`a lamp ${round}`);
          expect(new Set(await Promise.all(calls))).toEqual(new Set([`a lamp ${round}`]));
          expect(runs).toBe(1);
        }
      },
    ));

  it('subscriptions and connections killed in the middle of a flight cost no execution', () =>
    withGroups(
      4,
      (engine) => engine,
      async (groups) => {
        const gate = deferred<string>();
        let runs = 0;
        const calls = groups.map((group) => group.run('killed', () => (runs++, gate.promise)));
        await until('3 followers', async () => {
          const [waiters = ''] = await data.keys('*:waiters');
          return waiters !== '' && (await data.scard(waiters)) === 3 ? true : undefined;
        });
        await data.call('client', 'kill', 'type', 'pubsub');
        await data.call('client', 'kill', 'type', 'normal', 'skipme', 'yes');
        gate.resolve('a lamp');
        expect(await Promise.all(calls)).toEqual(Array(4).fill('a lamp'));
        expect(runs).toBe(1);
      },
    ));

  it.each([1, 2, 3])('with every fault at random everybody settles, with what some flight made (seed %i)', (seed) =>
    withGroups(
      4,
      (engine, index) =>
        chaosEngine(engine, {
          ...{ random: repeatable(seed * 100 + index), drop: 0.3, delay: 0.3, delayMs: 20, repeat: 0.3 },
          ...{ refuse: 0.1, lose: 0.05 },
        }),
      async (groups) => {
        const calls = Array.from({ length: 40 }, (_one, round) =>
          groups.flatMap((group) =>
            Array.from({ length: 5 }, () => group.run(`chaos ${seed} ${round}`, async () => `lamp ${round}`)),
          ),
        );
        for (const [round, same] of calls.entries()) {
          expect(new Set(await Promise.all(same))).toEqual(new Set([`lamp ${round}`]));
        }
      },
    ),
  );
});
