import { describe, expect, it } from '@jest/globals';
import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster, createSentinel } from 'redis';
import { InvalidOptionError } from '../../lib/core/errors.js';
import type { RedisEngineOptions } from '../../lib/redis/options.js';
import { RedisEngine } from '../../lib/redis/redis-engine.js';

const lazy = { lazyConnect: true } as const;
const redis = new Redis(lazy);

describe('A Redis engine', () => {
  // That this compiles is half of it: clients are typed by what is used of them.
  it.each<[string, RedisEngineOptions]>([
    ["ioredis' Redis", { client: redis }],
    ["ioredis' Cluster", { client: new Cluster([{ port: 1 }], lazy) }],
    ["node-redis' createClient", { client: createClient() }],
    ["node-redis' createCluster", { client: createCluster({ rootNodes: [{}] }) }],
    ["node-redis' createSentinel", { client: createSentinel({ name: 'a', sentinelRootNodes: [] }) }],
    ['a subscriber', { client: redis, subscriber: new Redis(lazy) }],
    [
      'every option',
      { client: redis, prefix: 'shop:1.2-a_b', secret: 'x'.repeat(16), inlineBytes: 0, maxPayloadBytes: 1 },
    ],
  ])('is made with %s', (_, options) => {
    const engine = new RedisEngine(options);
    expect([engine.name, engine.available, engine.strayMessages]).toEqual(['redis', false, 0]);
  });

  it.each<[string, unknown, string]>([
    [
      'no client',
      {},
      'new RedisEngine: `client` is undefined. It must be a client of ioredis (new Redis(), new Cluster()) or of node-redis ' +
        '(createClient(), createCluster(), createSentinel()), version 5 or later.',
    ],
    [
      'something else',
      { client: new Map() },
      'new RedisEngine: `client` is an object of Map. It must be a client of ioredis',
    ],
    [
      'itself as subscriber',
      { client: redis, subscriber: redis },
      'new RedisEngine: `subscriber` is the same connection as `client`',
    ],
    [
      'a subscriber of the other library',
      { client: redis, subscriber: createClient() },
      'It must be a client of ioredis, as `client` is.',
    ],
    [
      'a prefix with a hash tag',
      { client: redis, prefix: 'a{b}' },
      'new RedisEngine: `prefix` is the string "a{b}". It must be 1 to 64 letters',
    ],
    [
      'no prefix',
      { client: redis, prefix: '' },
      'new RedisEngine: `prefix` is the string "". It must be 1 to 64 letters',
    ],
    [
      'a short secret',
      { client: redis, secret: 'hunter2' },
      'new RedisEngine: `secret` must be a string of at least 16 characters.',
    ],
    [
      'half a byte',
      { client: redis, inlineBytes: 0.5 },
      'new RedisEngine: `inlineBytes` is the number 0.5. It must be a whole number of bytes from 0',
    ],
    [
      'no payload',
      { client: redis, maxPayloadBytes: 0 },
      'new RedisEngine: `maxPayloadBytes` is the number 0. It must be a whole number of bytes from 1',
    ],
    ['an unknown one', { client: redis, keyPrefix: 'a' }, 'new RedisEngine: there is no option `keyPrefix`'],
  ])('is refused with %s', (_, options, message) => {
    const make = () => new RedisEngine(options as RedisEngineOptions);
    expect(make).toThrow(InvalidOptionError);
    expect(make).toThrow(message);
    expect(make).toThrow(/^new RedisEngine: /);
    expect(make).not.toThrow('hunter2');
  });
});
