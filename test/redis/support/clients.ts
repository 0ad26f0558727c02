import { Cluster, Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis-5';
import { createClient, createCluster, createSentinel } from 'redis';
import { createClient as createClient5 } from 'redis-5';
import type { RedisClient } from '../../../lib/redis/options.js';
import { MASTER_NAME, type Deployment } from './servers.js';

/** A client for one process of the fleet, connected, and how it ends. */
export interface Opened {
  readonly client: RedisClient;
  close(): Promise<void> | void;
}

export type Open = (deployment: Deployment, keyPrefix?: string) => Promise<Opened>;

export const ioredis: Open = async ({ ports: [port] }, keyPrefix = '') => {
  const client = new Redis(port!, { keyPrefix });
  client.on('error', ignore);
  return { client, close: () => client.disconnect() };
};

/** The oldest of the versions that are supported. */
export const ioredis5: Open = async ({ ports: [port] }, keyPrefix = '') => {
  const client = new Redis5(port!, { keyPrefix });
  client.on('error', ignore);
  return { client, close: () => client.disconnect() };
};

export const nodeRedis5: Open = async ({ ports: [port] }) => {
  const client = createClient5({ socket: { host: '127.0.0.1', port: port! } });
  client.on('error', ignore);
  await client.connect();
  return { client, close: () => client.destroy() };
};

export const nodeRedis: Open = async ({ ports: [port] }, keyPrefix) => {
  const client = createClient({ socket: { host: '127.0.0.1', port: port! }, ...prefixed(keyPrefix) });
  client.on('error', ignore);
  await client.connect();
  return { client, close: () => client.destroy() };
};

export const ioredisCluster: Open = async ({ ports }, keyPrefix = '') => {
  const client = new Cluster(
    ports.map((port) => ({ host: '127.0.0.1', port })),
    { keyPrefix },
  );
  client.on('error', ignore);
  return { client, close: () => client.disconnect() };
};

export const nodeRedisCluster: Open = async ({ ports }, keyPrefix) => {
  const client = createCluster({
    rootNodes: ports.map((port) => ({ socket: { host: '127.0.0.1', port } })),
    ...prefixed(keyPrefix),
  });
  client.on('error', ignore);
  await client.connect();
  return { client, close: () => client.destroy() };
};

export const ioredisSentinel: Open = async ({ ports: [port] }, keyPrefix = '') => {
  const client = new Redis({ sentinels: [{ host: '127.0.0.1', port: port! }], name: MASTER_NAME, keyPrefix });
  client.on('error', ignore);
  return { client, close: () => client.disconnect() };
};

export const nodeRedisSentinel: Open = async ({ ports: [port] }) => {
  const client = createSentinel({ name: MASTER_NAME, sentinelRootNodes: [{ host: '127.0.0.1', port: port! }] });
  client.on('error', ignore);
  await client.connect();
  return { client, close: () => client.destroy() };
};

function prefixed(keyPrefix: string | undefined): { keyPrefix?: string } {
  return keyPrefix === undefined ? {} : { keyPrefix };
}

function ignore(): void {
  // Connections are killed on purpose.
}
