import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import { DeadlockError } from '../../lib/core/errors.js';
import { Group } from '../../lib/core/group.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { errorOf, expectRefusal } from '../support/refusals.js';
import { turn } from '../support/turns.js';

const { NODE_ENV } = process.env;
afterEach(() => {
  process.env.NODE_ENV = NODE_ENV;
});

const groupOf = (name: string): Group => new Group({ name, detectDeadlocks: true });

function expectChain(error: unknown, ...chain: string[]): void {
  expectRefusal(error, {
    type: DeadlockError,
    code: 'ERR_SINGLEFLIGHT_DEADLOCK',
    message:
      `This call would wait for itself: ${chain.join(' → ')}. Call the inner function directly, use another key, let ` +
      'this caller leave (`signal`, `waitTimeoutMs`), or, if the flight does not await it, call it in ' +
      'outsideFlight(fn).',
  });
  expect(error).toMatchObject({ chain });
}

describe('A call that would wait for itself is refused', () => {
  it.each([
    ['run', (group: Group) => group.run('a', () => 'not run')],
    ['do', (group: Group) => group.do('a', () => 'not run')],
    ['run with options that do not let it leave', (group: Group) => group.run('a', () => 'not run', { lingerMs: 1 })],
    ['doMany', (group: Group) => group.doMany(['b', 'a'], () => new Map())],
  ])('through its own key, by %s', async (_, call) => {
    const group = groupOf('g');
    let runs = 0;
    for (const early of [true, false]) {
      const outer = group.run('a', async () => {
        runs++;
        if (!early) await turn();
        return call(group);
      });
      expectChain(await errorOf(() => outer), 'g(a)', 'g(a)');
    }
    expect(runs).toBe(2);
    expect(group.size).toBe(0);
    expect(group.stats()).toMatchObject({ flights: 2, followers: 0, failures: 2, active: 0 });
  });

  it('through two keys, whichever closes the circle', async () => {
    const group = groupOf('g');
    const [aWaits, bWaits] = [deferred(), deferred()];
    const a = group.run('a', async () => {
      await aWaits.promise;
      return group.run('b', () => 'not run');
    });
    const b = group.run('b', async () => {
      await bWaits.promise;
      return group.run('a', () => 'not run');
    });
    aWaits.resolve();
    await turn();
    const failed = [errorOf(() => a), errorOf(() => b)];
    bWaits.resolve();
    const [ofA, ofB] = await Promise.all(failed);
    expectChain(ofB, 'g(b)', 'g(a)', 'g(b)');
    expect(ofA).toBe(ofB);
    expect(group.stats()).toMatchObject({ flights: 2, followers: 1, failures: 2 });
  });

  it('through flights that it starts itself, three keys of two groups deep', async () => {
    const [one, two] = [groupOf('one'), groupOf('two')];
    const call = one.run('a', () => two.run('b', () => one.run('c', () => one.run('a', () => 'not run'))));
    expectChain(await errorOf(() => call), 'one(c)', 'one(a)', 'two(b)', 'one(c)');
    expect([one.stats(), two.stats()]).toMatchObject([
      { flights: 2, followers: 0 },
      { flights: 1, followers: 0 },
    ]);
  });

  it('through a batch, which is named by its keys', async () => {
    const group = groupOf('g');
    const batch = group.doMany(['a', 'b'], async () => new Map([['a', await group.run('b', () => 'not run')]]));
    expectChain(await errorOf(() => batch), 'g(a, b)', 'g(a, b)');
    const through = group.doMany(['a', 'b'], () =>
      group.run('c', async () => new Map([['a', await group.run('a', () => 'not run')]])),
    );
    expectChain(await errorOf(() => through), 'g(c)', 'g(a, b)', 'g(c)');
    expect(group.size).toBe(0);
  });

  it('through a flight that a batch has joined', async () => {
    const group = groupOf('g');
    const joined = deferred();
    const b = group.run('b', async () => {
      await joined.promise;
      return group.run('a', () => 'not run');
    });
    const a = group.run('a', async () => {
      const many = group.doMany(['c', 'b'], (keys) => new Map(keys.map((key) => [key, key])));
      joined.resolve();
      return (await many).get('c')!;
    });
    const [ofA, ofB] = await Promise.all([errorOf(() => a), errorOf(() => b)]);
    expectChain(ofB, 'g(b)', 'g(a)', 'g(b)');
    expect(ofA).toBe(ofB);
  });

  it('through the other key of a batch', async () => {
    const group = groupOf('g');
    const error = await errorOf(() =>
      group.doMany(['a', 'b'], () => group.run('c', async () => new Map([['b', await group.run('b', () => '')]]))),
    );
    expectChain(error, 'g(c)', 'g(a, b)', 'g(c)');
  });

  it('and tells observers', async () => {
    const rejected: unknown[] = [];
    const observer = { reject: ({ error }: { error: unknown }) => rejected.push(error) };
    const group = new Group({ detectDeadlocks: true, observer });
    const error = await errorOf(() => group.run('a', () => group.run('a', () => 'not run')));
    expect(rejected).toEqual([error]);
  });

  it('unless told otherwise when NODE_ENV is not production', async () => {
    process.env.NODE_ENV = 'test';
    const group = new Group();
    expectChain(await errorOf(() => group.run('a', () => group.run('a', () => 1))), 'default(a)', 'default(a)');
  });
});

describe('A call is not refused', () => {
  it.each([
    ['with a signal', { signal: new AbortController().signal }],
    ['with a time limit', { waitTimeoutMs: 100 }],
  ])('when its caller can leave: %s', async (_, options) => {
    const group = groupOf('g');
    const inner: Promise<string>[] = [];
    const outer = group.run('a', async () => {
      inner.push(group.run('a', () => 'not run', options));
      return 'outer';
    });
    await expect(Promise.all([outer, ...inner])).resolves.toEqual(['outer', 'outer']);
  });

  it.each([
    ['started', false],
    ['joined', true],
  ])('when the one who closes the circle is waited for by somebody who %s it and can leave', async (_, joins) => {
    const group = groupOf('g');
    const [asked, work] = [deferred(), deferred()];
    const loadB = async (): Promise<string> => {
      await asked.promise;
      return group.run('a', () => 'not run');
    };
    const b = joins ? group.run('b', loadB) : undefined;
    const a = group.run('a', async () => {
      const left = group.run('b', loadB, { signal: new AbortController().signal });
      void left.catch(() => undefined);
      asked.resolve();
      await work.promise;
      return 'a';
    });
    await turn();
    expect(group.stats()).toMatchObject({ flights: 2, followers: joins ? 2 : 1, failures: 0 });
    work.resolve();
    await expect(a).resolves.toBe('a');
    if (b !== undefined) await expect(b).resolves.toBe('a');
  });

  it('when it is made from the same context after the inner flight has settled', async () => {
    const group = groupOf('g');
    const outer = group.run('a', async () => {
      const first = await group.run('b', () => 1);
      const second = await group.run('b', async () => 2);
      await expect(group.run('c', () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
      const third = await group.run('c', async () => 3);
      return [first, second, third];
    });
    await expect(outer).resolves.toEqual([1, 2, 3]);
  });

  it('when it is made in the context of a flight that is over', async () => {
    const group = groupOf('g');
    const [inner, settled] = [deferred<Promise<string>>(), deferred()];
    const outer = group.run('a', () => {
      void settled.promise.then(() => inner.resolve(group.run('a', () => 'a new flight')));
      return 'outer';
    });
    await expect(outer).resolves.toBe('outer');
    settled.resolve();
    await expect(inner.promise).resolves.toBe('a new flight');
    expect(group.stats()).toMatchObject({ flights: 2, followers: 0 });
  });

  it('when a second caller asks from outside', async () => {
    const group = groupOf('g');
    const work = deferred<string>();
    const outer = group.run('a', () => group.run('b', () => work.promise));
    const others = [group.run('a', () => 'not run'), group.run('b', () => 'not run')];
    work.resolve('done');
    await expect(Promise.all([outer, ...others])).resolves.toEqual(['done', 'done', 'done']);
  });

  it('when siblings wait for the same key, in one flight or in two', async () => {
    const group = groupOf('g');
    const work = deferred<string>();
    const load = (): Promise<string> => work.promise;
    const siblings = (): Promise<string[]> => Promise.all([1, 2, 3].map(() => group.run('shared', load)));
    const calls = [group.run('a', siblings), group.run('b', siblings)];
    work.resolve('done');
    const all = ['done', 'done', 'done'];
    await expect(Promise.all(calls)).resolves.toEqual([all, all]);
    expect(group.stats()).toMatchObject({ flights: 3, followers: 5 });
  });

  it('when the key has been forgotten: it starts a flight of its own', async () => {
    const group = groupOf('g');
    const outer = group.run('a', () => {
      group.forget('a');
      return group.run('a', () => 'inner');
    });
    await expect(outer).resolves.toBe('inner');
  });

  it('because of a call that was refused: it leaves no trace', async () => {
    const group = groupOf('g');
    const [refused, again] = [deferred(), deferred()];
    const a = group.run('a', async () => {
      expect(await errorOf(() => group.doMany(['x', 'a'], () => new Map()))).toBeInstanceOf(DeadlockError);
      expect(await errorOf(() => group.doMany(['b', 'a'], () => new Map()))).toBeInstanceOf(DeadlockError);
      refused.resolve();
      await again.promise;
      return 'a';
    });
    const b = group.run('b', async () => {
      await refused.promise;
      // Had the refused batch joined b, this would close a circle.
      const joined = group.run('a', () => 'not run');
      again.resolve();
      return joined;
    });
    await expect(Promise.all([a, b])).resolves.toEqual(['a', 'a']);
    expect(group.stats()).toMatchObject({ flights: 2, followers: 1, failures: 0 });
  });

  describe('in time', () => {
    fakeTime();

    it('when the flight around it has timed out', async () => {
      const group = new Group({ detectDeadlocks: true, flightTimeoutMs: 100 });
      const [work, inner] = [deferred(), deferred<Promise<string>>()];
      const outer = errorOf(() =>
        group.run('a', async () => {
          await work.promise;
          inner.resolve(group.run('a', async () => 'inner'));
        }),
      );
      await pass(100);
      expect(await outer).toMatchObject({ name: 'FlightTimeoutError' });
      work.resolve();
      await expect(inner.promise).resolves.toBe('inner');
    });

    it('when the chain would lead through a flight that has timed out', async () => {
      const group = groupOf('g');
      const [go, work] = [deferred(), deferred()];
      let inner: Promise<string> | undefined;
      const c = async (): Promise<string> => {
        await go.promise;
        return (inner = group.run('a', () => 'not run'));
      };
      // a waits for b, and b for c; when b has timed out, a waits for nobody.
      const a = group.run('a', async () => {
        const error = await errorOf(() => group.run('b', () => group.run('c', c), { flightTimeoutMs: 100 }));
        await work.promise;
        return (error as Error).name;
      });
      await pass(100);
      go.resolve();
      await pass(0);
      work.resolve();
      await expect(a).resolves.toBe('FlightTimeoutError');
      await expect(inner).resolves.toBe('FlightTimeoutError');
    });

    it('when the result lingers', async () => {
      const group = new Group({ detectDeadlocks: true, lingerMs: 100 });
      await group.run('b', () => 'lingers');
      await expect(group.run('a', () => group.run('b', () => 'not run'))).resolves.toBe('lingers');
    });
  });
});

describe('Where deadlocks are not looked for', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it.each([
    ['told so', 'test', { detectDeadlocks: false }],
    ['NODE_ENV is production', 'production', {}],
  ])('because %s: no AsyncLocalStorage is used, and a call may join itself', async (_, env, options) => {
    process.env.NODE_ENV = env;
    const group = new Group(options);
    process.env.NODE_ENV = NODE_ENV;
    const used = [jest.spyOn(AsyncLocalStorage.prototype, 'run'), jest.spyOn(AsyncLocalStorage.prototype, 'getStore')];
    const inner: Promise<string>[] = [];
    const outer = group.run('a', async () => {
      inner.push(group.run('a', () => 'not run'));
      return 'outer';
    });
    const many = group.doMany(['a', 'b'], () => new Map());
    await expect(Promise.all([outer, ...inner, many])).resolves.toEqual(['outer', 'outer', new Map([['a', 'outer']])]);
    await group.run('c', () => 1, { waitTimeoutMs: 1_000 });
    for (const spy of used) expect(spy).not.toHaveBeenCalled();
  });

  it('although NODE_ENV is production, they are when told so', async () => {
    process.env.NODE_ENV = 'production';
    const group = groupOf('g');
    expectChain(await errorOf(() => group.run('a', () => group.run('a', () => 1))), 'g(a)', 'g(a)');
  });
});
