import { Redis } from 'ioredis';
import { startRedisServer, type RedisServer } from '../../support/redis-server.js';
import { until } from '../../redis/support/servers.js';

/** A Redis server that the test kills, hangs and looks into, with a connection of the test's own. */
export class FaultyRedis {
  private constructor(
    private readonly server: RedisServer,
    /** Comes back by itself after a fault. */
    readonly data: Redis,
    private readonly pid: number,
  ) {}

  static async start(at?: number, ...options: string[]): Promise<FaultyRedis> {
    const server = await startRedisServer(() => options, at);
    const data = new Redis(server.port, { retryStrategy: () => 20, maxRetriesPerRequest: null });
    data.on('error', () => undefined);
    const pid = Number(/process_id:(\d+)/.exec(await data.info('server'))?.[1]);
    return new FaultyRedis(server, data, pid);
  }

  get port(): number {
    return this.server.port;
  }

  /** `kill -9`; resolves when it is gone. */
  async kill(): Promise<void> {
    this.data.disconnect();
    process.kill(this.pid, 'SIGKILL');
    await this.server.stop();
  }

  hang(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  goOn(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  async stop(): Promise<void> {
    this.data.disconnect();
    await this.server.stop();
  }

  /** The channels of processes that are subscribed. */
  async inboxes(): Promise<string[]> {
    return (await this.data.pubsub('CHANNELS', '*:inbox:*')) as string[];
  }

  /** Waits until so many processes have both of their connections. */
  async connected(processes: number): Promise<void> {
    await until('the connections of all processes', async () => {
      const clients = String(await this.data.client('LIST', 'TYPE', 'NORMAL'))
        .trim()
        .split('\n');
      const isWhole = (await this.inboxes()).length === processes && clients.length > processes;
      return isWhole || undefined;
    });
  }

  /** The keys with that end, such as `:owner`. */
  keys(end: string): Promise<string[]> {
    return this.data.keys(`*${end}`);
  }
}
