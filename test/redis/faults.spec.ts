import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { EngineTimeoutError, EngineUnavailableError } from '../../lib/fleet/errors.js';
import { ABANDON, JOIN, RENEW } from '../../lib/redis/scripts.js';
import { startRedisServer } from '../support/redis-server.js';
import { ioredis, ioredisCluster, nodeRedis, nodeRedisCluster, type Open } from './support/clients.js';
import { flightId, fleetOf } from './support/process.js';
import { startCluster, until, type Deployment } from './support/servers.js';

const clients: [string, Open][] = [
  ['ioredis', ioredis],
  ['node-redis', nodeRedis],
];

describe.each(clients)('When Redis or the network misbehaves, by %s', (_, open) => {
  const fleet = fleetOf(open);
  let deployment: Deployment;
  let data: Redis;
  beforeEach(async () => {
    const server = await startRedisServer(() => []);
    deployment = { ports: [server.port], stop: () => server.stop() };
    data = new Redis(server.port, { retryStrategy: null });
    data.on('error', () => undefined);
  });
  afterEach(async () => {
    await fleet.end();
    data.disconnect();
    await deployment.stop();
  });

  it('SCRIPT FLUSH in the middle of a flight goes unnoticed', async () => {
    const [leader, follower] = [await fleet.start(deployment), await fleet.start(deployment)];
    const flight = flightId();
    const fence = await leader.lead(flight);
    await data.script('FLUSH');
    await follower.join(flight);
    await data.script('FLUSH');
    expect(await leader.complete(flight, fence, 'a lamp')).toBe('published');
    expect((await follower.told('settled', flight)).payload).toBe('a lamp');
  });

  it('a killed subscription comes back, and the fleet is told to ask for everything', async () => {
    const [leader, follower] = [await fleet.start(deployment), await fleet.start(deployment)];
    const flight = flightId();
    const fence = await leader.lead(flight);
    await follower.join(flight);
    expect(follower.resyncs).toBe(0);
    await data.call('client', 'kill', 'type', 'pubsub');
    await until('a resync', () => (follower.resyncs > 0 && leader.resyncs > 0 ? true : undefined));
    expect(await leader.complete(flight, fence, 'a lamp')).toBe('published');
    expect((await follower.told('settled', flight)).payload).toBe('a lamp');
  });

  it('with the server gone it refuses at once, queues nothing, and is there again after a restart', async () => {
    const process = await fleet.start(deployment);
    const port = deployment.ports[0]!;
    expect(process.engine.available).toBe(true);
    await deployment.stop();
    await until('the loss', () => (process.engine.available ? undefined : true));
    await expect(process.join('gone')).rejects.toBeInstanceOf(EngineUnavailableError);
    await expect(process.engine.forget({ flight: 'gone' })).rejects.toBeInstanceOf(EngineUnavailableError);
    expect(await process.engine.abandon({ flight: 'gone', token: 'token' })).toBe('abandoned');
    const again = await startRedisServer(() => [], port);
    deployment = { ports: [port], stop: () => again.stop() };
    await until('the server again', () => (process.engine.available && process.resyncs > 0 ? true : undefined));
    const monitor = new Redis(port);
    expect(await monitor.keys('*')).toEqual([]);
    monitor.disconnect();
    const flight = flightId();
    expect(await process.complete(flight, await process.lead(flight), 'a lamp')).toBe('published');
  });

  it('a hung server: the outcome is unknown, and a lead that comes late is given back', async () => {
    const [process, other] = [await fleet.start(deployment), await fleet.start(deployment)];
    const flight = flightId();
    for (const { lua } of [JOIN, RENEW, ABANDON]) await data.script('LOAD', lua);
    await data.call('client', 'pause', '500', 'all');
    await expect(process.join(flight, {}, AbortSignal.timeout(50))).rejects.toBeInstanceOf(EngineTimeoutError);
    // What is answered on the same connection is answered after it.
    const ping = { flight: flightId(), token: 'none', fence: 1n, leaseMs: 1_000, insideLease: false };
    expect(await process.engine.renew(ping, AbortSignal.timeout(5_000))).toBe('lost');
    const next = await until('the lead given back', async () => {
      const joined = await other.join(flight);
      if (joined.role === 'follower') await other.engine.abandon({ flight, token: other.token, fence: joined.fence });
      return joined.role === 'leader' ? joined.fence : undefined;
    });
    expect(next).toBeGreaterThan(0n);
  });

  it('a lead that comes late stays, when the same token has asked again', async () => {
    const process = await fleet.start(deployment);
    const flight = flightId();
    await data.call('client', 'pause', '300', 'all');
    await expect(process.join(flight, {}, AbortSignal.timeout(50))).rejects.toBeInstanceOf(EngineTimeoutError);
    const fence = await process.lead(flight);
    const renewed = await process.engine.renew(
      { flight, token: process.token, fence, leaseMs: 1_000, insideLease: false },
      AbortSignal.timeout(5_000),
    );
    expect(renewed).toBe('held');
  });

  it('out of memory it says so', async () => {
    const process = await fleet.start(deployment);
    await data.config('SET', 'maxmemory', '1');
    const refused = process.join(flightId());
    await expect(refused).rejects.toBeInstanceOf(EngineUnavailableError);
    await expect(refused).rejects.toThrow(/Redis is out of memory, `maxmemory`/);
    await data.config('SET', 'maxmemory', '0');
  });

  it('on a replica it says so', async () => {
    const process = await fleet.start(deployment);
    await data.replicaof('127.0.0.1', 1);
    await expect(process.join(flightId())).rejects.toThrow(/connected to a replica|lost its master/);
  });

  it('forged, cut off and doubled messages change nothing that they may not', async () => {
    const secret = 'a secret of this fleet';
    const [leader, follower] = [
      await fleet.start(deployment, { secret, prefix: 'sealed' }),
      await fleet.start(deployment, { secret, prefix: 'sealed' }),
    ];
    const flight = flightId();
    const listener = new Redis(deployment.ports[0]!);
    const heard: Buffer[] = [];
    listener.on('pmessageBuffer', (_pattern: string, _channel: Buffer, message: Buffer) => heard.push(message));
    await listener.psubscribe('sealed:inbox:*');
    const fence = await leader.lead(flight);
    await follower.join(flight);
    const [, name = ''] = /\{([\w-]+)\}:owner/.exec((await data.keys('*:owner'))[0]!)!;
    const inboxes = (await data.pubsub('CHANNELS', 'sealed:inbox:*')) as string[];
    const forged = [
      ...['', 's', 'x', '\u0000\u0001', `s${name}`, `s${name}|${fence}`, `s${name}|${fence}|`, `s${name}|0||gold`],
      ...[`s${name}|${fence}||gold`, `s${name}|${fence}|${'A'.repeat(22)}|gold`, `s${name}|${'9'.repeat(17)}||gold`],
      ...[`a${name}|${fence}||`, `f${name}|${fence}||`, `a${name}|${fence}|${'A'.repeat(22)}|t`, `s../../x|1||gold`],
      ...[`p${name}|${fence}||more`, `s${'x'.repeat(100_000)}|1||`, `s${name}|-1||gold`, `s${name}|1e3||gold`],
    ];
    for (const message of forged) for (const inbox of inboxes) await data.publish(inbox, message);
    // It leads nowhere: what is fetched has no seal, or is not there.
    for (const inbox of inboxes) await data.publish(inbox, `p${name}|${fence}||`);
    await until('all of them', () => (follower.engine.strayMessages >= forged.length ? true : undefined));
    expect(follower.pushes).toEqual([]);
    expect(leader.pushes).toEqual([]);
    await leader.complete(flight, fence, 'a lamp');
    expect((await follower.told('settled', flight)).payload).toBe('a lamp');
    const real = heard.at(-1)!;
    for (const inbox of inboxes) await data.publish(inbox, real);
    const cut = Buffer.concat([real.subarray(0, -1)]);
    const stray = follower.engine.strayMessages;
    for (const inbox of inboxes) await data.publish(inbox, cut);
    await until('the one that is cut off', () => (follower.engine.strayMessages > stray ? true : undefined));
    expect(follower.pushes.filter(({ payload }) => payload !== 'a lamp')).toEqual([]);
    expect(follower.engine.strayMessages).toBe(forged.length + 1);
    listener.disconnect();
  });

  it('a result in Redis without the seal is taken by nobody', async () => {
    const secret = 'a secret of this fleet';
    const [leader, follower] = [await fleet.start(deployment, { secret }), await fleet.start(deployment, { secret })];
    const flight = flightId();
    const fence = await leader.lead(flight);
    await leader.complete(flight, fence, 'a lamp');
    const [key = ''] = await data.keys('*:result:*');
    await data.hset(key, 'p', 'gold');
    await expect(follower.join(flight, { since: fence, take: false })).rejects.toThrow(/no seal of this secret/);
  });

  it('stopped, it tells nothing and leaves the connection to whom it belongs to', async () => {
    const process = await fleet.start(deployment);
    await process.engine.stop();
    expect(process.engine.available).toBe(false);
    await expect(process.join(flightId())).rejects.toBeInstanceOf(EngineUnavailableError);
    await until('the end of its own connection', async () => {
      const list = (await data.client('LIST', 'TYPE', 'PUBSUB')) as string;
      return list.trim() === '' ? true : undefined;
    });
    await process.engine.start(process);
    const flight = flightId();
    expect(await process.lead(flight)).toBeGreaterThan(0n);
  });
});

describe.each<[string, Open]>([
  ['ioredis', ioredisCluster],
  ['node-redis', nodeRedisCluster],
])('When a cluster misbehaves, by %s', (_, open) => {
  it('a subscription moves to another node, and the fleet is told', async () => {
    const fleet = fleetOf(open);
    const deployment = await startCluster();
    try {
      const [leader, follower] = [await fleet.start(deployment), await fleet.start(deployment)];
      const flight = flightId();
      const fence = await leader.lead(flight);
      await follower.join(flight);
      for (const port of deployment.ports) {
        const node = new Redis(port);
        await node.call('client', 'kill', 'type', 'pubsub');
        node.disconnect();
      }
      await until('a resync', () => (follower.resyncs > 0 ? true : undefined));
      expect(await leader.complete(flight, fence, 'a lamp')).toBe('published');
      expect((await follower.told('settled', flight)).payload).toBe('a lamp');
    } finally {
      await fleet.end();
      await deployment.stop();
    }
  }, 60_000);
});
