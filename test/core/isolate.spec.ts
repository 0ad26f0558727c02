import { describe, expect, it, jest } from '@jest/globals';
import { UnshareableResultError } from '../../lib/core/errors.js';
import { Group } from '../../lib/core/group.js';
import type { Isolation } from '../../lib/core/isolate.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { errorOf, expectRefusal } from '../support/refusals.js';

interface Product {
  name: string;
  tags: string[];
}

const product = (): Product => ({ name: 'a lamp', tags: ['new'] });

/** What `callers` callers of one flight get of a value: half of them can leave, and run and do take turns. */
async function sharesOf<T>(isolate: Isolation | undefined, value: T, callers = 4): Promise<T[]> {
  const group = new Group({ name: 'products', isolate });
  const work = deferred<T>();
  const calls = Array.from({ length: callers }, async (_, index) => {
    const options = index < callers / 2 ? undefined : { signal: new AbortController().signal };
    if (index % 2 === 0) return group.run('42', () => work.promise, options);
    return (await group.do('42', () => work.promise, options)).value;
  });
  work.resolve(value);
  return Promise.all(calls);
}

describe('isolate', () => {
  it.each([[undefined], ['none' as const]])('%p: everybody gets the very same result', async (isolate) => {
    const value = product();
    for (const share of await sharesOf(isolate, value)) expect(share).toBe(value);
  });

  it('clone: everybody gets a deep copy, nobody the original', async () => {
    const value = product();
    const shares = await sharesOf('clone', value);
    for (const share of shares) expect(share).toEqual(value);
    expect(new Set([value, ...shares]).size).toBe(5);
    expect(new Set([value, ...shares].map(({ tags }) => tags)).size).toBe(5);
    shares[0]!.tags.push('changed');
    expect(value).toEqual(product());
    expect(shares[1]).toEqual(product());
  });

  it('freeze: everybody gets one frozen copy, and the original stays as it was', async () => {
    const value = product();
    const [first, ...others] = await sharesOf('freeze', value);
    expect(first).toEqual(value);
    expect(first).not.toBe(value);
    for (const other of others) expect(other).toBe(first);
    expect(() => first!.tags.push('changed')).toThrow(TypeError);
    expect(() => (first!.name = 'changed')).toThrow(TypeError);
    expect([Object.isFrozen(value), Object.isFrozen(value.tags)]).toEqual([false, false]);
  });

  it('a function: everybody gets what it makes of the result, each its own', async () => {
    const value = product();
    const copy = jest.fn((original: Product): Product => ({ ...original, name: 'a copy' }));
    const shares = await sharesOf(copy, value);
    for (const share of shares) expect(share).toEqual({ name: 'a copy', tags: ['new'] });
    expect(new Set([value, ...shares]).size).toBe(5);
    expect(copy.mock.calls).toEqual([[value], [value], [value], [value]]);
  });

  it('has made all copies before anybody wakes, whatever they then do to the original', async () => {
    const group = new Group({ isolate: 'clone' });
    const [value, work] = [product(), deferred<Product>()];
    const calls = [1, 2, 3].map((index) =>
      group
        .run('42', () => work.promise, index === 2 ? { waitTimeoutMs: 1_000 } : undefined)
        .then((share) => {
          value.tags.push('changed');
          return [...share.tags];
        }),
    );
    work.resolve(value);
    await expect(Promise.all(calls)).resolves.toEqual([['new'], ['new'], ['new']]);
  });

  it.each<[Isolation]>([['clone'], ['freeze'], [jest.fn(product)]])(
    '%p: a lone caller gets the original',
    async (isolate) => {
      const value = product();
      expect((await sharesOf(isolate, value, 1))[0]).toBe(value);
      const group = new Group({ isolate });
      expect(await group.run('42', () => value)).toBe(value);
      expect(await group.run('42', () => value, { waitTimeoutMs: 1_000 })).toBe(value);
      expect((await group.doMany(['42'], () => new Map([['42', value]]))).get('42')).toBe(value);
    },
  );

  it('counts as callers those who are aboard when the flight settles', async () => {
    const group = new Group({ isolate: 'clone' });
    const [value, work, controller] = [product(), deferred<Product>(), new AbortController()];
    const stays = group.run('42', () => work.promise);
    const leaves = errorOf(() => group.run('42', () => work.promise, { signal: controller.signal }));
    controller.abort('gone');
    work.resolve(value);
    expect(await leaves).toBe('gone');
    expect(await stays).toBe(value);
  });

  it('holds for the callers of a batch, key by key', async () => {
    const group = new Group({ isolate: 'clone' });
    const [shared, lone, work] = [product(), product(), deferred<Map<string, Product>>()];
    const many = group.doMany(['shared', 'lone'], () => work.promise);
    const one = group.run('shared', product);
    work.resolve(new Map(Object.entries({ shared, lone })));
    const values = await many;
    expect(values.get('lone')).toBe(lone);
    expect(values.get('shared')).toEqual(shared);
    expect(new Set([shared, values.get('shared'), await one]).size).toBe(3);
  });

  it('does not touch an error: everybody gets the same one', async () => {
    const group = new Group({ isolate: 'clone' });
    const [work, error] = [deferred<Product>(), new Error('failed')];
    const calls = [1, 2, 3].map(() => errorOf(() => group.run('42', () => work.promise)));
    work.reject(error);
    for (const seen of await Promise.all(calls)) expect(seen).toBe(error);
  });

  it('rejects the one caller for whom its function throws, and nobody else', async () => {
    let copies = 0;
    const error = new Error('no second copy');
    const group = new Group({
      isolate: (value: Product) => {
        if (++copies === 2) throw error;
        return { ...value };
      },
    });
    const work = deferred<Product>();
    const calls = [1, 2, 3].map(() => group.run('42', () => work.promise));
    work.resolve(product());
    const ended = await Promise.allSettled(calls);
    expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(ended[1]).toMatchObject({ reason: error });
    expect(copies).toBe(3);
    expect(group.size).toBe(0);
  });

  it.each<[Isolation]>([['clone'], ['freeze']])(
    '%p: refuses an instance of a class at any depth, naming it and the way to it, to all callers',
    async (isolate) => {
      class Money {
        constructor(readonly amount: number) {}
      }
      const group = new Group({ name: 'products', isolate });
      const work = deferred<unknown>();
      const calls = [undefined, undefined, { waitTimeoutMs: 1_000 }].map((options) =>
        errorOf(() => group.run('42', () => work.promise, options)),
      );
      work.resolve({ items: [{ price: 1 }, { price: new Money(2) }] });
      const [first, ...others] = await Promise.all(calls);
      for (const other of others) expect(other).toBe(first);
      const what = 'an instance of Money at result.items[1].price';
      expectRefusal(first, {
        type: UnshareableResultError,
        code: 'ERR_SINGLEFLIGHT_UNSHAREABLE_RESULT',
        message:
          `The function came back with ${what} for key '42' in group 'products', which \`isolate: '${String(isolate)}'\` ` +
          'refuses, because a copy would lose its prototype. Return a plain object, give `isolate` a function that ' +
          "copies it, or take 'none'.",
        group: 'products',
        describedKey: '42',
      });
      expect(first).toMatchObject({ what, isolate, obstacle: 'instance' });
      expect(group.size).toBe(0);
      expect(group.stats()).toMatchObject({ failures: 1, active: 0 });
    },
  );

  /** How two callers of a group are refused what its function came back with. */
  async function refusalOf(isolate: Isolation, result: unknown): Promise<unknown> {
    const group = new Group({ name: 'products', isolate });
    const work = deferred<unknown>();
    const calls = [1, 2].map(() => errorOf(() => group.run('42', () => work.promise)));
    work.resolve([{ part: result }]);
    return (await Promise.all(calls))[0];
  }

  it.each([
    ['Date', new Date(0)],
    ['RegExp', /a/],
    ['Map', new Map()],
    ['Set', new Set()],
    ['Buffer', Buffer.of(1)],
    ['Uint8Array', Uint8Array.of(1)],
    ['RangeError', new RangeError('a')],
  ])("'freeze': refuses a %s, which stays changeable, and says that 'clone' takes it", async (name, result) => {
    expectRefusal(await refusalOf('freeze', result), {
      type: UnshareableResultError,
      code: 'ERR_SINGLEFLIGHT_UNSHAREABLE_RESULT',
      message:
        `The function came back with an instance of ${name} at result[0].part for key '42' in group 'products', which ` +
        "`isolate: 'freeze'` refuses, because it stays changeable when it is frozen. Take 'clone', which gives each " +
        "caller a copy, give `isolate` a function, or take 'none'.",
      group: 'products',
      describedKey: '42',
    });
    await expect(refusalOf('clone', result)).rejects.toThrow('Nothing was refused.');
  });

  it.each<[Isolation]>([['clone'], ['freeze']])('%p: refuses a function and a symbol', async (isolate) => {
    for (const result of [(): number => 1, Symbol('a')]) {
      expectRefusal(await refusalOf(isolate, result), {
        type: UnshareableResultError,
        code: 'ERR_SINGLEFLIGHT_UNSHAREABLE_RESULT',
        message:
          `The function came back with a ${typeof result} at result[0].part for key '42' in group 'products', which ` +
          `\`isolate: '${String(isolate)}'\` refuses, because it cannot be copied. Leave it out, give \`isolate\` a ` +
          "function, or take 'none'.",
        group: 'products',
        describedKey: '42',
      });
    }
  });

  describe('of a result that lingers', () => {
    fakeTime();

    it('gives nobody the original, not even a lone caller', async () => {
      const group = new Group({ isolate: 'clone', lingerMs: 100 });
      const value = product();
      const shares = [
        await group.run('42', () => value),
        await group.run('42', product),
        await group.run('42', product, { waitTimeoutMs: 1_000 }),
        (await group.do('42', product)).value,
        (await group.doMany(['42'], () => new Map<string, Product>())).get('42')!,
      ];
      for (const share of shares) expect(share).toEqual(value);
      expect(new Set([value, ...shares]).size).toBe(6);
      await pass(100);
      expect(group.size).toBe(0);
    });

    it('gives all the same frozen copy', async () => {
      const group = new Group({ isolate: 'freeze', lingerMs: 100 });
      const value = product();
      const first = await group.run('42', () => value);
      expect(first).not.toBe(value);
      expect(await group.run('42', product)).toBe(first);
      await pass(100);
    });

    it('does not keep what cannot be copied', async () => {
      const group = new Group({ isolate: 'clone', lingerMs: 100 });
      expect(await errorOf(() => group.run('42', () => Symbol('a')))).toBeInstanceOf(UnshareableResultError);
      expect(group.size).toBe(0);
    });

    it('rejects a late caller for whom the function throws', async () => {
      let copies = 0;
      const isolate = (value: number): number => {
        if (++copies === 2) throw new Error('no second copy');
        return value;
      };
      const group = new Group({ isolate, lingerMs: 100 });
      expect(await group.run('42', () => 42)).toBe(42);
      await expect(group.run('42', () => 0)).rejects.toThrow('no second copy');
      expect(await group.run('42', () => 0)).toBe(42);
    });
  });
});
