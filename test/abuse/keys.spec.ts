import { describe, expect, it } from '@jest/globals';
import { InvalidKeyError } from '../../lib/core/errors.js';
import { Group } from '../../lib/core/group.js';
import { encodeKey } from '../../lib/core/key.js';
import { deferred } from '../support/deferred.js';
import { errorOf, expectRefusal } from '../support/refusals.js';

const type = InvalidKeyError;
const code = 'ERR_SINGLEFLIGHT_INVALID_KEY';
const REMEDY = 'Use a string, a number, or an array of them, such as [user.tenantId, user.id].';
const UNDEFINED_REMEDY =
  'callers who lack that value would share one flight. Use undefined alone and the call is not coalesced, or put null ' +
  'where having none is a value of its own.';

class User {
  readonly id = 1;
}

const KINDS: readonly (readonly [string, unknown])[] = [
  ['an object', {}],
  ['an object', Object.create(null)],
  ['a Promise', Promise.resolve('key')],
  ['a User', new User()],
  ['a Date', new Date(0)],
  ['a Map', new Map()],
  ['a Set', new Set(['key'])],
  ['a Buffer', Buffer.from('key')],
  ['an Error', new Error('key')],
  ['a String', Object('key')],
  ['a Number', Object(1)],
  ['a symbol', Symbol('key')],
  ['a function', (): string => 'key'],
  ['a function', User],
  ['NaN', NaN],
];

describe('Abuse of keys', () => {
  it.each(KINDS)('%s', async (printed, key) => {
    const message = `The key is ${printed}. ${REMEDY}`;
    expectRefusal(await errorOf(() => encodeKey(key as never)), { type, code, message });
  });

  it.each([
    ['undefined', undefined],
    ['null', null],
  ])('%s alone', async (printed, key) => {
    const message = `The key is ${printed}. ${REMEDY}`;
    expectRefusal(await errorOf(() => encodeKey(key as never)), { type, code, message });
  });

  it.each(KINDS)('an array with %s', async (printed, part) => {
    const message = `The key is an array with ${printed} at [1]. ${REMEDY}`;
    expectRefusal(await errorOf(() => encodeKey(['tenant', part] as never)), { type, code, message });
  });

  it.each<[string, unknown[], string]>([
    ['undefined in an array', ['tenant', undefined], '[1]'],
    ['undefined first', [undefined, 'id'], '[0]'],
    ['undefined in a nested array', ['tenant', ['a', ['b', undefined]]], '[1][1][1]'],
    // eslint-disable-next-line no-sparse-arrays -- the hole is the point
    ['a hole', ['tenant', , 'id'], '[1]'],
    ['an array of holes', new Array<string>(3), '[0]'],
  ])('%s', async (_, key, place) => {
    const message = `The key is an array with undefined at ${place}: ${UNDEFINED_REMEDY}`;
    expectRefusal(await errorOf(() => encodeKey(key as never)), { type, code, message });
  });

  it('an object in a nested array', async () => {
    const message = `The key is an array with an object at [0][2]. ${REMEDY}`;
    expectRefusal(await errorOf(() => encodeKey([[1, 2, {}]] as never)), { type, code, message });
  });

  it('an array that contains itself, or is nested too deep', async () => {
    const cyclic: unknown[] = ['a'];
    cyclic.push(cyclic);
    let deep: unknown = 'a';
    for (let depth = 0; depth < 33; depth++) deep = [deep];
    const message = 'The key is an array nested deeper than 32 levels, or one that contains itself. Use a flat array.';
    expectRefusal(await errorOf(() => encodeKey(cyclic as never)), { type, code, message });
    expectRefusal(await errorOf(() => encodeKey(deep as never)), { type, code, message });
    expect(encodeKey((deep as never)[0])).toBe(`${'['.repeat(32)}"a"${']'.repeat(32)}`);
  });

  it('says where the key came from', async () => {
    const message = `The key function of Users.find returned an object. ${REMEDY}`;
    const attempt = (): string => encodeKey({} as never, 'The key function of Users.find returned');
    expectRefusal(await errorOf(attempt), { type, code, message });
  });

  it('an array as the key of a group, whether options come with it or not', async () => {
    const group = new Group<unknown>({ name: 'products' });
    const fn = (): string => 'not run';
    const attempts = [
      (): unknown => group.run(['a', 1], fn),
      (): unknown => group.run(['a', 1], fn, { waitTimeoutMs: 100 }),
      (): unknown => group.do(['a', 1], fn),
    ];
    for (const attempt of attempts) {
      const message =
        "Group 'products': the key is an array, which equals no other array. Use a string, such as encodeKey(key).";
      expectRefusal(await errorOf(attempt), { type, code, message, group: 'products' });
    }
    expect(group.stats().flights).toBe(0);
    expect(group.forget(['a', 1])).toBe(false);
  });

  it('prints no more of a key than its first 64 characters, whatever it is', async () => {
    const group = new Group<unknown>();
    const work = deferred();
    const secret = 'x'.repeat(64) + 'secret';
    for (const key of [secret, Symbol(secret), { secret }, null, undefined, 10n, -0, false]) {
      void group.run(key, () => work.promise);
    }
    expect(group.inFlight().map(({ key }) => key)).toEqual([
      'x'.repeat(64),
      `Symbol(${'x'.repeat(57)}`,
      'an object',
      'null',
      'undefined',
      '10',
      '0',
      'false',
    ]);
    work.resolve();
  });
});
