import type { RedisClient } from '../../../lib/redis/options.js';
import type { Setup } from './protocol.js';

/** Clients as users make them: everything is left as it is by default. */
export async function clientOf({ client: library, ports }: Setup): Promise<RedisClient> {
  const nodes = ports.map((port) => ({ host: '127.0.0.1', port }));
  // Loaded only where they are used: both together take a process half a second.
  if (library !== 'node-redis') {
    const { Cluster, Redis } = await import('ioredis');
    return (library === 'ioredis' ? new Redis(nodes[0]!) : new Cluster(nodes)).on('error', ignore);
  }
  const { createClient } = await import('redis');
  const client = createClient({ socket: nodes[0]! });
  client.on('error', ignore);
  await client.connect();
  return client;
}

function ignore(): void {
  // Servers are killed on purpose.
}
