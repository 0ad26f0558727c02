import { getEventListeners } from 'node:events';
import { describe, expect, it, jest } from '@jest/globals';
import {
  FlightTimeoutError,
  WaitTimeoutError,
  TooManyFlightsError,
  TooManyFollowersError,
} from '../../lib/core/errors.js';
import type { Flight } from '../../lib/core/flight.js';
import { Group } from '../../lib/core/group.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { errorOf } from '../support/refusals.js';
import { isPending } from '../support/turns.js';

const never = (): Promise<never> => new Promise(() => undefined);
const valuesOf = (keys: readonly string[]): Map<string, string> => new Map(keys.map((key) => [key, `value ${key}`]));

describe('The time limits of doMany', () => {
  fakeTime();

  it('frees all keys after flightTimeoutMs, then aborts the signal', async () => {
    const group = new Group({ flightTimeoutMs: 100 });
    const work = deferred<Map<string, string>>();
    let flight: Flight<readonly string[]> | undefined;
    const calls = [
      errorOf(() =>
        group.doMany(['a', 'b'], (_, its) => {
          flight = its;
          return work.promise;
        }),
      ),
      errorOf(() => group.run('b', () => 'not run')),
    ];
    const { signal } = flight!;
    let aboardAtAbort: unknown;
    signal.addEventListener('abort', () => {
      aboardAtAbort = group.inFlight().map(({ key, callers, adrift }) => [key, callers, adrift]);
    });
    await pass(99);
    expect([group.size, signal.aborted]).toEqual([2, false]);
    await pass(1);
    // Both were adrift and everybody was answered before.
    expect(aboardAtAbort).toEqual([
      ['a', 0, true],
      ['b', 0, true],
    ]);
    expect([group.size, signal.aborted]).toEqual([0, true]);
    for (const error of await Promise.all(calls)) expect(error).toBeInstanceOf(FlightTimeoutError);
    expect(signal.reason).toBeInstanceOf(FlightTimeoutError);
    expect(group.stats()).toMatchObject({ flights: 1, failures: 1, active: 1, adrift: 1 });
    work.resolve(valuesOf(['a', 'b']));
    await pass(0);
    expect(group.stats()).toMatchObject({ failures: 1, active: 0, adrift: 0 });
  });

  it('lets a caller wait for no longer than waitTimeoutMs', async () => {
    const group = new Group();
    const work = deferred<Map<string, string>>();
    const patient = group.doMany(['a', 'b'], () => work.promise);
    const hasty = errorOf(() => group.doMany(['b', 'c'], never, { waitTimeoutMs: 100 }));
    await pass(100);
    expect(await hasty).toBeInstanceOf(WaitTimeoutError);
    expect(await isPending(patient)).toBe(true);
    work.resolve(valuesOf(['a', 'b']));
    await expect(patient).resolves.toEqual(valuesOf(['a', 'b']));
  });

  it('joins no flight that is past its join window', async () => {
    const group = new Group({ joinWindowMs: 100 });
    void group.doMany(['a', 'b'], never);
    await pass(100);
    const loaded: (readonly string[])[] = [];
    await group.doMany(['b', 'c'], (keys) => {
      loaded.push(keys);
      return valuesOf(keys);
    });
    expect(loaded).toEqual([['b', 'c']]);
  });

  it('takes results that linger, and leaves its own lingering', async () => {
    const group = new Group({ lingerMs: 100 });
    await group.run('a', () => 'lingers');
    await pass(50);
    const loaded: (readonly string[])[] = [];
    const load = (keys: readonly string[]): Map<string, string> => {
      loaded.push(keys);
      return valuesOf(keys);
    };
    const values = new Map([
      ['a', 'lingers'],
      ['b', 'value b'],
    ]);
    await expect(group.doMany(['a', 'b'], load)).resolves.toEqual(values);
    expect(group.size).toBe(2);
    await pass(50);
    expect(group.size).toBe(1);
    await expect(group.run('b', () => 'not run')).resolves.toBe('value b');
    await pass(50);
    expect(group.size).toBe(0);
    expect(loaded).toEqual([['b']]);
  });

  it('lets no absent key linger', async () => {
    const group = new Group({ lingerMs: 100 });
    await group.doMany(['a', 'b'], () => valuesOf(['a']));
    expect(group.size).toBe(1);
    await expect(group.run('b', () => 'found')).resolves.toBe('found');
  });

  it('leaves no timer behind', async () => {
    const group = new Group({ flightTimeoutMs: 100 });
    const work = deferred<Map<string, string>>();
    const many = group.doMany(['a', 'b'], () => work.promise, { waitTimeoutMs: 50 });
    work.resolve(valuesOf(['a', 'b']));
    await many;
    await pass(0);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('leaves neither timer nor listener behind for a caller who left', async () => {
    const group = new Group();
    const controller = new AbortController();
    const { signal } = controller;
    const hasty = errorOf(() => group.doMany(['a', 'b'], never, { signal, waitTimeoutMs: 100 }));
    await pass(100);
    expect(await hasty).toBeInstanceOf(WaitTimeoutError);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    const left = errorOf(() => group.doMany(['a', 'c'], never, { signal, waitTimeoutMs: 100 }));
    controller.abort('gone');
    expect(await left).toBe('gone');
    await pass(0);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('The bounds of doMany', () => {
  it('count a batch as one flight, and are checked before anything is joined or started', async () => {
    const group = new Group({ maxFlights: 2 });
    const loaded: (readonly string[])[] = [];
    const load = (keys: readonly string[]): Promise<never> => {
      loaded.push(keys);
      return never();
    };
    void group.doMany(['a', 'b', 'c'], load);
    void group.doMany(['c', 'd'], load);
    const before = { stats: group.stats(), inFlight: group.inFlight().map(({ key, callers }) => [key, callers]) };
    const refused = await errorOf(() => group.doMany(['a', 'x'], load));
    expect(refused).toBeInstanceOf(TooManyFlightsError);
    expect(group.stats()).toEqual(before.stats);
    expect(group.inFlight().map(({ key, callers }) => [key, callers])).toEqual(before.inFlight);
    expect(loaded).toEqual([['a', 'b', 'c'], ['d']]);

    void group.doMany(['a', 'd'], load);
    expect(loaded).toHaveLength(2);
  });

  it('refuse it for one key that has as many followers as it may; nothing is joined or started', async () => {
    const group = new Group({ maxFollowers: 1 });
    const calls = [group.run('full', never), group.run('full', never), group.run('room', never)];
    const refused = await errorOf(() => group.doMany(['new', 'room', 'full'], never));
    expect(refused).toBeInstanceOf(TooManyFollowersError);
    expect(refused).toMatchObject({ describedKey: 'full', maxFollowers: 1 });
    expect(group.inFlight()).toMatchObject([
      { key: 'full', callers: 2 },
      { key: 'room', callers: 1 },
    ]);
    expect(group.stats()).toMatchObject({ flights: 2, followers: 1 });
    void group.doMany(['room', 'new'], never);
    expect(group.inFlight()).toMatchObject([{ callers: 2 }, { key: 'room', callers: 2 }, { key: 'new', callers: 1 }]);
    expect(calls).toHaveLength(3);
  });
});

describe('An observer of doMany', () => {
  it('may ask for the keys itself: each still has one flight', async () => {
    const inner: Promise<unknown>[] = [];
    const work = deferred<Map<string, string>>();
    let runs = 0;
    const group: Group = new Group({
      detectDeadlocks: false,
      observer: {
        join: ({ describedKey }) => {
          if (describedKey === 'joined') inner.push(group.run('missing', () => `run ${++runs}`));
        },
      },
    });
    const joined = deferred<string>();
    const first = group.run('joined', () => joined.promise);
    const many = group.doMany(['joined', 'missing'], () => work.promise);
    work.resolve(valuesOf(['missing']));
    joined.resolve('run');
    await expect(many).resolves.toEqual(
      new Map([
        ['joined', 'run'],
        ['missing', 'value missing'],
      ]),
    );
    await expect(Promise.all(inner)).resolves.toEqual(['value missing']);
    await first;
    expect([runs, group.size]).toEqual([0, 0]);
  });

  describe('in time', () => {
    fakeTime();

    it('may ask for a key when it hears that another is past its join window: each has one flight', async () => {
      const work = deferred<string>();
      const inner: Promise<string>[] = [];
      const loaded: (readonly string[])[] = [];
      const group: Group = new Group({
        joinWindowMs: 100,
        detectDeadlocks: false,
        observer: { adrift: () => inner.push(group.run('early', () => work.promise)) },
      });
      void group.run('overdue', never);
      await pass(100);
      const many = group.doMany(['early', 'overdue'], (keys) => {
        loaded.push(keys);
        return valuesOf(keys);
      });
      work.resolve('run');
      await expect(many).resolves.toEqual(
        new Map([
          ['early', 'run'],
          ['overdue', 'value overdue'],
        ]),
      );
      await expect(Promise.all(inner)).resolves.toEqual(['run']);
      expect(loaded).toEqual([['overdue']]);
      expect(group.size).toBe(0);
    });
  });

  it('may make the caller leave before the loader is called', async () => {
    const controller = new AbortController();
    const group = new Group({ observer: { start: () => controller.abort('gone') } });
    const aborted: boolean[] = [];
    const many = group.doMany(
      ['a', 'b'],
      (keys, { signal }) => {
        aborted.push(signal.aborted);
        return valuesOf(keys);
      },
      { signal: controller.signal },
    );
    await expect(many).rejects.toBe('gone');
    expect(aborted).toEqual([true]);
    expect(group.size).toBe(0);
    expect(group.stats()).toMatchObject({ active: 0, adrift: 0, left: 1 });
  });
});
