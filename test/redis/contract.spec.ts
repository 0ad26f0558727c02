import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { RedisEngine } from '../../lib/redis/redis-engine.js';
import type { RedisEngineOptions } from '../../lib/redis/options.js';
import { chaosEngine, type ChaosOptions } from '../../lib/testing/chaos-engine.js';
import { engineContract } from '../../lib/testing/contract/engine-contract.js';
import { startRedisServer } from '../support/redis-server.js';
import {
  ioredis,
  ioredis5,
  ioredisCluster,
  ioredisSentinel,
  nodeRedis,
  nodeRedis5,
  nodeRedisCluster,
  nodeRedisSentinel,
  type Open,
  type Opened,
} from './support/clients.js';
import { startCluster, startSentinel, type Deployment } from './support/servers.js';

const secret = 'a secret of this fleet';
const [keyPrefix, prefix] = ['shop:', 'flights'];

const single = async (): Promise<Deployment> => {
  const server = await startRedisServer(() => []);
  return { ports: [server.port], stop: () => server.stop() };
};

interface Row {
  readonly start: () => Promise<Deployment>;
  readonly open: Open;
  readonly keyPrefix?: string;
  readonly options?: Partial<RedisEngineOptions>;
  /** What calls and pushes suffer that the contract has to survive. */
  readonly chaos?: ChaosOptions;
}

const twice: ChaosOptions = { repeat: 1, delay: 0.5, delayMs: 5 };

const rows: [string, Row][] = [
  ['ioredis, everything twice', { start: single, open: ioredis, chaos: twice }],
  ['node-redis, everything twice', { start: single, open: nodeRedis, chaos: twice }],
  ['an ioredis Cluster, everything twice', { start: startCluster, open: ioredisCluster, chaos: twice }],
  ['a node-redis cluster, everything twice', { start: startCluster, open: nodeRedisCluster, chaos: twice }],
  ['ioredis', { start: single, open: ioredis }],
  ['ioredis with keyPrefix and secret', { start: single, open: ioredis, keyPrefix, options: { secret, prefix } }],
  ['node-redis', { start: single, open: nodeRedis }],
  ['node-redis with keyPrefix and secret', { start: single, open: nodeRedis, keyPrefix, options: { secret, prefix } }],
  ['ioredis 5 with keyPrefix and secret', { start: single, open: ioredis5, keyPrefix, options: { secret } }],
  ['redis 5 with secret', { start: single, open: nodeRedis5, options: { secret } }],
  ['an ioredis Cluster', { start: startCluster, open: ioredisCluster }],
  [
    'an ioredis Cluster with keyPrefix and secret',
    { start: startCluster, open: ioredisCluster, keyPrefix, options: { secret } },
  ],
  ['a node-redis cluster', { start: startCluster, open: nodeRedisCluster }],
  [
    'a node-redis cluster with keyPrefix and secret',
    { start: startCluster, open: nodeRedisCluster, keyPrefix, options: { secret } },
  ],
  ['ioredis by Sentinel', { start: startSentinel, open: ioredisSentinel }],
  [
    'ioredis by Sentinel with keyPrefix and secret',
    { start: startSentinel, open: ioredisSentinel, keyPrefix, options: { secret } },
  ],
  ['node-redis by Sentinel', { start: startSentinel, open: nodeRedisSentinel, options: { secret } }],
];

describe.each(rows)('The Redis engine keeps the contract: %s', (_, { start, open, options, ...row }) => {
  let deployment: Deployment;
  let data: Redis[];
  beforeAll(async () => {
    deployment = await start();
    const servers = deployment.ports.slice(start === startSentinel ? 1 : 0, start === startSentinel ? 2 : undefined);
    data = servers.map((port) => new Redis(port));
  }, 60_000);
  afterAll(async () => {
    for (const client of data) client.disconnect();
    await deployment.stop();
  }, 60_000);

  const make = () => {
    const opened: Opened[] = [];
    return {
      engine: async () => {
        const one = await open(deployment, row.keyPrefix);
        opened.push(one);
        // A small limit, so that results above it travel as pointers.
        const limits = { inlineBytes: 512, maxPayloadBytes: 65_536 };
        return chaosEngine(new RedisEngine({ client: one.client, ...limits, ...options }), row.chaos);
      },
      loseData: async () => {
        for (const client of data) await client.flushall();
      },
      close: async () => {
        for (const one of opened) await one.close();
      },
    };
  };

  // Who reclaims a flight twice holds it the second time: that is the answer that the repetition comes back with.
  const cases = engineContract({ make, losesData: true, leaseMs: 150 }).filter(
    ({ title }) => row.chaos === undefined || !title.includes('reclaim'),
  );
  it('has a case for every rule', () => {
    expect(cases.length).toBeGreaterThanOrEqual(60);
  });
  for (const { title, run } of cases) it(title, run);
});
