import { isServerError, type RedisConnection } from './connection.js';
import { script } from './lua.js';
import { refusalOf } from './refusals.js';

/** The oldest Redis with what clients and scripts use here: ACL, RESP3, effects of scripts replicated. */
const OLDEST_MAJOR = 6;

/**
 * Tries every command that the others use.
 *
 * KEYS a string, a set, a hash
 * ARGV channel
 * → command, error, for each that the server refused
 */
const CHECK = script(
  'check',
  `
local tries = {
  {'set', KEYS[1], '1', 'PX', '1000'}, {'get', KEYS[1]}, {'incr', KEYS[1]}, {'exists', KEYS[1]},
  {'pexpire', KEYS[1], '1000'}, {'pttl', KEYS[1]}, {'time'},
  {'sadd', KEYS[2], '1'}, {'smembers', KEYS[2]}, {'srem', KEYS[2], '1'},
  {'hset', KEYS[3], '1', '1'}, {'hget', KEYS[3], '1'}, {'hmget', KEYS[3], '1'}, {'hdel', KEYS[3], '1'},
  {'publish', ARGV[1], 'c'}, {'del', KEYS[1], KEYS[2], KEYS[3]},
}
local refused = {}
for _, command in ipairs(tries) do
  local answer = redis.pcall(unpack(command))
  if type(answer) == 'table' and answer.err then
    refused[#refused + 1] = command[1]
    refused[#refused + 1] = answer.err
  end
end
return refused
`,
);

/**
 * Whether the server can do what the engine needs of it. Undefined if so, otherwise in words what is missing: a version,
 * or the rules that the user's ACL lacks.
 */
export async function whatIsMissing(
  connection: RedisConnection,
  prefix: string,
  channel: string,
): Promise<Error | undefined> {
  const version = /^(redis_version):(\d+)[^\r\n]*/m.exec((await connection.info('server')) ?? '');
  if (version !== null && Number(version[2]) < OLDEST_MAJOR) {
    return new Error(
      `the server is ${version[0].replace('_version:', ' ')}, and Redis ${OLDEST_MAJOR} or Valkey is needed`,
    );
  }
  const keys = ['a', 'b', 'c'].map((key) => `${prefix}:{check-${channel.slice(-8)}}:${key}`);
  try {
    const refused = (await connection.run(CHECK, keys, [channel])) as unknown[];
    if (refused.length > 0) return refusedCommands(refused.map(String), prefix);
    await connection.fetch(keys[2] ?? '', ['1']);
    return undefined;
  } catch (error) {
    if (isServerError(error) && /NOPERM|permission/.test(error.message)) return refusedAtAll(error, prefix);
    return refusalOf(error);
  }
}

/** What to warn of: leases that are evicted do no harm, but cost executions. */
export async function whatIsUnwise(connection: RedisConnection): Promise<string | undefined> {
  const memory = (await connection.info('memory')) ?? '';
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1] ?? 'noeviction';
  const limit = /^maxmemory:(\d+)/m.exec(memory)?.[1] ?? '0';
  if (policy === 'noeviction' || limit === '0') return undefined;
  return (
    `Redis evicts keys when its memory is full (maxmemory-policy ${policy}): leases and results may go early, and ` +
    'functions run once more. Give flights a Redis of their own with noeviction, or watch evicted_keys.'
  );
}

/** What the user's ACL has to have, as one line. */
export function aclRules(prefix: string): string {
  const commands =
    'evalsha eval subscribe unsubscribe publish set get del exists incr pexpire pttl sadd srem smembers hset hget hmget ' +
    'hdel time ping info';
  return `~${prefix}:* &${prefix}:* ${commands.replaceAll(/\S+/g, '+$&')}`;
}

export function refusedSubscription(error: unknown, prefix: string): Error {
  const rules = `+subscribe &${prefix}:*`;
  return new Error(`the ACL of its user does not let it subscribe: grant ${rules} (${String(error)})`, {
    cause: error,
  });
}

function refusedCommands(refused: readonly string[], prefix: string): Error {
  const commands = refused.filter((_, index) => index % 2 === 0);
  const errors = refused.filter((_, index) => index % 2 === 1);
  const isAbout = (word: string) => errors.some((error) => new RegExp(`\\b${word}\\b`, 'i').test(error));
  if (errors.some((error) => /\bOOM\b/.test(error))) return refusalOf(new Error(errors[0]));
  const rules = isAbout('keys?') && !isAbout('commands?') ? [`~${prefix}:*`] : commands.map((command) => `+${command}`);
  if (isAbout('channels?')) rules.splice(0, rules.length, `&${prefix}:*`);
  return new Error(`the ACL of its user lacks ${rules.join(' ')} (${errors[0] ?? ''})`);
}

function refusedAtAll(error: Error, prefix: string): Error {
  return new Error(`the ACL of its user lacks a rule; it needs ${aclRules(prefix)} (${error.message})`, {
    cause: error,
  });
}
