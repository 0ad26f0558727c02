import { mkdtemp, rm } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort, startRedisServer, type RedisServer } from '../../support/redis-server.js';

/** What a test has of a deployment; `stop` ends its servers and clears its files away. */
export interface Deployment {
  readonly ports: readonly number[];
  stop(): Promise<void>;
}

/** Waits for a condition, with a deadline that names it. */
export async function until<T>(what: string, attempt: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const found = await attempt();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`Nothing came of it: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Three masters that share the slots. */
export async function startCluster(): Promise<Deployment> {
  const folder = await mkdtemp(join(tmpdir(), 'singleflight-cluster-'));
  const nodes: { server: RedisServer; bus: number; client: Redis }[] = [];
  for (let index = 0; index < 3; index++) {
    const bus = await freePort();
    const server = await startRedisServer((port) => [
      ...['--cluster-enabled', 'yes', '--cluster-config-file', join(folder, `${port}.conf`)],
      ...['--cluster-port', String(bus), '--cluster-node-timeout', '2000'],
    ]);
    nodes.push({ server, bus, client: new Redis(server.port) });
  }
  const ranges = [0, 5461, 10923, 16384];
  for (const [index, { client, bus, server }] of nodes.entries()) {
    await client.call('cluster', 'addslotsrange', String(ranges[index]), String(ranges[index + 1]! - 1));
    await client.call('cluster', 'set-config-epoch', String(index + 1));
    if (index > 0) await nodes[0]!.client.call('cluster', 'meet', '127.0.0.1', String(server.port), String(bus));
  }
  await until('a cluster', async () => {
    const infos = await Promise.all(nodes.map(({ client }) => client.call('cluster', 'info')));
    const isWhole = (info: unknown) =>
      String(info).includes('cluster_state:ok') && String(info).includes('cluster_known_nodes:3');
    return infos.every(isWhole) ? true : undefined;
  });
  for (const { client } of nodes) client.disconnect();
  return {
    ports: nodes.map(({ server }) => server.port),
    async stop() {
      for (const { server } of nodes) await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export const MASTER_NAME = 'flights';

/** A master, a replica, and a sentinel that watches them; the sentinel's port comes first. */
export async function startSentinel(): Promise<Deployment & { readonly master: RedisServer }> {
  const folder = await mkdtemp(join(tmpdir(), 'singleflight-sentinel-'));
  const master = await startRedisServer(() => []);
  const replica = await startRedisServer(() => [
    ...['--replicaof', `127.0.0.1 ${master.port}`, '--repl-diskless-sync-delay', '0', '--repl-diskless-load', 'swapdb'],
  ]);
  const port = await freePort();
  const config = join(folder, 'sentinel.conf');
  await writeFile(
    config,
    [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${folder}`,
      `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${master.port} 1`,
      `sentinel down-after-milliseconds ${MASTER_NAME} 500`,
      `sentinel failover-timeout ${MASTER_NAME} 3000`,
    ].join('\n'),
  );
  const sentinel = spawn('redis-server', [config, '--sentinel'], { stdio: 'ignore' });
  const exited = once(sentinel, 'exit');
  const client = new Redis(port, { retryStrategy: () => 20 });
  client.on('error', () => undefined);
  await until('a sentinel that knows the replica', async () => {
    const replicas = (await client.call('sentinel', 'replicas', MASTER_NAME).catch(() => [])) as unknown[];
    return replicas.length === 1 && JSON.stringify(replicas).includes('"ok"') ? true : undefined;
  });
  client.disconnect();
  return {
    master,
    ports: [port, master.port, replica.port],
    async stop() {
      sentinel.kill('SIGKILL');
      await exited;
      await replica.stop();
      await master.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
