import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { EngineUnavailableError } from '../../lib/fleet/errors.js';
import { RedisEngine } from '../../lib/redis/redis-engine.js';
import { aclRules } from '../../lib/redis/server-check.js';
import { startRedisServer, type RedisServer } from '../support/redis-server.js';
import type { Opened } from './support/clients.js';
import { flightId, FleetProcess } from './support/process.js';

const ignore = (): void => undefined;
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

const clients: [string, (username: string) => Promise<Opened>][] = [
  [
    'ioredis',
    async (username) => {
      const client = new Redis(server.port, { username, password: 'pass', retryStrategy: null });
      client.on('error', ignore);
      return { client, close: () => client.disconnect() };
    },
  ],
  [
    'node-redis',
    async (username) => {
      const client = createClient({ socket: { port: server.port }, username, password: 'pass' });
      client.on('error', ignore);
      await client.connect();
      return { client, close: () => client.destroy() };
    },
  ],
];

describe.each(clients)('A user of its own, by %s', (library, open) => {
  /** A process whose user has these rules, and not those. */
  async function processWith(rules: string, without = ''): Promise<FleetProcess> {
    const user = `user-${library}-${without.replaceAll(/\W/g, '')}`;
    const left = rules.split(' ').filter((rule) => rule !== without);
    await admin.call('acl', 'setuser', user, 'reset', 'on', '>pass', ...left);
    const opened = await open(user);
    return new FleetProcess(new RedisEngine({ client: opened.client, prefix: 'flights' }), opened);
  }

  it('needs no more than the rules that the docs tell', async () => {
    const [leader, follower] = [await processWith(aclRules('flights')), await processWith(aclRules('flights'))];
    await leader.engine.start(leader);
    await follower.engine.start(follower);
    const flight = flightId();
    const fence = await leader.lead(flight);
    await follower.join(flight);
    await leader.engine.forget({ flight });
    await leader.complete(flight, fence, new Uint8Array(10_000));
    await follower.told('settled', flight);
    await leader.engine.abandon({ flight, token: leader.token, fence });
    expect(leader.engine.strayMessages).toBe(0);
    await leader.end();
    await follower.end();
  });

  it.each([
    ...['get', 'set', 'del', 'exists', 'incr', 'pexpire', 'pttl', 'time', 'publish', 'subscribe'],
    ...['sadd', 'srem', 'smembers', 'hset', 'hget', 'hmget', 'hdel', 'evalsha'],
  ])('is told that it lacks +%s', async (command) => {
    const process = await processWith(aclRules('flights'), `+${command}`);
    const started = process.engine.start(process);
    await expect(started).rejects.toBeInstanceOf(EngineUnavailableError);
    await expect(started).rejects.toThrow(new RegExp(`ACL of its user .*\\+${command}\\b`));
    expect(process.engine.available).toBe(false);
    await process.end();
  });

  it('is told that it lacks its keys', async () => {
    const process = await processWith(aclRules('flights'), '~flights:*');
    await expect(process.engine.start(process)).rejects.toThrow(/ACL of its user .*~flights:\*/);
    await process.end();
  });

  it('is told that it lacks its channels', async () => {
    const process = await processWith(aclRules('flights'), '&flights:*');
    await expect(process.engine.start(process)).rejects.toThrow(/ACL of its user .*&flights:\*/);
    await process.end();
  });
});

describe('The check at the start', () => {
  it('hears of a refused subscription that comes before the connection is ready, and starts once it is granted', async () => {
    const user = 'user-without-channels';
    const rules = aclRules('flights');
    await admin.call(
      'acl',
      'setuser',
      user,
      'reset',
      'on',
      '>pass',
      ...rules.split(' ').filter((r) => !r.startsWith('&')),
    );
    const [client, subscriber] = [0, 1].map(
      () => new Redis(server.port, { username: user, password: 'pass', lazyConnect: true }),
    ) as [Redis, Redis];
    await subscriber.connect();
    const connect = client.connect.bind(client);
    jest.spyOn(client, 'connect').mockImplementation(async () => {
      // Answers come in order: with this one the engine's own is there too.
      await subscriber.subscribe('flights:another').catch(ignore);
      await connect();
    });
    const engine = new RedisEngine({ client, subscriber, prefix: 'flights' });
    const sink = { settled: ignore, abandoned: ignore, forgotten: ignore, resync: ignore };
    try {
      await expect(engine.start(sink)).rejects.toThrow(/ACL of its user .*&flights:\*/);
      await admin.call('acl', 'setuser', user, ...rules.split(' '));
      await engine.start(sink);
      expect(engine.available).toBe(true);
    } finally {
      await engine.stop();
      client.disconnect();
      subscriber.disconnect();
    }
  });

  it('warns of a server that evicts', async () => {
    await admin.config('SET', 'maxmemory', '1gb', 'maxmemory-policy', 'allkeys-lru');
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(ignore);
    const client = new Redis(server.port);
    const engine = new RedisEngine({ client });
    const sink = { settled: ignore, abandoned: ignore, forgotten: ignore, resync: ignore };
    await engine.start(sink);
    expect(String(warned.mock.calls[0]?.[0])).toMatch(/maxmemory-policy allkeys-lru.*noeviction/);
    warned.mockRestore();
    await engine.stop();
    client.disconnect();
    await admin.config('SET', 'maxmemory', '0', 'maxmemory-policy', 'noeviction');
  });

  it('refuses a server that is not there, and can be started again', async () => {
    const client = new Redis({ port: 1, lazyConnect: true, retryStrategy: null });
    client.on('error', ignore);
    const engine = new RedisEngine({ client });
    const sink = { settled: ignore, abandoned: ignore, forgotten: ignore, resync: ignore };
    await expect(engine.start(sink)).rejects.toBeInstanceOf(EngineUnavailableError);
    await expect(engine.start(sink)).rejects.toBeInstanceOf(EngineUnavailableError);
    await engine.stop();
    client.disconnect();
  });
});
