import { describe, expect, it, jest } from '@jest/globals';
import { GroupClosedError, InvalidOptionError } from '../../lib/core/errors.js';
import { Group } from '../../lib/core/group.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { errorOf, expectRefusal } from '../support/refusals.js';
import { isPending, turn } from '../support/turns.js';

const never = (): Promise<never> => new Promise(() => undefined);

describe('Group.close', () => {
  it('resolves at once when nothing is under way', async () => {
    const group = new Group();
    await expect(group.close()).resolves.toBeUndefined();
    expect(group.size).toBe(0);
  });

  it('lets no flight start any more, by any call, and says so', async () => {
    const rejected: string[] = [];
    const group = new Group({ name: 'products', observer: { reject: (event) => rejected.push(event.describedKey) } });
    const closed = group.close();
    const fn = jest.fn(() => 'not run');
    const errors = [
      await errorOf(() => group.run('42', fn)),
      await errorOf(() => group.do('42', fn, { waitTimeoutMs: 1_000 })),
      await errorOf(() => group.doMany(['42'], fn as never)),
    ];
    for (const error of errors) {
      expectRefusal(error, {
        type: GroupClosedError,
        code: 'ERR_SINGLEFLIGHT_GROUP_CLOSED',
        message:
          "The group is closed for key '42' in group 'products'. Stop asking before you close it, or raise `graceMs` if " +
          'a flight was cut short.',
        group: 'products',
        describedKey: '42',
      });
    }
    await closed;
    expect(await errorOf(() => group.run('42', fn))).toBeInstanceOf(GroupClosedError);
    expect(rejected).toEqual(['42', '42', '42', '42']);
    expect(fn).not.toHaveBeenCalled();
    expect(group.stats()).toMatchObject({ flights: 0, callers: 0 });
  });

  it.each([true, false])(
    'lets flights under way be joined, and waits for them (detectDeadlocks: %p)',
    async (detectDeadlocks) => {
      const group = new Group({ detectDeadlocks });
      const work = deferred<string>();
      const leader = group.run('a', () => work.promise);
      const closed = group.close();
      const followers = [
        group.run('a', () => 'not run'),
        group.run('a', () => 'not run', { waitTimeoutMs: 1_000 }),
        group.doMany<string>(['a'], () => new Map()).then((values) => values.get('a')),
      ];
      expect(await isPending(closed)).toBe(true);
      expect(group.inFlight()).toMatchObject([{ callers: 4 }]);
      expect(await errorOf(() => group.doMany(['a', 'b'], () => new Map()))).toBeInstanceOf(GroupClosedError);
      expect(group.inFlight()).toMatchObject([{ callers: 4 }]);
      work.resolve('done');
      await closed;
      await expect(Promise.all([leader, ...followers])).resolves.toEqual(['done', 'done', 'done', 'done']);
      expect(group.stats()).toMatchObject({ flights: 1, followers: 3, failures: 0, active: 0 });
    },
  );

  it('waits for what is adrift, and for batches', async () => {
    const group = new Group();
    const [adrift, batch] = [deferred<string>(), deferred<Map<string, string>>()];
    const calls = [group.run('a', () => adrift.promise), group.doMany(['b', 'c'], () => batch.promise)];
    group.forget('a');
    const closed = group.close();
    batch.resolve(new Map());
    expect(await isPending(closed)).toBe(true);
    adrift.resolve('done');
    await closed;
    await Promise.all(calls);
    expect(group.stats()).toMatchObject({ active: 0, adrift: 0, failures: 0 });
  });

  it('hears of the end of a batch, the last that was under way', async () => {
    const group = new Group();
    const work = deferred<Map<string, string>>();
    const many = group.doMany(['a', 'b'], () => work.promise);
    const closed = group.close();
    expect(await isPending(closed)).toBe(true);
    work.resolve(new Map());
    await many;
    expect(await isPending(closed)).toBe(false);
  });

  it('waits when flights fail as well', async () => {
    const group = new Group();
    const work = deferred();
    const failed = errorOf(() => group.run('a', () => work.promise));
    const closed = group.close();
    work.reject('failed');
    await expect(closed).resolves.toBeUndefined();
    expect(await failed).toBe('failed');
  });

  it('gives the same promise to whoever closes it again', async () => {
    const group = new Group();
    const work = deferred();
    const call = group.run('a', () => work.promise);
    const closed = group.close();
    expect(group.close()).toBe(closed);
    expect(group.close({ graceMs: 0 })).toBe(closed);
    work.resolve();
    await Promise.all([closed, call]);
    expect(group.close()).toBe(closed);
  });

  it.each([
    [{ graceMs: -1 }, /^Group 'products': `graceMs` is the number -1\. It must be a number of milliseconds from 0 to /],
    [{ graceMs: NaN }, /^Group 'products': `graceMs` is /],
    [{ graceMs: '5' }, /^Group 'products': `graceMs` is the string "5"\./],
    [{ graceMs: Infinity }, /^Group 'products': `graceMs` is /],
    [{ timeout: 5 }, /^Group 'products': there is no option `timeout`\. The options are `graceMs`\./],
    [null, /^Group 'products': `options` is null\. It must be an object\./],
  ])('rejects with a bad option %j, and does not close', async (options, message) => {
    const group = new Group({ name: 'products' });
    const error = await errorOf(() => group.close(options as never));
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect((error as Error).message).toMatch(message);
    await expect(group.run('a', () => 'open')).resolves.toBe('open');
  });
});

describe('Group.close, when the grace is over', () => {
  fakeTime();

  it.each([
    ['5,000 ms', undefined, 5_000],
    ['what it was told', { graceMs: 100 }, 100],
  ])('which is %s: rejects the callers, then aborts the signals', async (_, options, graceMs) => {
    const group = new Group({ name: 'products' });
    const told: string[] = [];
    const signals: AbortSignal[] = [];
    const calls = ['a', 'b'].map((key) =>
      errorOf(() =>
        group.run(
          key,
          ({ signal }) => {
            signals.push(signal);
            signal.addEventListener('abort', () => told.push(`${key} aborted, size ${group.size}`));
            return never();
          },
          { signal: new AbortController().signal },
        ),
      ).then((error) => {
        told.push(`${key} rejected`);
        return error;
      }),
    );
    const closed = group.close(options).then(() => told.push('closed'));
    await pass(graceMs - 1);
    expect([told, group.size]).toEqual([[], 2]);
    await pass(1);
    await closed;
    // All keys are free, and all promises rejected, before any signal aborts; who awaits one wakes a microtask later.
    expect(told.slice(0, 2)).toEqual(['a aborted, size 0', 'b aborted, size 0']);
    expect(told.slice(2).sort()).toEqual(['a rejected', 'b rejected', 'closed']);
    const errors = await Promise.all(calls);
    for (const [index, error] of errors.entries()) {
      expect(error).toBeInstanceOf(GroupClosedError);
      expect(error).toMatchObject({ group: 'products', describedKey: ['a', 'b'][index] });
      expect(signals[index]!.reason).toBe(error);
    }
    // The functions have not ended.
    expect(group.stats()).toMatchObject({ flights: 2, failures: 2, active: 2, adrift: 2 });
    expect(jest.getTimerCount()).toBe(0);
  });

  it('has settled all flights before it aborts the first signal', async () => {
    const told: string[] = [];
    const group = new Group({
      observer: {
        adrift: ({ describedKey, reason }) => told.push(`${describedKey} adrift, ${reason}`),
        settle: ({ describedKey, ok, aboard }) => told.push(`${describedKey} settled, ${ok}, ${aboard} aboard`),
      },
    });
    for (const key of ['a', 'b']) {
      void errorOf(() =>
        group.run(
          key,
          ({ signal }) => {
            signal.addEventListener('abort', () => told.push(`${key} aborted`));
            return never();
          },
          { waitTimeoutMs: 10_000 },
        ),
      );
    }
    await Promise.all([group.close({ graceMs: 100 }), pass(100)]);
    expect(told).toEqual([
      'a adrift, closed',
      'a settled, false, 1 aboard',
      'b adrift, closed',
      'b settled, false, 1 aboard',
      'a aborted',
      'b aborted',
    ]);
  });

  it('gives those who have the function’s own promise what the function ends with when it is stopped', async () => {
    const group = new Group();
    const call = errorOf(() =>
      group.run(
        'a',
        ({ signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason));
          }),
      ),
    );
    await Promise.all([group.close({ graceMs: 100 }), pass(100)]);
    expect(await call).toBeInstanceOf(GroupClosedError);
    expect(group.stats()).toMatchObject({ failures: 1, active: 0, adrift: 0 });
  });

  it('cuts batches short as well: the one signal aborts when all their keys have settled', async () => {
    const group = new Group();
    let signal: AbortSignal | undefined;
    const calls = [
      errorOf(() =>
        group.doMany(['a', 'b'], (_, flight) => {
          ({ signal } = flight);
          return never();
        }),
      ),
      errorOf(() => group.run('b', never)),
    ];
    await Promise.all([group.close({ graceMs: 100 }), pass(100)]);
    for (const error of await Promise.all(calls)) expect(error).toBeInstanceOf(GroupClosedError);
    expect(signal!.reason).toBeInstanceOf(GroupClosedError);
    expect(group.size).toBe(0);
  });

  it('cuts short what is adrift', async () => {
    const group = new Group();
    const call = errorOf(() => group.run('a', never, { waitTimeoutMs: 10_000 }));
    group.forget('a');
    await Promise.all([group.close({ graceMs: 100 }), pass(100)]);
    expect(await call).toBeInstanceOf(GroupClosedError);
  });

  it('which is none with graceMs 0', async () => {
    const group = new Group();
    const call = errorOf(() => group.run('a', never, { waitTimeoutMs: 10_000 }));
    await Promise.all([group.close({ graceMs: 0 }), pass(0)]);
    expect(await call).toBeInstanceOf(GroupClosedError);
    expect(group.size).toBe(0);
  });

  it('changes nothing for a function that ends later', async () => {
    const group = new Group({ lingerMs: 1_000 });
    const work = deferred<string>();
    const call = errorOf(() => group.run('a', () => work.promise, { waitTimeoutMs: 10_000 }));
    await Promise.all([group.close({ graceMs: 100 }), pass(100)]);
    expect(await call).toBeInstanceOf(GroupClosedError);
    work.resolve('late');
    await turn();
    expect(group.size).toBe(0);
    expect(group.stats()).toMatchObject({ flights: 1, failures: 1, active: 0, adrift: 0 });
  });

  it('leaves no timer behind when all have ended before', async () => {
    const group = new Group();
    const work = deferred();
    const call = group.run('a', () => work.promise);
    const closed = group.close();
    work.resolve();
    await Promise.all([closed, call, pass(0)]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('drops the results that linger at once', async () => {
    const group = new Group({ lingerMs: 1_000 });
    await group.run('a', () => 'lingers');
    expect(group.size).toBe(1);
    const closed = group.close();
    expect(group.size).toBe(0);
    expect(await errorOf(() => group.run('a', () => 'new'))).toBeInstanceOf(GroupClosedError);
    await Promise.all([closed, pass(0)]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('leaves no result lingering that comes meanwhile', async () => {
    const group = new Group({ lingerMs: 1_000 });
    const work = deferred<string>();
    const call = group.run('a', () => work.promise);
    const closed = group.close();
    work.resolve('done');
    await Promise.all([closed, pass(0)]);
    expect(await call).toBe('done');
    expect(group.size).toBe(0);
  });
});
