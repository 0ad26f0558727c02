import { describe, expect, it } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import { Group } from '../../lib/core/group.js';
import { outsideFlight } from '../../lib/core/deadlock.js';
import { deferred } from '../support/deferred.js';
import { turn } from '../support/turns.js';

const request = new AsyncLocalStorage<string>();

describe.each([true, false])('context, with detectDeadlocks: %p', (detectDeadlocks) => {
  it.each([undefined, 'caller' as const])('%p: a function runs in the context of who started it', async (context) => {
    const group = request.run('module', () => new Group({ context, detectDeadlocks }));
    const work = deferred();
    const seen: unknown[] = [];
    const load = async (): Promise<void> => {
      seen.push(request.getStore());
      await work.promise;
      seen.push(request.getStore());
    };
    const calls = ['first', 'second'].map((name) => request.run(name, () => group.run('key', load)));
    work.resolve();
    await Promise.all(calls);
    expect(seen).toEqual(['first', 'first']);
  });

  it('group: a function runs in the context in which the group was made, before and after its first await', async () => {
    const group = request.run('module', () => new Group({ context: 'group', detectDeadlocks }));
    const work = deferred();
    const seen: unknown[] = [];
    const load = async (): Promise<string> => {
      seen.push(request.getStore());
      await work.promise;
      seen.push(request.getStore());
      return 'done';
    };
    const awakened = ['first', 'second'].map((name) =>
      request.run(name, async () => {
        const value = await group.run('key', load);
        return [value, request.getStore()];
      }),
    );
    work.resolve();
    // Each caller is in its own context again.
    await expect(Promise.all(awakened)).resolves.toEqual([
      ['done', 'first'],
      ['done', 'second'],
    ]);
    expect(seen).toEqual(['module', 'module']);
  });

  it('group: holds for a call from inside a function of the same group, wherever that went', async () => {
    const group = request.run('module', () => new Group({ context: 'group', detectDeadlocks }));
    const seen = await request.run('caller', () =>
      group.run('outer', () => request.run('inner', () => group.run('nested', async () => request.getStore()))),
    );
    expect(seen).toBe('module');
  });

  it('group: holds for a loader of many, one with options, and one that throws', async () => {
    const group = request.run('module', () => new Group({ context: 'group', detectDeadlocks }));
    const seen: unknown[] = [];
    const see = (): number => seen.push(request.getStore());
    const thrown = new Error('at once');
    await request.run('caller', async () => {
      await group.doMany(['a', 'b'], () => {
        see();
        return new Map();
      });
      await group.do('c', see, { waitTimeoutMs: 1_000 });
      const failed = group.run('d', () => {
        see();
        throw thrown;
      });
      await expect(failed).rejects.toBe(thrown);
      expect(request.getStore()).toBe('caller');
    });
    expect(seen).toEqual(['module', 'module', 'module']);
  });

  it('group: made outside of any context, its functions see none', async () => {
    const group = new Group({ context: 'group', detectDeadlocks });
    const seen = await request.run('caller', () => group.run('key', () => [request.getStore()]));
    expect(seen).toEqual([undefined]);
  });
});

describe('outsideFlight', () => {
  it('returns what the function returns, throws what it throws, and keeps the context otherwise', async () => {
    const error = new Error('thrown');
    const group = new Group({ detectDeadlocks: true });
    const seen = await request.run('caller', () =>
      group.run('key', () => {
        expect(() =>
          outsideFlight(() => {
            throw error;
          }),
        ).toThrow(error);
        return outsideFlight(() => [request.getStore()]);
      }),
    );
    expect(seen).toEqual(['caller']);
    expect(outsideFlight(() => 42)).toBe(42);
  });

  it('lets a function ask for its own key where it does not wait for it', async () => {
    const group = new Group({ detectDeadlocks: true });
    const inner: Promise<string>[] = [];
    const outer = group.run('key', async () => {
      inner.push(outsideFlight(() => group.run('key', () => 'not run')));
      await turn();
      inner.push(outsideFlight(() => group.run('key', () => 'not run')));
      return 'outer';
    });
    await expect(outer).resolves.toBe('outer');
    await expect(Promise.all(inner)).resolves.toEqual(['outer', 'outer']);
    expect(group.stats()).toMatchObject({ flights: 1, followers: 2 });
  });
});
