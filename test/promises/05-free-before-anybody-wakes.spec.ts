import { describe, expect, it } from '@jest/globals';
import { Group } from '../../lib/core/group.js';
import type { CallOptions, FlightOptions } from '../../lib/core/options.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { RETURNS } from '../support/returns.js';
import { turn } from '../support/turns.js';

type Caller = (group: Group, fn: () => PromiseLike<string>) => Promise<unknown>;
const withOptions =
  (options: () => CallOptions & FlightOptions): Caller =>
  (group, fn) =>
    group.run('key', fn, options());

const CALLERS: readonly (readonly [string, Caller])[] = [
  ['run', (group, fn) => group.run('key', fn)],
  ['do', async (group, fn) => (await group.do('key', fn)).value],
  ['run with a signal', withOptions(() => ({ signal: new AbortController().signal }))],
  ['run with a wait timeout', withOptions(() => ({ waitTimeoutMs: 60_000 }))],
  ['run with a flight timeout', withOptions(() => ({ flightTimeoutMs: 60_000 }))],
  ['run with a result that would linger', withOptions(() => ({ lingerMs: 60_000 }))],
];

describe('5. Free before anybody wakes', () => {
  describe.each(RETURNS)('the function returns %s', (_, returned) => {
    it.each(CALLERS)('100 callers of %s who all retry in `catch` run the function once more', async (__, call) => {
      const group = new Group();
      const [first, second] = [deferred<string>(), deferred<string>()];
      let runs = 0;
      const fn = (): PromiseLike<string> => returned((++runs === 1 ? first : second).promise);
      const sizes = new Set<number>();
      const calls = Array.from({ length: 100 }, async (___, index) => {
        try {
          return await call(group, fn);
        } catch {
          if (index === 0) sizes.add(group.size);
          return await call(group, fn);
        }
      });
      first.reject(new Error('first'));
      await turn();
      second.resolve('second');

      expect(new Set(await Promise.all(calls))).toEqual(new Set(['second']));
      expect(runs).toBe(2);
      expect([...sizes]).toEqual([0]);
      expect(group.stats()).toMatchObject({ flights: 2, followers: 198, active: 0 });
    });

    it('whoever gets a value and calls again gets a new one', async () => {
      const group = new Group();
      const works = [deferred<string>(), deferred<string>()];
      let runs = 0;
      const fn = (): PromiseLike<string> => returned(works[runs++]!.promise);
      const calls = CALLERS.filter(([name]) => !name.includes('linger')).map(async ([, call]) => {
        await call(group, fn);
        return call(group, fn);
      });
      works[0]!.resolve('first');
      await turn();
      works[1]!.resolve('second');

      expect(new Set(await Promise.all(calls))).toEqual(new Set(['second']));
      expect(runs).toBe(2);
    });
  });

  it('wakes those who joined from inside the function to a free key too', async () => {
    const group = new Group({ detectDeadlocks: false });
    const work = deferred<string>();
    const sizes: number[] = [];
    const inside: Promise<void>[] = [];
    const call = group.run('key', () => {
      for (let index = 0; index < 3; index++) {
        inside.push(
          group
            .run('key', () => 'not run')
            .then(() => {
              sizes.push(group.size);
            }),
        );
      }
      return work.promise;
    });
    work.resolve('done');
    await Promise.all([call, ...inside]);

    expect(sizes).toEqual([0, 0, 0]);
  });

  it('lets a caller who only left join the same flight again', async () => {
    const group = new Group();
    const work = deferred<string>();
    const controller = new AbortController();
    const stays = group.run('key', () => work.promise);
    const rejoined = group
      .run('key', () => 'not run', { signal: controller.signal })
      .catch(() => group.do('key', () => 'not run'));
    controller.abort('gone');
    await Promise.resolve();
    await Promise.resolve();
    work.resolve('done');

    await expect(stays).resolves.toBe('done');
    await expect(rejoined).resolves.toEqual({ ok: true, value: 'done', shared: true, role: 'follower' });
  });

  describe('with time limits', () => {
    fakeTime();

    it('100 callers who all retry after a flight timeout run the function once more', async () => {
      const group = new Group({ flightTimeoutMs: 1_000 });
      const second = deferred<string>();
      let runs = 0;
      const fn = (): Promise<string> => (++runs === 1 ? new Promise(() => undefined) : second.promise);
      const calls = Array.from({ length: 100 }, (_, index) => {
        const call = CALLERS[index % 4]![1];
        return call(group, fn).catch(() => call(group, fn));
      });
      await pass(1_000);
      second.resolve('second');

      expect(new Set(await Promise.all(calls))).toEqual(new Set(['second']));
      expect(runs).toBe(2);
    });

    it('has freed the key of a timed-out flight when its signal aborts', async () => {
      const group = new Group({ flightTimeoutMs: 1_000 });
      const order: string[] = [];
      const call = group.run('key', ({ signal }) => {
        signal.addEventListener('abort', () => {
          order.push(`aborted, size ${group.size}`);
          void group.run('key', () => order.push('new flight'));
        });
        return new Promise(() => undefined);
      });
      const refused = expect(call).rejects.toMatchObject({ name: 'FlightTimeoutError' });
      await pass(1_000);
      await refused;

      expect(order).toEqual(['aborted, size 0', 'new flight']);
    });
  });
});
