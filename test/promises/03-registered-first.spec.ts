import { describe, expect, it } from '@jest/globals';
import { Group } from '../../lib/core/group.js';
import type { Success } from '../../lib/core/result.js';
import { deferred } from '../support/deferred.js';

describe('3. Registered first', () => {
  it('calls the function in the tick of the call, with the flight in the map', async () => {
    const group = new Group({ detectDeadlocks: false });
    const seen: unknown[] = [];
    const call = group.run('key', ({ key }) => {
      seen.push(key, group.size, group.inFlight());
      return 'done';
    });

    expect(seen).toEqual(['key', 1, [{ key: 'key', ageMs: expect.any(Number), callers: 1, adrift: false }]]);
    await expect(call).resolves.toBe('done');
  });

  it.each([
    ['run', (group: Group, fn: () => never) => group.run('key', fn)],
    ['run with options', (group: Group, fn: () => never) => group.run('key', fn, { waitTimeoutMs: 1_000 })],
    ['do', (group: Group, fn: () => never) => group.do('key', fn)],
  ])('frees the key when the function of %s throws at once', async (_, call) => {
    const group = new Group({ detectDeadlocks: false });
    const error = new Error('at once');
    const thrown = call(group, () => {
      throw error;
    });

    expect(group.size).toBe(0);
    expect(group.stats()).toMatchObject({ flights: 1, failures: 1, active: 0, adrift: 0 });
    await expect(thrown).rejects.toBe(error);
    await expect(group.run('key', () => 'next')).resolves.toBe('next');
  });

  it('lets a call from inside the function join its flight', async () => {
    const group = new Group({ detectDeadlocks: false });
    const work = deferred<string>();
    const inside: Promise<unknown>[] = [];
    const call = group.run('key', () => {
      inside.push(
        group.run('key', () => 'inner run'),
        group.do('key', () => 'inner do'),
        group.run('key', () => 'inner signal', { signal: new AbortController().signal }),
      );
      return work.promise;
    });
    work.resolve('outer');

    await expect(call).resolves.toBe('outer');
    await expect(Promise.all(inside)).resolves.toEqual([
      'outer',
      { ok: true, value: 'outer', shared: true, role: 'follower' },
      'outer',
    ]);
    expect(group.stats()).toMatchObject({ flights: 1, followers: 3 });
  });

  it('answers those who joined from inside a function that returns a value', async () => {
    const group = new Group({ detectDeadlocks: false });
    let inside: Promise<Success<string>> | undefined;
    const call = group.do('key', () => {
      inside = group.do('key', () => 'inner');
      return 'outer';
    });

    await expect(call).resolves.toEqual({ ok: true, value: 'outer', shared: true, role: 'leader' });
    await expect(inside).resolves.toEqual({ ok: true, value: 'outer', shared: true, role: 'follower' });
  });

  it('answers those who joined from inside a function that throws at once, with the same error', async () => {
    const group = new Group({ detectDeadlocks: false });
    const error = new Error('at once');
    const inside: Promise<unknown>[] = [];
    const call = group.run('key', () => {
      inside.push(
        group.run('key', () => 'inner'),
        group.run('key', () => 'inner', { waitTimeoutMs: 1_000 }),
      );
      throw error;
    });

    for (const one of [call, ...inside]) await expect(one).rejects.toBe(error);
    expect(group.size).toBe(0);
  });

  it('can be forgotten from inside the function: the next call, inside or not, starts a new flight', async () => {
    const group = new Group({ detectDeadlocks: false });
    const work = deferred<string>();
    const inside: Promise<string>[] = [];
    const call = group.run('key', () => {
      inside.push(group.run('key', () => 'not run'));
      expect(group.forget('key')).toBe(true);
      expect(group.inFlight()).toMatchObject([{ callers: 2, adrift: true }]);
      inside.push(group.run('key', () => work.promise));
      return 'outer';
    });
    inside.push(group.run('key', () => 'not run'));
    work.resolve('second');

    await expect(call).resolves.toBe('outer');
    await expect(Promise.all(inside)).resolves.toEqual(['outer', 'second', 'second']);
    expect(group.stats()).toMatchObject({ flights: 2, followers: 2, forgotten: 1, active: 0, adrift: 0 });
  });

  it('can be left by its leader from inside the function, and goes on', async () => {
    const group = new Group({ detectDeadlocks: false });
    const work = deferred<string>();
    const controller = new AbortController();
    const leader = group.run(
      'key',
      () => {
        controller.abort('changed my mind');
        expect(group.inFlight()).toMatchObject([{ callers: 0, adrift: false }]);
        return work.promise;
      },
      { signal: controller.signal },
    );
    const follower = group.run('key', () => 'another');
    work.resolve('first');

    await expect(leader).rejects.toBe('changed my mind');
    await expect(follower).resolves.toBe('first');
  });

  it('is over, for its leader too, when that left inside a function that then returns or throws', async () => {
    const group = new Group({ detectDeadlocks: false });
    for (const end of [() => 'value', (): string => Promise.reject(new Error('nobody hears it')) as never]) {
      const controller = new AbortController();
      const leader = group.run(
        'key',
        () => {
          controller.abort('gone');
          return end();
        },
        { signal: controller.signal },
      );
      await expect(leader).rejects.toBe('gone');
      await Promise.resolve();
      expect(group.size).toBe(0);
    }
  });

  it('takes a call through another key from inside the function', async () => {
    const group = new Group<number>({ detectDeadlocks: false });
    const count = (depth: number): Promise<number> =>
      group.run(depth, async () => (depth === 0 ? 0 : 1 + (await count(depth - 1))));

    await expect(Promise.all([count(50), count(50), count(25)])).resolves.toEqual([50, 50, 25]);
    expect(group.stats()).toMatchObject({ flights: 51, followers: 2 });
  });
});
