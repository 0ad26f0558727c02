import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { until } from '../../redis/support/servers.js';
import { freePort, startRedisServer, type RedisServer } from '../../support/redis-server.js';

interface Node {
  readonly server: RedisServer;
  readonly bus: number;
  readonly data: Redis;
}

const MASTERS = 3;
const SLOTS = 16_384;

/** Three masters that share the slots, with a replica each, which takes over within a second or two. */
export class ReplicatedCluster {
  private constructor(
    private readonly nodes: readonly Node[],
    private readonly folder: string,
  ) {}

  static async start(): Promise<ReplicatedCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'singleflight-cluster-'));
    const nodes = await Promise.all(Array.from({ length: 2 * MASTERS }, () => startNode(folder)));
    const cluster = new ReplicatedCluster(nodes, folder);
    await cluster.meet();
    return cluster;
  }

  get ports(): number[] {
    return this.nodes.map(({ server }) => server.port);
  }

  /** Kills the master with a key of that end; resolves when it is gone. */
  killMasterOf(end: string): Promise<void> {
    return this.kill(async ({ data }) => (await data.keys(`*${end}`)).length > 0);
  }

  /** Kills one without. */
  killAnotherMasterThan(end: string): Promise<void> {
    return this.kill(async ({ data }) => (await data.keys(`*${end}`)).length === 0);
  }

  /** Waits until a replica has taken the place of a master that was killed. */
  async failedOver(): Promise<void> {
    await until('a failover', async () => {
      const roles = await Promise.all(this.nodes.slice(MASTERS).map(({ data }) => data.info('replication')));
      return roles.some((role) => role.includes('role:master')) || undefined;
    });
  }

  async stop(): Promise<void> {
    for (const { data } of this.nodes) data.disconnect();
    await Promise.all(this.nodes.map(({ server }) => server.stop()));
    await rm(this.folder, { recursive: true, force: true });
  }

  private async kill(isOne: (node: Node) => Promise<boolean>): Promise<void> {
    for (const node of this.nodes.slice(0, MASTERS)) {
      if (!(await isOne(node))) continue;
      node.data.disconnect();
      await node.server.stop();
      return;
    }
    throw new Error('No master is such.');
  }

  private async meet(): Promise<void> {
    const [first, ...others] = this.nodes;
    for (const [index, { data }] of this.nodes.entries()) {
      await data.call('cluster', 'set-config-epoch', String(index + 1));
      if (index >= MASTERS) continue;
      const [from, to] = [index, index + 1].map((part) => Math.ceil((part * SLOTS) / MASTERS));
      await data.call('cluster', 'addslotsrange', String(from), String(to! - 1));
    }
    for (const { server, bus } of others) {
      await first!.data.call('cluster', 'meet', '127.0.0.1', String(server.port), String(bus));
    }
    for (const [index, { data }] of this.nodes.entries()) {
      if (index < MASTERS) continue;
      const master = String(await this.nodes[index - MASTERS]!.data.call('cluster', 'myid'));
      await until('a replica', () =>
        data.call('cluster', 'replicate', master).then(
          () => true as const,
          () => undefined,
        ),
      );
    }
    await until('a whole cluster', async () => {
      const infos = await Promise.all(this.nodes.map(({ data }) => data.call('cluster', 'info')));
      return infos.every((info) => String(info).includes('cluster_state:ok')) || undefined;
    });
    await until('replicas in step', async () => {
      const replicas = await Promise.all(this.nodes.slice(MASTERS).map(({ data }) => data.info('replication')));
      return replicas.every((info) => info.includes('master_link_status:up')) || undefined;
    });
  }
}

async function startNode(folder: string): Promise<Node> {
  const bus = await freePort();
  const server = await startRedisServer((port) => [
    ...['--cluster-enabled', 'yes', '--cluster-config-file', join(folder, `${port}.conf`)],
    ...['--cluster-port', String(bus), '--cluster-node-timeout', '500', '--cluster-replica-validity-factor', '0'],
    // Otherwise it serves no key at all while any slot has no master.
    ...['--cluster-require-full-coverage', 'no'],
    ...['--repl-diskless-sync-delay', '0', '--repl-diskless-load', 'swapdb'],
  ]);
  const data = new Redis(server.port, { retryStrategy: null });
  data.on('error', () => undefined);
  return { server, bus, data };
}
