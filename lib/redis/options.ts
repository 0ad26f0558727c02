import { InvalidOptionError, type ErrorPlace } from '../core/errors.js';
import { checkNames } from '../core/options.js';
import type { RedisConnection } from './connection.js';
import { IoredisConnection, isIoredis, type IoredisClient } from './ioredis-client.js';
import { OwnConnection, type Ownable } from './own-connection.js';
import { isNodeRedis, NodeRedisConnection, type NodeRedisClient } from './node-redis-client.js';

/** A client of ioredis or of node-redis, 5 or later each: of one server, of Sentinel, of a cluster. */
export type RedisClient = IoredisClient | NodeRedisClient;

/** What a `RedisEngine` is made with. */
export interface RedisEngineOptions {
  /**
   * Sends the commands. A client stays yours: it is never closed, its errors are not listened to, and it may be used for
   * anything else at the same time. A function makes one for the engine, which connects it when it starts, and closes it
   * when it stops.
   */
  client: RedisClient | (() => RedisClient);
  /**
   * A connection for subscriptions, of the same library, which stays yours too. Default: one that is made with
   * `client.duplicate()` and closed by `stop()`. Of a cluster only the nodes are taken from it.
   */
  subscriber?: RedisClient | undefined;
  /** What keys and channels begin with, letters, digits and `.:_-` only. Default: `'singleflight'`. */
  prefix?: string | undefined;
  /**
   * With it, names in Redis are HMACs that no key can be guessed from, and results and messages carry a seal: those
   * without are dropped. The same in every process, 16 characters at least. Default: none.
   */
  secret?: string | undefined;
  /** The longest result that is pushed with its message, in bytes; a longer one is fetched. Default: 4,096. */
  inlineBytes?: number | undefined;
  /** The longest result it takes, in bytes. Default: 8,388,608. */
  maxPayloadBytes?: number | undefined;
}

export const REDIS_ENGINE_OPTIONS = [
  'client',
  'subscriber',
  'prefix',
  'secret',
  'inlineBytes',
  'maxPayloadBytes',
] as const;

const SITE = 'new RedisEngine';
const PLACE: ErrorPlace = { site: SITE };
const SHORTEST_SECRET = 16;
/** What Redis takes in one string. */
const LONGEST_PAYLOAD = 512 * 1024 * 1024;

/** @throws InvalidOptionError when an option is unknown or its value is not allowed */
export function checkRedisEngineOptions(options: RedisEngineOptions): void {
  checkNames(options, REDIS_ENGINE_OPTIONS, () => PLACE);
  const { prefix, secret, inlineBytes, maxPayloadBytes } = options;
  if (prefix !== undefined && !(typeof prefix === 'string' && /^[\w.:-]{1,64}$/.test(prefix))) {
    throw InvalidOptionError.value('prefix', prefix, '1 to 64 letters, digits and `.:_-`', PLACE);
  }
  if (secret !== undefined && !(typeof secret === 'string' && secret.length >= SHORTEST_SECRET)) {
    // Not the value: it would be in a log.
    throw new InvalidOptionError(`${SITE}: \`secret\` must be a string of at least ${SHORTEST_SECRET} characters.`);
  }
  checkBytes('inlineBytes', inlineBytes, 0);
  checkBytes('maxPayloadBytes', maxPayloadBytes, 1);
}

function checkBytes(option: string, value: unknown, least: number): void {
  if (value === undefined || (Number.isInteger(value) && Number(value) >= least && Number(value) <= LONGEST_PAYLOAD)) {
    return;
  }
  throw InvalidOptionError.value(option, value, `a whole number of bytes from ${least} to ${LONGEST_PAYLOAD}`, PLACE);
}

/** @throws InvalidOptionError when it is no client that is known here */
export function connectionOf({ client, subscriber }: RedisEngineOptions): RedisConnection {
  return typeof client === 'function'
    ? new OwnConnection(() => connectionBy(client(), subscriber))
    : connectionBy(client, subscriber);
}

function connectionBy(client: RedisClient, subscriber: RedisClient | undefined): Ownable {
  if (subscriber !== undefined && (subscriber as unknown) === client) {
    throw new InvalidOptionError(
      `${SITE}: ` +
        '`subscriber` is the same connection as `client`, and a connection that subscribes takes no other command. Leave ' +
        'it out, or hand in client.duplicate().',
    );
  }
  if (isClient(client, isIoredis)) {
    checkSubscriber(subscriber, isIoredis, 'ioredis');
    return new IoredisConnection(client, subscriber);
  }
  if (isClient(client, isNodeRedis)) {
    checkSubscriber(subscriber, isNodeRedis, 'node-redis');
    return new NodeRedisConnection(client, subscriber);
  }
  throw notAClient(
    'client',
    client,
    'a client of ioredis (new Redis(), new Cluster()) or of node-redis (createClient(), createCluster(), ' +
      'createSentinel()), version 5 or later',
  );
}

function checkSubscriber<C extends RedisClient>(
  subscriber: unknown,
  isOne: (client: object) => client is C,
  library: string,
): asserts subscriber is C | undefined {
  if (subscriber === undefined || isClient(subscriber, isOne)) return;
  throw notAClient('subscriber', subscriber, `a client of ${library}, as \`client\` is`);
}

function isClient<C extends RedisClient>(value: unknown, isOne: (client: object) => client is C): value is C {
  return typeof value === 'object' && value !== null && isOne(value);
}

/** Not with the value itself: the options of a client have passwords in them. */
function notAClient(option: string, value: unknown, allowed: string): InvalidOptionError {
  if (typeof value !== 'object' || value === null) return InvalidOptionError.value(option, value, allowed, PLACE);
  const { constructor } = value as { constructor?: { name?: unknown } };
  const name = typeof constructor?.name === 'string' ? constructor.name : 'no class';
  return new InvalidOptionError(`${SITE}: \`${option}\` is an object of ${name}. It must be ${allowed}.`);
}
