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

/**
 * A client of node-redis (`redis`), 5 or later: of `createClient`, `createCluster` or `createSentinel`. What is used to
 * tell it from others.
 */
export interface NodeRedisClient {
  readonly isOpen: boolean;
  withTypeMapping(mapping: never): unknown;
  duplicate?(...args: never[]): unknown;
}

type Listener = (message: Buffer) => void;

/** What is used of it. */
interface NodeRedis extends EventEmitter {
  readonly isOpen: boolean;
  readonly isReady?: boolean;
  connect(): Promise<unknown>;
  destroy(): void;
  evalSha(sha: string, options: ScriptOptions): Promise<unknown>;
  eval(lua: string, options: ScriptOptions): Promise<unknown>;
  hmGet(key: string, fields: readonly string[]): Promise<unknown[]>;
  info(section: string): Promise<unknown>;
  withTypeMapping(mapping: Readonly<Record<number, unknown>>): NodeRedis;
  duplicate(): NodeRedis;
  subscribe(channel: string, listener: Listener, bufferMode: true): Promise<unknown>;
  unsubscribe(channel: string, listener: Listener, bufferMode: true): Promise<unknown>;
  /** A cluster's. */
  nodeClient?(node: unknown): Promise<NodeRedis>;
  readonly masters?: readonly unknown[];
  /** A sentinel's. */
  getSentinelNode?(): unknown;
}

interface ScriptOptions {
  readonly keys: readonly string[];
  readonly arguments: readonly Bytes[];
}

/** `RESP_TYPES.BLOB_STRING` of node-redis: the byte that a string begins with. */
const BLOB_STRING = 36;

export function isNodeRedis(client: object): client is NodeRedisClient {
  return 'withTypeMapping' in client && typeof client.withTypeMapping === 'function' && 'isOpen' in client;
}

export class NodeRedisConnection implements Ownable {
  private readonly client: NodeRedis;
  /** The same, with strings as Buffers. */
  private readonly bytes: NodeRedis;
  private readonly subscriber: NodeRedis | undefined;

  constructor(client: NodeRedisClient, subscriber?: NodeRedisClient) {
    this.client = client as unknown as NodeRedis;
    this.bytes = this.client.withTypeMapping({ [BLOB_STRING]: Buffer });
    this.subscriber = subscriber as NodeRedis | undefined;
  }

  open(): void {
    this.client.on('error', ignore);
    if (!this.client.isOpen) this.client.connect().catch(ignore);
  }

  close(): void {
    destroy(this.client);
  }

  get ready(): boolean {
    return this.client.isReady ?? this.client.isOpen;
  }

  async whenReady(signal: AbortSignal): Promise<void> {
    if (!this.client.isOpen) throw new Error('the client is not connected: await client.connect() first');
    // A cluster of node-redis says 'connect' where a client says 'ready'.
    if (!this.ready) await once(this.client, this.client.nodeClient === undefined ? 'ready' : 'connect', { signal });
  }

  async run({ sha, lua }: Script, keys: readonly string[], args: readonly Bytes[]): Promise<unknown> {
    const options = { keys, arguments: args };
    try {
      return await this.bytes.evalSha(sha, options);
    } catch (error) {
      if (!isMissingScript(error)) throw error;
      return this.bytes.eval(lua, options);
    }
  }

  fetch(key: string, fields: readonly string[]): Promise<readonly unknown[]> {
    return this.bytes.hmGet(key, fields);
  }

  async info(section: string): Promise<string | undefined> {
    try {
      const node = await this.client.nodeClient?.(this.client.masters?.[0]);
      return String(await (node ?? this.client).info(section));
    } catch (error) {
      if (isServerError(error)) return undefined;
      throw error;
    }
  }

  subscribe(channel: string, listener: InboxListener): Subscription {
    const { client, subscriber = client } = this;
    if (subscriber.nodeClient !== undefined) return new NodeSubscription(channel, listener, () => nodeOf(subscriber));
    const hasOwnConnection = subscriber.getSentinelNode !== undefined;
    if (this.subscriber !== undefined || hasOwnConnection) {
      return new NodeRedisSubscription(subscriber, false, channel, listener);
    }
    return new NodeRedisSubscription(client.duplicate(), true, channel, listener);
  }
}

/** node-redis subscribes again by itself, and is ready only after that. */
class NodeRedisSubscription implements Subscription {
  /** Written when the first subscription is answered. */
  private subscribed = false;

  constructor(
    private readonly connection: NodeRedis,
    private readonly owned: boolean,
    private readonly channel: string,
    private readonly listener: InboxListener,
  ) {
    connection.on('ready', this.onReady);
    // A sentinel's own connection for subscriptions tells only that it has moved.
    if (connection.getSentinelNode !== undefined) connection.on('topology-change', this.onReady);
    if (owned) connection.on('error', ignore).connect().catch(ignore);
    if (connection.isReady === true) this.onReady();
  }

  async close(): Promise<void> {
    const { connection } = this;
    connection.off('ready', this.onReady).off('topology-change', this.onReady);
    if (this.owned) destroy(connection);
    else if (connection.isOpen) await connection.unsubscribe(this.channel, this.onMessage, true).catch(ignore);
  }

  private readonly onReady = (): void => {
    if (this.subscribed) {
      this.listener.live();
      return;
    }
    this.connection.subscribe(this.channel, this.onMessage, true).then(
      () => {
        this.subscribed = true;
        this.listener.live();
      },
      (error: unknown) => {
        if (isServerError(error)) this.listener.refused(error);
      },
    );
  };

  private readonly onMessage = (message: Buffer): void => {
    this.listener.message(message);
  };
}

/** A connection of our own to one node of the cluster; undefined while none is known. */
async function nodeOf(cluster: NodeRedis): Promise<NodeConnection | undefined> {
  const nodes = cluster.masters ?? [];
  const node = nodes[Math.floor(Math.random() * nodes.length)];
  if (node === undefined || cluster.nodeClient === undefined) return undefined;
  const connection = (await cluster.nodeClient(node)).duplicate();
  return {
    async open(channel, onMessage, onEnd) {
      // It would connect to the same node for ever, which may be gone.
      connection.on('error', onEnd).once('end', onEnd);
      await connection.connect();
      await connection.subscribe(channel, onMessage, true);
    },
    close() {
      destroy(connection);
    },
  };
}

function destroy(connection: NodeRedis): void {
  try {
    connection.destroy();
  } catch {
    // It says that it was closed before.
  }
}
