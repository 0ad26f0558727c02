import KeyvRedis, { createClient } from '@keyv/redis';
import type { RedisClientType } from '@keyv/redis';
import { Logger } from '@nestjs/common';
import { Keyv } from 'keyv';
import { reasonOf, withoutSecrets } from '../reason.js';
import { StartupError } from '../startup-error.js';

const CONNECT_TIMEOUT_MS = 2_000;
const COMMAND_TIMEOUT_MS = 500;
const RECONNECT_EVERY_MS = 500;
const NAMESPACE = 'singleflight-sample';

/** A connection to Redis or Valkey that fails with one sentence at the start, and never after it. */
export class RedisCache {
  private constructor(
    readonly store: Keyv,
    private readonly client: RedisClientType,
  ) {}

  static async at(url: string): Promise<RedisCache> {
    const client = createClient({
      url,
      socket: { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: () => (connected ? RECONNECT_EVERY_MS : false) },
      // While Redis is away, a command fails at once instead of waiting for its return.
      disableOfflineQueue: true,
    }) as RedisClientType;
    let connected = false;
    reportOutages(client, () => connected);
    try {
      await within(CONNECT_TIMEOUT_MS, client.connect());
      await within(CONNECT_TIMEOUT_MS, client.ping());
      connected = true;
    } catch (error) {
      if (client.isOpen) client.destroy();
      throw new StartupError(
        `Redis cannot be reached at REDIS_URL ${withoutSecrets(url)}: ${reasonOf(error)}. Unset REDIS_URL to cache in memory.`,
      );
    }
    return new RedisCache(new Keyv(new ForgivingRedis(client), { namespace: NAMESPACE, useKeyPrefix: false }), client);
  }

  close(): Promise<void> {
    // Not the polite way, which waits for answers that a dead server owes.
    if (this.client.isOpen) this.client.destroy();
    return Promise.resolve();
  }
}

/** A cache that is away or does not answer is a cache miss: the sample then works from the database. */
class ForgivingRedis extends KeyvRedis<unknown> {
  override get<U>(key: string): Promise<U | undefined> {
    return orElse(undefined, super.get<U>(key));
  }

  override set(key: string, value: string, ttl?: number): Promise<void> {
    return orElse(undefined, super.set(key, value, ttl));
  }

  override delete(key: string): Promise<boolean> {
    return orElse(false, super.delete(key));
  }

  /** The app's end closes its cache; the connection has an owner of its own. */
  override disconnect(): Promise<void> {
    return Promise.resolve();
  }
}

/** One line when Redis goes and one when it is back, however many commands fail in between. */
function reportOutages(client: RedisClientType, connected: () => boolean): void {
  const logger = new Logger('Cache');
  let away = false;
  client.on('error', (error: unknown) => {
    if (!connected() || away) return;
    away = true;
    logger.warn(`Redis is away (${reasonOf(error)}): every request goes to the database until it is back.`);
  });
  client.on('ready', () => {
    if (away) logger.warn('Redis is back.');
    away = false;
  });
}

const orElse = <T>(fallback: T, command: Promise<T>): Promise<T> =>
  within(COMMAND_TIMEOUT_MS, command).catch(() => fallback);

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer within ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
