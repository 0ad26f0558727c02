import { describe, expect, it } from '@jest/globals';
import { InvalidOptionError } from '../../lib/core/errors.js';
import { Group } from '../../lib/core/group.js';
import { deferred } from '../support/deferred.js';
import { errorOf, expectRefusal } from '../support/refusals.js';

const type = InvalidOptionError;
const code = 'ERR_SINGLEFLIGHT_INVALID_OPTION';

const TIMEOUT = 'a number of milliseconds above 0 and at most 2147483647, or Infinity for none';
const WINDOW = 'a number of milliseconds above 0, or Infinity';
const LINGER = 'a number of milliseconds from 0 to 2147483647';

/** Values that none of the durations takes, and how an error prints them. */
const NO_DURATIONS: readonly (readonly [unknown, string])[] = [
  [NaN, 'the number NaN'],
  [-1, 'the number -1'],
  [-Infinity, 'the number -Infinity'],
  ['100', 'the string "100"'],
  [null, 'null'],
  [true, 'the boolean true'],
  [100n, 'the bigint 100n'],
  [{}, 'an object'],
  [[100], 'an array'],
  [new Date(0), 'a Date'],
  [(): number => 100, 'a function'],
  [Symbol('100'), 'a symbol'],
];

const DURATIONS: readonly (readonly [string, string, readonly (readonly [unknown, string])[]])[] = [
  [
    'joinWindowMs',
    WINDOW,
    [
      [0, 'the number 0'],
      [-0.5, 'the number -0.5'],
    ],
  ],
  [
    'flightTimeoutMs',
    TIMEOUT,
    [
      [0, 'the number 0'],
      [2 ** 31, 'the number 2147483648'],
    ],
  ],
  [
    'lingerMs',
    LINGER,
    [
      [2 ** 31, 'the number 2147483648'],
      [Infinity, 'the number Infinity'],
    ],
  ],
];

const wrongValues = DURATIONS.flatMap(([option, allowed, own]) =>
  [...NO_DURATIONS, ...own].map(([value, printed]) => ({ option, value, printed, allowed })),
);

describe('Abuse of the options of a group', () => {
  it.each(wrongValues)('$option is $printed', async ({ option, value, printed, allowed }) => {
    expectRefusal(await errorOf(() => new Group({ name: 'products', [option]: value })), {
      type,
      code,
      message: `Group 'products': \`${option}\` is ${printed}. It must be ${allowed}.`,
      group: 'products',
    });
  });

  it('an option that does not exist', async () => {
    expectRefusal(await errorOf(() => new Group({ name: 'products', ttl: 100 } as never)), {
      type,
      code,
      message:
        "Group 'products': there is no option `ttl`. The options are `name`, `joinWindowMs`, `flightTimeoutMs`, " +
        '`lingerMs`, `isolate`, `maxFlights`, `maxFollowers`, `context`, `detectDeadlocks`, ' +
        '`describeKey`, `observer`.',
      group: 'products',
    });
  });

  it('an option of a call', async () => {
    expectRefusal(await errorOf(() => new Group({ waitTimeoutMs: 100 } as never)), {
      type,
      code,
      message:
        'new Group: there is no option `waitTimeoutMs`. The options are `name`, `joinWindowMs`, `flightTimeoutMs`, `lingerMs`, ' +
        '`isolate`, `maxFlights`, `maxFollowers`, `context`, `detectDeadlocks`, `describeKey`, `observer`. ' +
        'It is given to each call.',
    });
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['the string "products"', 'products'],
    ['the number 1', 1],
    ['a function', (): number => 1],
  ])('options that are %s', async (printed, options) => {
    expectRefusal(await errorOf(() => new Group(options as never)), {
      type,
      code,
      message: `new Group: \`options\` is ${printed}. It must be an object.`,
    });
  });

  it.each<[string, unknown]>([
    ['the string ""', ''],
    ['the number 1', 1],
    ['null', null],
    ['a symbol', Symbol('name')],
  ])('a name that is %s', async (printed, name) => {
    expectRefusal(await errorOf(() => new Group({ name } as never)), {
      type,
      code,
      message: `new Group: \`name\` is ${printed}. It must be a string that is not empty.`,
    });
  });

  it.each<[string, unknown]>([
    ['the string "key"', 'key'],
    ['null', null],
    ['an object', {}],
  ])('a describeKey that is %s', async (printed, describeKey) => {
    expectRefusal(await errorOf(() => new Group({ name: 'products', describeKey } as never)), {
      type,
      code,
      message: `Group 'products': \`describeKey\` is ${printed}. It must be a function from a key to a string.`,
      group: 'products',
    });
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['a function', (): void => undefined],
    ['the string "log"', 'log'],
  ])('an observer that is %s', async (printed, observer) => {
    expectRefusal(await errorOf(() => new Group({ name: 'products', observer } as never)), {
      type,
      code,
      message: `Group 'products': \`observer\` is ${printed}. It must be an object with a method for each event it wants to hear.`,
      group: 'products',
    });
  });

  it.each([
    {},
    { name: undefined, joinWindowMs: undefined, flightTimeoutMs: undefined, lingerMs: undefined },
    { joinWindowMs: Infinity, flightTimeoutMs: Infinity, lingerMs: 0 },
    { joinWindowMs: 0.5, flightTimeoutMs: 0.5, lingerMs: 0.5 },
    { joinWindowMs: 2 ** 40, flightTimeoutMs: 2 ** 31 - 1, lingerMs: 2 ** 31 - 1 },
  ])('is none: %p', (options) => {
    expect(new Group(options).name).toBe('default');
  });
});

describe('Abuse of the options of a call', () => {
  const group = new Group({ name: 'products' });
  const place = { group: 'products', describedKey: '42' };
  let runs = 0;
  const fn = (): number => ++runs;

  /** How both `run` and `do` refuse a call. */
  async function refusalsOf(options: unknown): Promise<unknown[]> {
    const refused = [
      errorOf(() => group.run('42', fn, options as never)),
      errorOf(() => group.do('42', fn, options as never)),
    ];
    const errors = await Promise.all(refused);
    expect(runs).toBe(0);
    expect(group.size).toBe(0);
    return errors;
  }

  it.each([
    ...wrongValues,
    ...[...NO_DURATIONS, [0, 'the number 0'] as const, [2 ** 31, 'the number 2147483648'] as const].map(
      ([value, printed]) => ({ option: 'waitTimeoutMs', value, printed, allowed: TIMEOUT }),
    ),
  ])('$option is $printed', async ({ option, value, printed, allowed }) => {
    for (const error of await refusalsOf({ [option]: value })) {
      const message = `Group 'products': \`${option}\` is ${printed}. It must be ${allowed}.`;
      expectRefusal(error, { type, code, message, ...place });
    }
  });

  it('an option that does not exist', async () => {
    for (const error of await refusalsOf({ timeout: 100 })) {
      const message =
        "Group 'products': there is no option `timeout`. The options are `signal`, `waitTimeoutMs`, `joinWindowMs`, " +
        '`flightTimeoutMs`, `lingerMs`.';
      expectRefusal(error, { type, code, message, ...place });
    }
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['the number 100', 100],
    ['the string "fast"', 'fast'],
    ['a function', (): number => 1],
  ])('options that are %s', async (printed, options) => {
    for (const error of await refusalsOf(options)) {
      const message = `Group 'products': \`options\` is ${printed}. It must be an object.`;
      expectRefusal(error, { type, code, message, ...place });
    }
  });

  it.each<[string, unknown]>([
    ['an AbortController', new AbortController()],
    ['an object', { aborted: false }],
    ['null', null],
    ['the boolean true', true],
    ['the string "abort"', 'abort'],
  ])('a signal that is %s', async (printed, signal) => {
    for (const error of await refusalsOf({ signal })) {
      const message = `Group 'products': \`signal\` is ${printed}. It must be an AbortSignal.`;
      expectRefusal(error, { type, code, message, ...place });
    }
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a Promise', Promise.resolve(1)],
    ['the string "fn"', 'fn'],
    ['an object', { fn }],
  ])('a function that is %s, whether it would have run or not', async (printed, wrong) => {
    const work = deferred<number>();
    const busy = new Group({ name: 'products' });
    const leader = busy.run('busy', () => work.promise);
    for (const key of ['42', 'busy']) {
      for (const options of [undefined, {}]) {
        const calls = [
          errorOf(() => busy.run(key, wrong as never, options)),
          errorOf(() => busy.do(key, wrong as never, options)),
        ];
        for (const error of await Promise.all(calls)) {
          const message = `Group 'products': \`fn\` is ${printed}. It must be a function.`;
          expectRefusal(error, { type, code, message, group: 'products', describedKey: key });
        }
      }
    }
    expect(busy.stats()).toMatchObject({ flights: 1, callers: 1 });
    work.resolve(1);
    await leader;
  });

  it('never throws: what is refused is a rejection', () => {
    const attempts = [
      (): Promise<unknown> => group.run('42', fn, { timeout: 1 } as never),
      (): Promise<unknown> => group.do('42', fn, { timeout: 1 } as never),
      (): Promise<unknown> => group.run('42', 1 as never),
      (): Promise<unknown> => group.do('42', 1 as never),
      (): Promise<unknown> => group.run([] as never, fn),
      (): Promise<unknown> => group.run('42', fn, { signal: AbortSignal.abort() }),
    ];
    for (const attempt of attempts) {
      const refused = attempt();
      expect(refused).toBeInstanceOf(Promise);
      refused.catch(() => undefined);
    }
  });

  it.each([
    {},
    { signal: undefined, waitTimeoutMs: undefined, joinWindowMs: undefined },
    { waitTimeoutMs: Infinity, flightTimeoutMs: Infinity, joinWindowMs: Infinity },
    { waitTimeoutMs: 2 ** 31 - 1, flightTimeoutMs: 2 ** 31 - 1 },
  ])('is none: %p', async (options) => {
    await expect(new Group().run('42', () => 'done', options)).resolves.toBe('done');
  });
});
