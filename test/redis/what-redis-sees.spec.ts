import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { COMPLETE, JOIN, SERVE } from '../../lib/redis/scripts.js';
import { startRedisServer } from '../support/redis-server.js';
import { ioredis, nodeRedis, type Open } from './support/clients.js';
import { flightId, fleetOf, type FleetProcess } from './support/process.js';
import { until, type Deployment } from './support/servers.js';

const clients: [string, Open][] = [
  ['ioredis', ioredis],
  ['node-redis', nodeRedis],
];

describe.each(clients)('What Redis sees, by %s', (_, open) => {
  const fleet = fleetOf(open);
  let deployment: Deployment;
  let data: Redis;
  beforeEach(async () => {
    const server = await startRedisServer(() => []);
    deployment = { ports: [server.port], stop: () => server.stop() };
    data = new Redis(server.port);
  });
  afterEach(async () => {
    await fleet.end();
    data.disconnect();
    await deployment.stop();
  });

  const processes = (count: number): Promise<FleetProcess[]> =>
    Promise.all(Array.from({ length: count }, () => fleet.start(deployment)));

  /** Otherwise the first use of each is one command more. */
  const loadScripts = async (): Promise<void> => {
    for (const { lua } of [JOIN, COMPLETE, SERVE]) await data.script('LOAD', lua);
  };

  /** The commands that clients send while `act` runs, without those that scripts run. */
  async function commandsOf(act: () => Promise<void>): Promise<string[]> {
    const monitor = await data.monitor();
    const commands: string[] = [];
    monitor.on('monitor', (_time: string, [name = '', first = '']: string[], source: string) => {
      if (source !== 'lua') commands.push(name === 'echo' ? first : name);
    });
    await act();
    await data.echo('end');
    await until('the end of what is monitored', () => (commands.includes('end') ? true : undefined));
    monitor.disconnect();
    return commands.slice(0, -1).map((name) => name.toLowerCase());
  }

  it('a flight of P processes is P + 1 commands', async () => {
    const all = await processes(4);
    const warm = async (flight: string): Promise<void> => {
      const fence = await all[0]!.lead(flight);
      await Promise.all(all.slice(1).map((process) => process.join(flight)));
      await all[0]!.complete(flight, fence, 'a lamp');
      await Promise.all(all.slice(1).map((process) => process.told('settled', flight)));
    };
    await warm(flightId(1));
    expect(await commandsOf(() => warm(flightId(2)))).toEqual(Array(5).fill('evalsha'));
  });

  it('renewals of one tick do not wait for each other', async () => {
    const [process] = await processes(1);
    const flights = Array.from({ length: 50 }, (_one, index) => flightId(index));
    const fences = await Promise.all(flights.map((flight) => process!.lead(flight, { token: flight })));
    const paused = data.call('client', 'pause', '200', 'all');
    const renewals = Promise.all(
      flights.map((flight, index) =>
        process!.engine.renew(
          { flight, token: flight, fence: fences[index]!, leaseMs: 60_000, insideLease: true },
          AbortSignal.timeout(5_000),
        ),
      ),
    );
    await paused;
    expect(new Set(await renewals)).toEqual(new Set(['held']));
  });

  it('after a thousand flights: fence counters and results, each with its end, and no user key', async () => {
    const [leader, follower] = await processes(2);
    const flights = Array.from({ length: 1_000 }, (_one, index) => flightId(index));
    await Promise.all(
      flights.map(async (flight) => {
        const fence = await leader!.lead(flight, { token: flight });
        await follower!.join(flight, { token: `${flight}-too` });
        await leader!.complete(flight, fence, 'a lamp', { token: flight });
      }),
    );
    await until('all results', () => (follower!.pushes.length === flights.length ? true : undefined));
    const keys = (await data.keys('*')).filter((key) => !key.includes('{check-'));
    const kinds = new Map<string, number>();
    for (const key of keys) {
      const [, kind = key] = /^singleflight:\{[\w-]{24}\}:(fence|last|result)/.exec(key) ?? [];
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
    expect(Object.fromEntries(kinds)).toEqual({ fence: 1_000, last: 1_000, result: 1_000 });
    const ends = await Promise.all(keys.map((key) => data.pttl(key)));
    expect(Math.min(...ends)).toBeGreaterThan(0);
    expect(Math.max(...ends)).toBeLessThanOrEqual(60_000);
    const results = keys.filter((key) => !key.endsWith(':fence'));
    expect(Math.max(...(await Promise.all(results.map((key) => data.pttl(key)))))).toBeLessThanOrEqual(20_000);
  });

  it('with a secret: neither the ids nor the tokens that the fleet made', async () => {
    const process = await fleet.start(deployment, { secret: 'a secret of this fleet' });
    const flight = flightId();
    const monitor = await data.monitor();
    const seen: string[] = [];
    monitor.on('monitor', (_time: string, args: string[]) => seen.push(args.join(' ')));
    const fence = await process.lead(flight);
    await process.complete(flight, fence, 'a lamp');
    await data.echo('end');
    await until('the end', () => (seen.some((line) => line.includes('end')) ? true : undefined));
    monitor.disconnect();
    const all = [...seen, ...(await data.keys('*'))].join('\n');
    expect(all).toContain('singleflight:{');
    expect(all).not.toContain(flight);
    expect(all).not.toContain(process.token);
  });

  it('a large result goes as a pointer, and each follower fetches it once, outside of Lua', async () => {
    const all = await processes(3);
    await loadScripts();
    const large = 'a lamp '.repeat(10_000);
    const commands = await commandsOf(async () => {
      const flight = flightId();
      const fence = await all[0]!.lead(flight);
      await Promise.all(all.slice(1).map((process) => process.join(flight)));
      await all[0]!.complete(flight, fence, large);
      for (const process of all.slice(1)) expect((await process.told('settled', flight)).payload).toBe(large);
    });
    expect(commands.sort()).toEqual(['evalsha', 'evalsha', 'evalsha', 'evalsha', 'hmget', 'hmget']);
  });

  it('more waiters than a page are served page by page, each once', async () => {
    const [leader, follower] = await processes(2);
    await loadScripts();
    const flight = flightId();
    const fence = await leader!.lead(flight);
    await follower!.join(flight);
    const others = Array.from({ length: 600 }, (_one, index) => `inbox${String(index).padStart(17, '0')}`);
    await data.sadd(`singleflight:{${flight}}:waiters`, ...others);
    const listener = new Redis(deployment.ports[0]!);
    const heard: string[] = [];
    listener.on('pmessage', (_pattern, channel: string) => heard.push(channel.replace('singleflight:inbox:', '')));
    await listener.psubscribe('singleflight:inbox:inbox*');
    const commands = await commandsOf(async () => {
      await leader!.complete(flight, fence, 'a lamp');
    });
    await follower!.told('settled', flight);
    await until('all of them', () => (heard.length >= 600 ? true : undefined));
    listener.disconnect();
    expect(heard.sort()).toEqual(others);
    expect(commands).toEqual(Array(3).fill('evalsha'));
    expect(await data.exists(`singleflight:{${flight}}:apart`)).toBe(0);
  });

  it('who forgets tells more waiters than a page, too, and their result comes all the same', async () => {
    const [leader, follower] = await processes(2);
    const flight = flightId();
    const fence = await leader!.lead(flight);
    await follower!.join(flight);
    const others = Array.from({ length: 600 }, (_one, index) => `inbox${String(index).padStart(17, '0')}`);
    await data.sadd(`singleflight:{${flight}}:waiters`, ...others);
    const listener = new Redis(deployment.ports[0]!);
    const heard: string[] = [];
    listener.on('pmessage', (_pattern, _channel, message: string) => heard.push(message.charAt(0)));
    await listener.psubscribe('singleflight:inbox:inbox*');
    await follower!.engine.forget({ flight });
    await leader!.complete(flight, fence, 'a lamp');
    await until('all of them, twice', () => (heard.length >= 1_200 ? true : undefined));
    listener.disconnect();
    expect(heard.filter((kind) => kind === 'f')).toHaveLength(600);
    expect(heard.filter((kind) => kind === 's')).toHaveLength(600);
    await leader!.told('forgotten', flight);
    await follower!.told('settled', flight);
  });

  it('a leader that dies between two pages leaves what the others need', async () => {
    const [leader, follower] = await processes(2);
    const flight = flightId();
    const fence = await leader!.lead(flight);
    await follower!.join(flight);
    const others = Array.from({ length: 600 }, (_one, index) => `inbox${String(index).padStart(17, '0')}`);
    await data.sadd(`singleflight:{${flight}}:waiters`, ...others);
    // What it sends, and then nothing more.
    await leader!.engine.stop();
    const keys = ['owner', 'waiters', 'last', 'apart', `result:${fence}`, 'forgotten'].map(
      (key) => `singleflight:{${flight}}:${key}`,
    );
    const args = [
      flight,
      leader!.token,
      String(fence),
      'a lamp',
      '',
      '1',
      '20000',
      '0',
      '1',
      '1',
      'singleflight:inbox:',
    ];
    expect(await data.eval(COMPLETE.lua, keys.length, ...keys, ...args, '256')).toEqual(['published', 601 - 256]);
    expect(await follower!.join(flight, { since: fence })).toMatchObject({ role: 'settled', fence });
    expect(await data.pttl(`singleflight:{${flight}}:apart`)).toBeGreaterThan(0);
  });
});
