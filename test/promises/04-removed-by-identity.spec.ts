import { describe, expect, it } from '@jest/globals';
import { Group } from '../../lib/core/group.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { turn } from '../support/turns.js';

/** Runs a flight that nobody needs to hear of. */
function start(group: Group, fn: () => Promise<unknown>): void {
  group.run('key', fn).catch(() => undefined);
}

describe('4. Removed by identity', () => {
  it.each([
    ['resolves', true],
    ['rejects', false],
  ])('leaves the new flight in place when the forgotten one %s', async (_, ok) => {
    const group = new Group();
    const [first, second] = [deferred<string>(), deferred<string>()];
    start(group, () => first.promise);
    group.forget('key');
    const leader = group.run('key', () => second.promise);
    if (ok) first.resolve('first');
    else first.reject(new Error('first'));
    await turn();

    expect(group.size).toBe(1);
    const follower = group.do('key', () => 'third');
    second.resolve('second');
    await expect(leader).resolves.toBe('second');
    await expect(follower).resolves.toMatchObject({ value: 'second', role: 'follower' });
    expect(group.size).toBe(0);
  });

  it('leaves the new flight in place when the doomed one ends', async () => {
    const group = new Group();
    const [first, second] = [deferred<string>(), deferred<string>()];
    const controller = new AbortController();
    const left = group.run(
      'key',
      ({ signal }) => {
        expect(signal.aborted).toBe(false);
        return first.promise;
      },
      { signal: controller.signal },
    );
    controller.abort('gone');
    await expect(left).rejects.toBe('gone');
    const leader = group.run('key', () => second.promise);
    first.resolve('first');
    await turn();

    expect(group.size).toBe(1);
    second.resolve('second');
    await expect(leader).resolves.toBe('second');
  });

  it('leaves what the function itself put in its place', async () => {
    const group = new Group();
    const second = deferred<string>();
    let inner: Promise<string> | undefined;
    const call = group.run('key', () => {
      group.forget('key');
      inner = group.run('key', () => second.promise);
      throw new Error('first');
    });
    await expect(call).rejects.toThrow('first');
    expect(group.size).toBe(1);
    second.resolve('second');
    await expect(inner).resolves.toBe('second');
    expect(group.size).toBe(0);
  });

  it('leaves, of a hundred flights of one key that end in any order, the last one in place', async () => {
    const group = new Group();
    const works = Array.from({ length: 100 }, () => deferred());
    for (const { promise } of works) {
      group.forget('key');
      start(group, () => promise);
    }
    expect(group.stats()).toMatchObject({ active: 100, adrift: 99, peak: 100 });
    for (let index = 0; index < 99; index++) {
      works[(index * 37) % 99]!.resolve();
      await turn();
      expect(group.size).toBe(1);
    }
    expect(group.stats()).toMatchObject({ active: 1, adrift: 0 });
    works[99]!.resolve();
    await turn();
    expect(group.size).toBe(0);
  });

  it('leaves alone what an observer put in its place while everything was forgotten', async () => {
    const work = deferred();
    const group: Group = new Group({
      observer: {
        adrift: ({ describedKey }) => {
          if (describedKey !== 'first') return;
          group.forget('second');
          void group.run('second', () => work.promise);
        },
      },
    });
    void group.run('first', () => work.promise);
    void group.run('second', () => work.promise);
    group.forgetAll();

    expect(group.stats()).toMatchObject({ flights: 3, forgotten: 2 });
    expect(group.size).toBe(1);
    void group.run('second', () => work.promise);
    expect(group.stats()).toMatchObject({ flights: 3, followers: 1 });
    work.resolve();
    await turn();
    expect(group.size).toBe(0);
  });

  it('frees the key before it tells of `forget`: a call of whoever hears it starts a new flight', async () => {
    const work = deferred();
    const heard: boolean[] = [];
    const group: Group = new Group({
      observer: {
        forget: () => {
          heard.push(group.forget('key'));
          void group.run('key', () => work.promise);
        },
      },
    });
    void group.run('key', () => work.promise);

    expect(group.forget('key')).toBe(true);
    expect(heard).toEqual([false]);
    expect(group.stats()).toMatchObject({ flights: 2, followers: 0, forgotten: 1, adrift: 1 });
    expect(group.size).toBe(1);
    work.resolve();
    await turn();
    expect(group.stats()).toMatchObject({ active: 0, adrift: 0 });
  });

  describe('with time limits', () => {
    fakeTime();

    it('leaves the new flight in place when one past its join window ends', async () => {
      const group = new Group({ joinWindowMs: 100 });
      const [first, second] = [deferred<string>(), deferred<string>()];
      const old = group.run('key', () => first.promise);
      await pass(100);
      const leader = group.run('key', () => second.promise);
      first.resolve('first');
      await expect(old).resolves.toBe('first');

      expect(group.size).toBe(1);
      const follower = group.run('key', () => 'third');
      second.resolve('second');
      await expect(Promise.all([leader, follower])).resolves.toEqual(['second', 'second']);
    });

    it('leaves the new flight in place when a timed-out function ends', async () => {
      const group = new Group();
      const [first, second] = [deferred<string>(), deferred<string>()];
      const old = group.run('key', () => first.promise, { flightTimeoutMs: 100 });
      const refused = expect(old).rejects.toMatchObject({ name: 'FlightTimeoutError' });
      await pass(100);
      await refused;
      const leader = group.run('key', () => second.promise);
      first.resolve('first');
      await turn();

      expect(group.size).toBe(1);
      second.resolve('second');
      await expect(leader).resolves.toBe('second');
    });

    it('leaves the new flight in place when the time of a forgotten lingering result is up', async () => {
      const group = new Group();
      const second = deferred<string>();
      await group.run('key', () => 'first', { lingerMs: 100 });
      group.forget('key');
      const leader = group.run('key', () => second.promise);
      await pass(100);

      expect(group.size).toBe(1);
      second.resolve('second');
      await expect(leader).resolves.toBe('second');
    });

    it('does not let a forgotten flight linger over the new one', async () => {
      const group = new Group({ lingerMs: 1_000 });
      const [first, second] = [deferred<string>(), deferred<string>()];
      const old = group.run('key', () => first.promise);
      group.forget('key');
      const leader = group.run('key', () => second.promise);
      first.resolve('first');
      await expect(old).resolves.toBe('first');
      await pass(1_000);
      expect(group.size).toBe(1);
      const follower = group.run('key', () => 'third');
      second.resolve('second');

      await expect(Promise.all([leader, follower])).resolves.toEqual(['second', 'second']);
    });
  });
});
