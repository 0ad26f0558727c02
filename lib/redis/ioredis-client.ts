import { once, type EventEmitter } from 'node:events';
import {
  ignore,
  isMissingScript,
  isServerError,
  type Bytes,
  type InboxListener,
  type Subscription,
} from './connection.js';
import type { Script } from './lua.js';
import type { Ownable } from './own-connection.js';
import { NodeSubscription, type NodeConnection } from './node-subscription.js';

/** A client of ioredis, 5 or later: a `Redis`, also by Sentinel, or a `Cluster`. What is used to tell it from others. */
export interface IoredisClient {
  readonly status: string;
  callBuffer(command: string, ...args: (string | Buffer | number)[]): Promise<unknown>;
  duplicate(...args: never[]): unknown;
}

/** What is used of it. */
interface Ioredis extends EventEmitter, IoredisClient {
  readonly isCluster?: boolean;
  connect(): Promise<unknown>;
  disconnect(): void;
  info(section: string): Promise<string>;
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  duplicate(options: object): Ioredis;
  nodes?(role: 'all'): Ioredis[];
}

export function isIoredis(client: object): client is IoredisClient {
  return 'callBuffer' in client && typeof client.callBuffer === 'function' && 'status' in client;
}

export class IoredisConnection implements Ownable {
  private readonly client: Ioredis;
  private readonly subscriber: Ioredis | undefined;

  constructor(client: IoredisClient, subscriber?: IoredisClient) {
    this.client = client as unknown as Ioredis;
    this.subscriber = subscriber as unknown as Ioredis | undefined;
  }

  open(): void {
    this.client.on('error', ignore);
  }

  close(): void {
    this.client.disconnect();
  }

  /** Before, ioredis keeps what it is given in a queue, and sends it whenever it is connected again. */
  get ready(): boolean {
    return this.client.status === 'ready';
  }

  async whenReady(signal: AbortSignal): Promise<void> {
    if (this.ready) return;
    if (this.client.status === 'wait') this.client.connect().catch(ignore);
    await once(this.client, 'ready', { signal });
  }

  async run({ sha, lua }: Script, keys: readonly string[], args: readonly Bytes[]): Promise<unknown> {
    const rest = [keys.length, ...keys, ...args] as (string | Buffer | number)[];
    try {
      return await this.client.callBuffer('evalsha', sha, ...rest);
    } catch (error) {
      if (!isMissingScript(error)) throw error;
      return this.client.callBuffer('eval', lua, ...rest);
    }
  }

  async fetch(key: string, fields: readonly string[]): Promise<readonly unknown[]> {
    return (await this.client.callBuffer('hmget', key, ...fields)) as unknown[];
  }

  async info(section: string): Promise<string | undefined> {
    try {
      return await (this.client.nodes?.('all')[0] ?? this.client).info(section);
    } catch (error) {
      if (isServerError(error)) return undefined;
      throw error;
    }
  }

  subscribe(channel: string, listener: InboxListener): Subscription {
    const { client, subscriber = client } = this;
    // A Cluster subscribes again at another node without a word: of that the engine has to hear.
    if (subscriber.nodes !== undefined) return new NodeSubscription(channel, listener, () => nodeOf(subscriber));
    if (this.subscriber !== undefined) return new IoredisSubscription(subscriber, false, channel, listener);
    return new IoredisSubscription(client.duplicate({ autoResubscribe: false }), true, channel, listener);
  }
}

/** Subscribes whenever the connection is ready, because only that tells that the channel is live again. */
class IoredisSubscription implements Subscription {
  private readonly channelName: Buffer;

  constructor(
    private readonly connection: Ioredis,
    private readonly owned: boolean,
    private readonly channel: string,
    private readonly listener: InboxListener,
  ) {
    this.channelName = Buffer.from(channel);
    connection.on('messageBuffer', this.onMessage).on('ready', this.onReady);
    if (owned) connection.on('error', ignore);
    if (connection.status === 'ready') this.onReady();
    if (connection.status === 'wait') connection.connect().catch(ignore);
  }

  async close(): Promise<void> {
    const { connection } = this;
    connection.off('messageBuffer', this.onMessage).off('ready', this.onReady);
    if (this.owned) connection.disconnect();
    else if (connection.status === 'ready') await connection.unsubscribe(this.channel).catch(ignore);
  }

  private readonly onReady = (): void => {
    this.connection.subscribe(this.channel).then(
      () => {
        this.listener.live();
      },
      (error: unknown) => {
        if (isServerError(error)) this.listener.refused(error);
      },
    );
  };

  private readonly onMessage = (channel: Buffer, message: Buffer): void => {
    if (this.channelName.equals(channel)) this.listener.message(message);
  };
}

/** A connection of our own to one node of the cluster; undefined while none is known. */
function nodeOf(cluster: Ioredis): Promise<NodeConnection | undefined> {
  const nodes = cluster.nodes?.('all') ?? [];
  const node = nodes[Math.floor(Math.random() * nodes.length)];
  if (node === undefined) return Promise.resolve(undefined);
  const connection = node.duplicate({ lazyConnect: true, retryStrategy: null, autoResubscribe: false });
  connection.on('error', ignore);
  return Promise.resolve({
    async open(channel, onMessage, onEnd) {
      connection.once('end', onEnd).on('messageBuffer', (_channel: Buffer, message: Buffer) => {
        onMessage(message);
      });
      await connection.connect();
      await connection.subscribe(channel);
    },
    close() {
      connection.disconnect();
    },
  });
}
