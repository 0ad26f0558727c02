import { describe, expect, it } from '@jest/globals';
import { Group } from '../../lib/core/group.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { microtasks, turn } from '../support/turns.js';

describe('1. One at a time', () => {
  it.each([1, 2, 100, 100_000])('runs the function once for %d callers, and answers every one', async (count) => {
    const group = new Group();
    const work = deferred<object>();
    let runs = 0;
    const calls = Array.from({ length: count }, () =>
      group.run('key', () => {
        runs++;
        return work.promise;
      }),
    );
    expect(group.size).toBe(1);
    expect(group.stats()).toMatchObject({ flights: 1, callers: count, followers: count - 1, active: 1, peak: 1 });

    const answer = {};
    work.resolve(answer);
    const answers = await Promise.all(calls);

    expect(answers).toHaveLength(count);
    expect(answers.filter((one) => one !== answer)).toHaveLength(0);
    expect(runs).toBe(1);
    expect(group.size).toBe(0);
  });

  it.each([1, 2, 100, 100_000])('runs it once for %d callers who can leave', async (count) => {
    const group = new Group();
    const work = deferred<string>();
    const { signal } = new AbortController();
    let runs = 0;
    const calls = Array.from({ length: count }, () =>
      group.do(
        'key',
        () => {
          runs++;
          return work.promise;
        },
        { signal },
      ),
    );
    work.resolve('done');
    const answers = await Promise.all(calls);

    expect(runs).toBe(1);
    expect(answers.filter(({ role }) => role === 'leader')).toHaveLength(1);
    expect(answers.filter(({ value, shared }) => value === 'done' && shared === count > 1)).toHaveLength(count);
  });

  it('runs it once however the callers call, and from whichever turn or microtask', async () => {
    const group = new Group();
    const work = deferred<number>();
    let runs = 0;
    const fn = (): Promise<number> => {
      runs++;
      return work.promise;
    };
    const { signal } = new AbortController();
    const calls: Promise<unknown>[] = [];
    for (let round = 0; round < 5; round++) {
      calls.push(group.run('key', fn), group.run('key', fn, {}), group.run('key', fn, { signal }));
      await microtasks(round);
      calls.push(group.do('key', fn), group.do('key', fn, { waitTimeoutMs: 60_000 }));
      await turn();
    }
    expect(group.stats()).toMatchObject({ flights: 1, callers: 25 });
    work.resolve(42);
    const answers = await Promise.all(calls);

    expect(runs).toBe(1);
    expect(answers.filter((one) => one === 42 || (one as { value: number }).value === 42)).toHaveLength(25);
  });

  it('keeps keys apart: each runs once', async () => {
    const group = new Group<number>();
    const runs = new Map<number, number>();
    const work = deferred();
    const calls = Array.from({ length: 1_000 }, (_, index) =>
      group.run(index % 10, async ({ key }) => {
        runs.set(key, (runs.get(key) ?? 0) + 1);
        await work.promise;
        return key;
      }),
    );
    expect(group.size).toBe(10);
    work.resolve();
    const answers = await Promise.all(calls);

    expect([...runs.values()]).toEqual(Array.from({ length: 10 }, () => 1));
    expect(answers.filter((key, index) => key !== index % 10)).toHaveLength(0);
  });

  it('is over before the next call when the function returns or throws synchronously', async () => {
    const group = new Group<string>();
    let runs = 0;
    const first = group.run('key', () => ++runs);
    const second = group.run('key', () => ++runs);
    const thrown = group.run('key', (): number => {
      throw new Error(`run ${++runs}`);
    });
    const fourth = group.run('key', () => ++runs);

    await expect(first).resolves.toBe(1);
    await expect(second).resolves.toBe(2);
    await expect(thrown).rejects.toThrow('run 3');
    await expect(fourth).resolves.toBe(4);
  });

  it('lets one flight be joined when another of the same key is adrift', async () => {
    const group = new Group();
    const [first, second] = [deferred<number>(), deferred<number>()];
    const old = group.run('key', () => first.promise);
    group.forget('key');
    const calls = Array.from({ length: 100 }, () => group.run('key', () => second.promise));

    expect(group.stats()).toMatchObject({ flights: 2, active: 2, adrift: 1 });
    second.resolve(2);
    first.resolve(1);
    await expect(old).resolves.toBe(1);
    await expect(Promise.all(calls)).resolves.toEqual(Array.from({ length: 100 }, () => 2));
  });

  describe('when whoever hears of an event calls the group', () => {
    fakeTime();

    it('joins what an observer started while the join window passed', async () => {
      const work = deferred<string>();
      const calls: Promise<string>[] = [];
      let runs = 0;
      const call = (): void => {
        calls.push(
          group.run('key', () => {
            runs++;
            return work.promise;
          }),
        );
      };
      const group: Group = new Group({ joinWindowMs: 100, observer: { adrift: call } });
      call();
      await pass(100);
      call();

      expect(calls).toHaveLength(3);
      expect(runs).toBe(2);
      expect(group.stats()).toMatchObject({ flights: 2, followers: 1, active: 2, adrift: 1 });
      work.resolve('done');
      await Promise.all(calls);
      expect(group.size).toBe(0);
      expect(group.stats()).toMatchObject({ active: 0, adrift: 0 });
    });

    it('joins what the function started through its own key', async () => {
      const group = new Group({ detectDeadlocks: false });
      const work = deferred<string>();
      let runs = 0;
      const outer = group.run('key', async () => {
        runs++;
        const inner = [1, 2, 3].map(() => group.run('key', () => `run ${++runs}`));
        await work.promise;
        return `outer, with ${inner.length} aboard`;
      });
      expect(group.stats()).toMatchObject({ flights: 1, callers: 4 });
      work.resolve('done');
      await expect(outer).resolves.toBe('outer, with 3 aboard');
      expect(runs).toBe(1);
    });
  });
});
