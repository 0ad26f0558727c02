import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from '@jest/globals';
import { Group } from '../../lib/core/group.js';
import type { CallOptions, FlightOptions } from '../../lib/core/options.js';
import { doChan } from '../../lib/rx/do-chan.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { RETURNS } from '../support/returns.js';

const storage = new AsyncLocalStorage<string>();

const WAYS: readonly (readonly [string, (() => CallOptions & FlightOptions) | undefined])[] = [
  ['no options', undefined],
  ['a signal', () => ({ signal: new AbortController().signal })],
  ['a wait timeout', () => ({ waitTimeoutMs: 60_000 })],
  ['a flight timeout', () => ({ flightTimeoutMs: 60_000 })],
];

describe('10. Own context', () => {
  describe.each(RETURNS)('the function returns %s', (_, returned) => {
    it.each(WAYS)('leads each caller back into its own after the await: %s', async (__, options) => {
      const group = new Group();
      const work = deferred<string>();
      const fn = (): PromiseLike<string> => returned(work.promise);
      const calls = Array.from({ length: 20 }, (___, index) =>
        storage.run(`caller ${index}`, async () => {
          if (index % 2 === 0) await group.run('key', fn, options?.());
          else await group.do('key', fn, options?.());
          return storage.getStore();
        }),
      );
      storage.run('whoever settles', () => {
        work.resolve('done');
      });

      expect(await Promise.all(calls)).toEqual(calls.map((___, index) => `caller ${index}`));
    });
  });

  it.each(WAYS)('leads each caller back into its own when the flight fails: %s', async (_, options) => {
    const group = new Group();
    const work = deferred();
    const calls = Array.from({ length: 20 }, (__, index) =>
      storage.run(`caller ${index}`, async () => {
        try {
          await group.run('key', () => work.promise, options?.());
        } catch {
          return storage.getStore();
        }
        return 'no error';
      }),
    );
    storage.run('whoever settles', () => {
      work.reject('failed');
    });

    expect(await Promise.all(calls)).toEqual(calls.map((__, index) => `caller ${index}`));
  });

  it('calls back in the context in which `then` was called', async () => {
    const group = new Group();
    const work = deferred<string>();
    const calls = [0, 1, 2].map((index) =>
      storage.run(`caller ${index}`, () => group.run('key', () => work.promise).then(() => storage.getStore())),
    );
    work.resolve('done');
    await expect(Promise.all(calls)).resolves.toEqual(['caller 0', 'caller 1', 'caller 2']);
  });

  it('runs the function in the context of the caller that started it, to its end', async () => {
    const group = new Group();
    const work = deferred();
    const leader = storage.run('leader', () =>
      group.run('key', async () => {
        const before = storage.getStore();
        await work.promise;
        return [before, storage.getStore()];
      }),
    );
    const follower = storage.run('follower', () => group.run('key', (): string[] => ['not run']));
    storage.run('whoever settles', () => {
      work.resolve();
    });

    await expect(Promise.all([leader, follower])).resolves.toEqual([
      ['leader', 'leader'],
      ['leader', 'leader'],
    ]);
  });

  it('runs the next flight in the context of its own leader', async () => {
    const group = new Group();
    const fn = async (): Promise<string | undefined> => storage.getStore();
    const first = storage.run('first', () => group.run('key', fn));
    group.forget('key');
    const second = storage.run('second', () => group.run('key', fn));

    await expect(Promise.all([first, second])).resolves.toEqual(['first', 'second']);
    await expect(group.run('key', fn)).resolves.toBeUndefined();
  });

  it('leads back into its own a caller who leaves, whoever aborts', async () => {
    const group = new Group();
    const controller = new AbortController();
    const call = storage.run('caller', async () => {
      try {
        await group.run('key', () => new Promise(() => undefined), { signal: controller.signal });
      } catch {
        return storage.getStore();
      }
      return 'no error';
    });
    storage.run('whoever aborts', () => {
      controller.abort();
    });
    await expect(call).resolves.toBe('caller');
  });

  it('tells every subscriber of `doChan` in its own, early or late', async () => {
    const group = new Group();
    const work = deferred<string>();
    const channel = storage.run('leader', () => doChan(group, 'key', () => work.promise));
    const subscribe = (name: string): Promise<string | undefined> =>
      storage.run(
        name,
        () =>
          new Promise((resolve) => {
            channel.subscribe(() => {
              resolve(storage.getStore());
            });
          }),
      );
    const early = [subscribe('one'), subscribe('two')];
    storage.run('whoever settles', () => {
      work.resolve('done');
    });
    await expect(Promise.all(early)).resolves.toEqual(['one', 'two']);
    await expect(subscribe('late')).resolves.toBe('late');
  });

  describe('with time limits', () => {
    fakeTime();

    it.each([
      ['wait', { waitTimeoutMs: 100 }],
      ['flight', { flightTimeoutMs: 100 }],
    ])('leads each caller back into its own after a %s timeout', async (_, options) => {
      const group = new Group();
      const calls = [0, 1, 2].map((index) =>
        storage.run(`caller ${index}`, async () => {
          try {
            await group.run('key', () => new Promise(() => undefined), options);
          } catch {
            return storage.getStore();
          }
          return 'no error';
        }),
      );
      await pass(100);
      await expect(Promise.all(calls)).resolves.toEqual(['caller 0', 'caller 1', 'caller 2']);
    });

    it('gives a lingering result to a caller in its own', async () => {
      const group = new Group({ lingerMs: 1_000 });
      const fn = async (): Promise<string> => storage.getStore() ?? 'none';
      await storage.run('leader', () => group.run('key', fn));
      const late = storage.run('late', async () => [await group.run('key', fn), storage.getStore()]);
      await expect(late).resolves.toEqual(['leader', 'late']);
    });
  });
});
