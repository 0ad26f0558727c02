import { describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import pg from 'pg';
import { createClient } from 'redis';
import { InvalidKeyError, InvalidOptionError } from '../../lib/core/errors.js';
import { FleetGroup } from '../../lib/fleet/fleet-group.js';
import { MemoryEngine } from '../../lib/fleet/memory-engine.js';
import { MemoryHub } from '../../lib/fleet/memory-hub.js';
import { errorOf, expectRefusal } from '../support/refusals.js';

const type = InvalidOptionError;
const code = 'ERR_SINGLEFLIGHT_INVALID_OPTION';
const engine = new MemoryEngine(new MemoryHub(), { minLeaseMs: 10 });
const good = { app: 'shop', fleet: 'product', name: 'products', engine };

const NAME = 'a string that is not empty, the same in every process';
const from = (least: number): string => `a number of milliseconds from ${least} to 2147483647`;
const CODEC = 'a codec: an object with a name of less than 256 bytes, and the functions encode and decode';

const WRONG: readonly (readonly [option: string, value: unknown, printed: string, allowed: string])[] = [
  ...(['app', 'fleet'] as const).flatMap((option) => [
    [option, '', 'the string ""', NAME] as const,
    [option, 1, 'the number 1', NAME] as const,
    [option, null, 'null', NAME] as const,
  ]),
  ['app', undefined, 'undefined', NAME],
  ['version', 2, 'the number 2', 'a string'],
  ['engine', undefined, 'undefined', 'a FlightEngine, such as a RedisEngine'],
  ['engine', {}, 'an object', 'a FlightEngine, such as a RedisEngine'],
  ['engine', MemoryEngine, 'a function', 'a FlightEngine, such as a RedisEngine'],
  ['leaseMs', 9, 'the number 9', from(10)],
  ['leaseMs', '10', 'the string "10"', from(10)],
  ['leaseMs', Infinity, 'the number Infinity', from(10)],
  ['retainMs', 9_999, 'the number 9999', from(10_000)],
  ['maxRunMs', 5, 'the number 5', from(10)],
  ['operationTimeoutMs', 0, 'the number 0', from(1)],
  ['operationTimeoutMs', NaN, 'the number NaN', from(1)],
  ['degradeAfterMs', -1, 'the number -1', from(1)],
  ['whenDown', 'wait', 'the string "wait"', "'local' or 'fail'"],
  ['codec', {}, 'an object', CODEC],
  ['codec', JSON, 'an object', CODEC],
  ['errors', Error, 'a function', 'an array of { class, properties }'],
  ['random', 0.5, 'the number 0.5', 'a function that returns a number from 0 to below 1'],
];

describe('Abuse of the options of a fleet', () => {
  it.each(WRONG)('%s: %p', async (option, value, printed, allowed) => {
    expectRefusal(await errorOf(() => new FleetGroup({ ...good, [option]: value })), {
      ...{ type, code, group: 'products' },
      message: `Group 'products': \`${option}\` is ${printed}. It must be ${allowed}.`,
    });
  });

  it('an option that does not exist', async () => {
    expectRefusal(await errorOf(() => new FleetGroup({ ...good, lease: 1 } as never)), {
      ...{ type, code, group: 'products' },
      message:
        "Group 'products': there is no option `lease`. " +
        'The options are `name`, `joinWindowMs`, `flightTimeoutMs`, `lingerMs`, `isolate`, ' +
        '`maxFlights`, `maxFollowers`, `context`, `detectDeadlocks`, `describeKey`, `observer`, `app`, `version`, ' +
        '`engine`, `leaseMs`, `retainMs`, `maxRunMs`, `operationTimeoutMs`, `degradeAfterMs`, `whenDown`, `codec`, ' +
        '`errors`, `random`, `fleet`.',
    });
  });

  it('names the constructor where the group has no name', async () => {
    const refused = await errorOf(() => new FleetGroup({ ...good, name: undefined, lease: 1 } as never));
    expect(String(refused)).toMatch(/^InvalidOptionError: new FleetGroup: there is no option `lease`\. The options/);
    const errors = [{ class: class Sold extends Error {} }, { class: class Sold extends Error {} }];
    expectRefusal(await errorOf(() => new FleetGroup({ ...good, errors })), {
      ...{ type, code, group: 'products' },
      message: `Group 'products': \`errors\` is the string "Sold". It must be of classes with different names.`,
    });
  });

  it.each<[string, object, string]>([
    ["ioredis' Redis", new Redis({ lazyConnect: true }), 'new RedisEngine({ client })'],
    ["node-redis' createClient", createClient(), 'new RedisEngine({ client })'],
    ["pg's Pool", new pg.Pool(), 'new PostgresEngine({ pool })'],
  ])('an engine that is %s: it has to be wrapped', async (_, engine, wrapped) => {
    const message = String(await errorOf(() => new FleetGroup({ ...good, engine } as never)));
    expect(message).toContain(`It must be a FlightEngine, such as a RedisEngine. Wrap it: ${wrapped}. [ERR_`);
  });

  it('an option of a group', async () => {
    expectRefusal(await errorOf(() => new FleetGroup({ ...good, lingerMs: -1 })), {
      ...{ type, code, group: 'products' },
      message:
        "Group 'products': `lingerMs` is the number -1. It must be a number of milliseconds from 0 to 2147483647.",
    });
  });
});

describe('Abuse of a call of a fleet', () => {
  const group = new FleetGroup(good);
  const place = { group: 'products', describedKey: '42' };
  let runs = 0;
  const fn = (): number => ++runs;

  it.each<[string, unknown, string]>([
    ['fleet', '', `\`fleet\` is the string "". It must be ${NAME}.`],
    ['fleet', 1, `\`fleet\` is the number 1. It must be ${NAME}.`],
    ['lingerMs', -1, '`lingerMs` is the number -1. It must be a number of milliseconds from 0 to 2147483647.'],
    ['signal', {}, '`signal` is an object. It must be an AbortSignal.'],
    [
      'timeout',
      1,
      'there is no option `timeout`. The options are `signal`, `waitTimeoutMs`, `joinWindowMs`, `flightTimeoutMs`, ' +
        '`lingerMs`, `fleet`.',
    ],
  ])('%s: %p', async (option, value, message) => {
    for (const verb of ['run', 'do'] as const) {
      const error = await errorOf(() => group[verb]('42', fn, { [option]: value }));
      expectRefusal(error, { type, code, ...place, message: `Group 'products': ${message}` });
    }
    expect([runs, group.size]).toEqual([0, 0]);
  });

  it('a function that is none, a key that is no string, and no name at all', async () => {
    expectRefusal(await errorOf(() => group.run('42', 1 as never)), {
      ...{ type, code, ...place },
      message: "Group 'products': `fn` is the number 1. It must be a function.",
    });
    for (const call of [() => group.run(['42'] as never, fn), () => group.forget(['42'] as never)]) {
      expectRefusal(await errorOf(call), {
        ...{ type: InvalidKeyError, code: 'ERR_SINGLEFLIGHT_INVALID_KEY', group: 'products' },
        message: "Group 'products': the key is an array. Use a string, such as encodeKey(key).",
      });
    }
    const nameless = new FleetGroup({ ...good, fleet: undefined });
    expectRefusal(await errorOf(() => nameless.run('42', fn)), {
      ...{ type, code, ...place },
      message: `Group 'products': \`fleet\` is undefined. It must be ${NAME}.`,
    });
    await expect(nameless.run('42', () => 'named', { fleet: 'product' })).resolves.toBe('named');
    await Promise.all([group.close(), nameless.close()]);
  });

  it('after it was closed', async () => {
    const closed = new FleetGroup(good);
    await closed.close();
    await expect(closed.run('42', fn)).rejects.toMatchObject({ code: 'ERR_SINGLEFLIGHT_GROUP_CLOSED', ...place });
  });
});
