import { describe, expect, it } from '@jest/globals';
import { Group } from '../../lib/core/group.js';
import { encodeKey, type FlightKey } from '../../lib/core/key.js';
import { deferred } from '../support/deferred.js';

/** How many flights calls with these keys make. */
async function flightsOf(keys: readonly unknown[]): Promise<number> {
  const group = new Group<unknown>();
  const work = deferred();
  const calls = keys.map((key) => group.run(key, () => work.promise.then(() => key)));
  const { flights } = group.stats();
  work.resolve();
  const answers = await Promise.all(calls);
  expect(answers.every((answer, index) => Object.is(answer, keys[index]))).toBe(true);
  return flights;
}

const INHERITED = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '', ' '];

describe('11. Keys never collide', () => {
  it('takes `__proto__` and its kind as keys like any other', async () => {
    expect(await flightsOf(INHERITED)).toBe(INHERITED.length);
    expect(await flightsOf(INHERITED.map((key) => encodeKey(key)))).toBe(INHERITED.length);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });

  it('compares keys as a Map does', async () => {
    const keys = [1, '1', 1n, true, 'true', null, 'null', undefined, 'undefined', Symbol('a'), Symbol('a'), {}, {}];
    expect(await flightsOf(keys)).toBe(keys.length);
    const object = {};
    expect(await flightsOf([NaN, NaN, object, object])).toBe(2);
  });

  it('joins on the same key, for every kind of it', async () => {
    const group = new Group<unknown>();
    for (const key of [1, '1', 1n, NaN, null, undefined, '__proto__', {}]) {
      const work = deferred();
      void group.run(key, () => work.promise);
      const follower = group.do(key, () => work.promise);
      work.resolve();
      await expect(follower).resolves.toMatchObject({ role: 'follower' });
    }
  });

  it.each<[FlightKey, FlightKey]>([
    [1, '1'],
    [1, 1n],
    ['#1', 1],
    [true, 'true'],
    [true, 1],
    [
      ['a', 'b:c'],
      ['a:b', 'c'],
    ],
    [['a,b'], ['a', 'b']],
    [
      ['a"', 'b'],
      ['a', '"b'],
    ],
    [
      ['a', ['b']],
      ['a', 'b'],
    ],
    [[['a'], 'b'], [['a', 'b']]],
    [['a","b'], ['a', 'b']],
    [['a\\'], ['a\\\\']],
    [[], ''],
    [[], [[]]],
    [[], [null]],
    [[null], ['null']],
    [[1], ['1']],
    [[1], 1],
    [[1, 2], '[1,2]'],
    [['a'], '["a"]'],
    ['"a', '""a'],
    ['@a', '"@a'],
    [['\ud800'], ['\\ud800']],
    [[1n], ['1n']],
  ])('%p is not %p', async (one, other) => {
    expect(encodeKey(one)).not.toBe(encodeKey(other));
    expect(await flightsOf([encodeKey(one), encodeKey(other)])).toBe(2);
  });

  it('keeps groups apart, those of one name too', async () => {
    const groups = [new Group(), new Group(), new Group({ name: 'products' }), new Group({ name: 'products' })];
    const work = deferred<number>();
    let runs = 0;
    const calls = groups.map((group) =>
      group.run('key', async () => {
        runs++;
        return work.promise;
      }),
    );
    expect(runs).toBe(4);
    groups[2]!.forget('key');
    expect(groups.map(({ size }) => size)).toEqual([1, 1, 0, 1]);
    work.resolve(1);
    await Promise.all(calls);
  });
});
