import { describe, expect, it } from '@jest/globals';
import { TooManyFlightsError, TooManyFollowersError } from '../../lib/core/errors.js';
import { Group } from '../../lib/core/group.js';
import type { RejectEvent } from '../../lib/core/observer.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { errorOf, expectRefusal } from '../support/refusals.js';
import { turn } from '../support/turns.js';

const never = (): Promise<never> => new Promise(() => undefined);

describe('maxFlights', () => {
  it('refuses one flight more, and says so; joining is no flight', async () => {
    const rejected: RejectEvent[] = [];
    const group = new Group({
      name: 'products',
      maxFlights: 2,
      observer: { reject: (event) => rejected.push(event) },
    });
    const work = deferred<string>();
    let runs = 0;
    const load = (): Promise<string> => {
      runs++;
      return work.promise;
    };
    const calls = ['a', 'b', 'a', 'b'].map((key) => group.run(key, load));
    const before = group.stats();
    const error = await errorOf(() => group.run('c', load));
    expectRefusal(error, {
      type: TooManyFlightsError,
      code: 'ERR_SINGLEFLIGHT_TOO_MANY_FLIGHTS',
      message:
        "2 flights are under way, those adrift counted, and this call would start one more for key 'c' in group 'products'. " +
        'Answer this caller with an error it can retry, raise `maxFlights`, or find out why the functions take so long.',
      group: 'products',
      describedKey: 'c',
    });
    expect(error).toMatchObject({ maxFlights: 2 });
    expect(rejected).toEqual([{ group: 'products', describedKey: 'c', error }]);
    expect(group.stats()).toEqual(before);
    expect([runs, group.size]).toEqual([2, 2]);

    work.resolve('done');
    await Promise.all(calls);
    await expect(group.run('c', load)).resolves.toBe('done');
    expect(group.stats()).toMatchObject({ flights: 3, peak: 2 });
  });

  it('counts what is adrift until its function ends', async () => {
    const group = new Group({ maxFlights: 1 });
    const work = deferred();
    const call = group.run('a', () => work.promise);
    group.forget('a');
    expect(group.size).toBe(0);
    const refused = await errorOf(() => group.run('a', never));
    expect(refused).toBeInstanceOf(TooManyFlightsError);
    expect(String(refused)).toContain(': 1 flight is under way, those adrift counted, and');
    work.resolve();
    await call;
    await expect(group.run('a', () => 'next')).resolves.toBe('next');
  });

  it('makes room before anybody wakes, and when a function throws at once', async () => {
    const group = new Group({ maxFlights: 1 });
    const work = deferred();
    const next = group.run('a', () => work.promise).catch(() => group.run('b', () => 'next'));
    work.reject('failed');
    await expect(next).resolves.toBe('next');
    const thrown = errorOf(() =>
      group.run('c', () => {
        throw new Error('at once');
      }),
    );
    const after = group.run('d', () => 'after');
    await expect(thrown).resolves.toMatchObject({ message: 'at once' });
    await expect(after).resolves.toBe('after');
  });

  describe('in time', () => {
    fakeTime();

    it('counts a timed-out function, and not a result that lingers', async () => {
      const group = new Group({ maxFlights: 1, flightTimeoutMs: 100, lingerMs: 1_000 });
      const work = deferred();
      const call = errorOf(() => group.run('a', () => work.promise));
      await pass(100);
      await call;
      expect(await errorOf(() => group.run('b', never))).toBeInstanceOf(TooManyFlightsError);
      work.resolve();
      await turn();
      await expect(group.run('b', () => 'lingers')).resolves.toBe('lingers');
      expect(group.size).toBe(1);
      await expect(group.run('c', () => 'lingers too')).resolves.toBe('lingers too');
      expect(group.size).toBe(2);
    });
  });
});

describe('maxFollowers', () => {
  it.each([0, 1, 3])('%p: refuses one follower more of one flight, and says so', async (maxFollowers) => {
    const rejected: RejectEvent[] = [];
    const group = new Group({
      name: 'products',
      maxFollowers,
      observer: { reject: (event) => rejected.push(event) },
    });
    const work = deferred<string>();
    const calls = Array.from({ length: maxFollowers + 1 }, () => group.run('a', () => work.promise));
    const error = await errorOf(() => group.run('a', never));
    expectRefusal(error, {
      type: TooManyFollowersError,
      code: 'ERR_SINGLEFLIGHT_TOO_MANY_FOLLOWERS',
      message:
        `${maxFollowers === 1 ? '1 caller follows' : `${maxFollowers} callers follow`} the flight, and this call would be one more for key 'a' in group 'products'. ` +
        'Answer this caller with an error it can retry, raise `maxFollowers`, or find out why the function takes so long.',
      group: 'products',
      describedKey: 'a',
    });
    expect(error).toMatchObject({ maxFollowers });
    expect(rejected).toEqual([{ group: 'products', describedKey: 'a', error }]);
    expect(group.stats()).toMatchObject({ flights: 1, callers: maxFollowers + 1, followers: maxFollowers });
    expect(group.inFlight()).toMatchObject([{ callers: maxFollowers + 1 }]);

    // Another flight has its own followers.
    const other = group.run('b', () => work.promise);
    work.resolve('done');
    await expect(Promise.all([...calls, other])).resolves.toEqual(new Array(maxFollowers + 2).fill('done'));
  });

  it('lets another follow where one has left', async () => {
    const group = new Group({ maxFollowers: 1 });
    const work = deferred<string>();
    const controller = new AbortController();
    const leader = group.run('a', () => work.promise);
    const left = errorOf(() => group.run('a', never, { signal: controller.signal }));
    expect(await errorOf(() => group.run('a', never))).toBeInstanceOf(TooManyFollowersError);
    controller.abort('gone');
    expect(await left).toBe('gone');
    const follower = group.run('a', never);
    expect(await errorOf(() => group.run('a', never))).toBeInstanceOf(TooManyFollowersError);
    work.resolve('done');
    await expect(Promise.all([leader, follower])).resolves.toEqual(['done', 'done']);
  });

  it('lets another start a flight of its own once the key is forgotten', async () => {
    const group = new Group({ maxFollowers: 0 });
    void group.run('a', never);
    expect(await errorOf(() => group.run('a', never))).toBeInstanceOf(TooManyFollowersError);
    group.forget('a');
    await expect(group.run('a', () => 'own')).resolves.toBe('own');
  });

  describe('in time', () => {
    fakeTime();

    it('does not count those who take a result that lingers', async () => {
      const group = new Group({ maxFollowers: 0, lingerMs: 100 });
      await group.run('a', () => 'lingers');
      const late = [1, 2, 3].map(() => group.run('a', never));
      await expect(Promise.all(late)).resolves.toEqual(['lingers', 'lingers', 'lingers']);
      expect(group.stats()).toMatchObject({ flights: 1, followers: 3 });
      await pass(100);
    });
  });
});
