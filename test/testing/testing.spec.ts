import { afterEach, describe, expect, it } from '@jest/globals';
import { hasSubscribers } from 'node:diagnostics_channel';
import { Group } from '../../lib/core/group.js';
import { held, watchFlights, type FlightWatch, type Held } from '../../lib/testing/index.js';
import { errorOf } from '../support/refusals.js';
import { isPending } from '../support/turns.js';

describe('held', () => {
  it('holds every call until the test lets it go, the one that has waited longest first', async () => {
    const load = held<string>();
    expect([load.calls, load.waiting]).toEqual([0, 0]);
    const calls = [load(), load(), load()];
    expect([load.calls, load.waiting]).toEqual([3, 3]);
    for (const call of calls) expect(await isPending(call)).toBe(true);

    const error = new Error('failed');
    load.release('one');
    load.fail(error);
    expect([load.calls, load.waiting]).toEqual([3, 1]);
    await expect(calls[0]).resolves.toBe('one');
    await expect(calls[1]).rejects.toBe(error);
    expect(await isPending(calls[2]!)).toBe(true);
    load.release('three');
    await expect(calls[2]).resolves.toBe('three');
    expect([load.calls, load.waiting]).toEqual([3, 0]);
  });

  it('is run by a flight', async () => {
    const [load, group] = [held<string>(), new Group()];
    const both = Promise.all([group.run('42', load), group.run('42', load)]);
    load.release('a lamp');
    await expect(both).resolves.toEqual(['a lamp', 'a lamp']);
    expect(load.calls).toBe(1);
  });

  it.each([
    ['release', 0, (load: Held<void>) => load.release()],
    ['fail', 0, (load: Held<void>) => load.fail('failed')],
    [
      'release',
      1,
      (load: Held<void>) => {
        void load();
        load.release();
        load.release();
      },
    ],
  ])('throws from %s when no call waits, after %d', (what, calls, end) => {
    expect(() => end(held())).toThrow(
      new Error(`There is no held call to ${what}: ${calls} came, and none of them waits.`),
    );
  });
});

describe('watchFlights', () => {
  const watches: FlightWatch[] = [];
  const watch = (): FlightWatch => {
    const flights = watchFlights();
    watches.push(flights);
    return flights;
  };
  afterEach(() => {
    for (const flights of watches.splice(0)) flights.stop();
  });

  it('lists the flights of every group, oldest first, with the callers aboard', async () => {
    const flights = watch();
    const [load, products, users] = [held(), new Group({ name: 'products' }), new Group({ name: 'users' })];
    expect(flights.flights).toEqual([]);
    const controller = new AbortController();
    const calls = [
      products.run('a', load),
      users.run('a', load),
      products.run('a', load),
      products.doMany(['a', 'b'], () => load().then(() => new Map())),
      errorOf(() => users.run('a', load, { signal: controller.signal })),
    ];
    const [inProducts, inUsers] = [
      { group: 'products', key: 'a', callers: 3 },
      { group: 'users', key: 'a', callers: 2 },
    ];
    const batch = { group: 'products', key: 'b', callers: 1 };
    expect(flights.flights).toEqual([inProducts, inUsers, batch]);
    controller.abort('gone');
    expect(flights.flights).toEqual([inProducts, { ...inUsers, callers: 1 }, batch]);
    load.release();
    await calls[0];
    expect(flights.flights).toEqual([{ ...inUsers, callers: 1 }, batch]);
    load.fail('failed');
    await expect(calls[1]).rejects.toBe('failed');
    load.release();
    await Promise.all([calls[2], calls[3], calls[4]]);
    expect(flights.flights).toEqual([]);
    expect(load.calls).toBe(3);
  });

  it('tells as soon as so many callers are aboard', async () => {
    const flights = watch();
    const [load, group] = [held<string>(), new Group({ name: 'products' })];
    const aboard = flights.aboard({ group: 'products', key: '42', callers: 3 });
    const calls = [group.run('42', load), group.run('42', load)];
    expect(await isPending(aboard)).toBe(true);
    calls.push(group.run('42', load));
    await expect(aboard).resolves.toEqual({ group: 'products', key: '42', callers: 3 });
    load.release('a lamp');
    await Promise.all(calls);
  });

  it('tells at once when they are already', async () => {
    const flights = watch();
    const [load, group] = [held(), new Group({ name: 'products' })];
    const calls = [group.run('42', load), group.run('42', load)];
    const seen = { group: 'products', key: '42', callers: 2 };
    await expect(flights.aboard({ callers: 1 })).resolves.toEqual(seen);
    await expect(flights.aboard({ group: 'products', callers: 2 })).resolves.toEqual(seen);
    await expect(flights.aboard({ key: '42', callers: 2 })).resolves.toEqual(seen);
    load.release();
    await Promise.all(calls);
  });

  it('does not take one group or key for another, nor those who left for those aboard', async () => {
    const flights = watch();
    const [load, group] = [held(), new Group({ name: 'products' })];
    const waiting = [
      flights.aboard({ group: 'users', callers: 1 }),
      flights.aboard({ key: '43', callers: 1 }),
      flights.aboard({ callers: 3 }),
    ];
    for (const each of waiting) void each.catch(() => undefined);
    const controller = new AbortController();
    const calls = [group.run('42', load)];
    const left = errorOf(() => group.run('42', load, { signal: controller.signal }));
    // Three have come, but never were there three at a time.
    controller.abort('gone');
    expect(await left).toBe('gone');
    calls.push(group.run('42', load));
    for (const each of waiting) expect(await isPending(each)).toBe(true);
    load.release();
    await Promise.all(calls);
  });

  it('does not count those who take a result that lingers', async () => {
    const flights = watch();
    const group = new Group({ lingerMs: 1_000 });
    await group.run('42', () => 'lingers');
    await group.run('42', () => 'not run');
    expect(flights.flights).toEqual([]);
    group.forgetAll();
  });

  it('sees only flights that start while it watches, and none of a group with an observer of its own', async () => {
    const load = held();
    const [seen, observed] = [new Group(), new Group({ observer: {} })];
    const calls = [seen.run('before', load)];
    const flights = watch();
    calls.push(seen.run('before', load), observed.run('observed', load));
    expect(flights.flights).toEqual([]);
    load.release();
    load.release();
    await Promise.all(calls);
  });

  it('stops: rejects whoever waits, and leaves no subscriber behind', async () => {
    const channels = ['start', 'join', 'leave', 'settle'].map((event) => `nestjs-singleflight:flight:${event}`);
    const flights = watch();
    const other = watch();
    expect(channels.map((name) => hasSubscribers(name))).toEqual([true, true, true, true]);
    const waiting = [
      errorOf(() => flights.aboard({ group: 'products', key: '42', callers: 2 })),
      errorOf(() => flights.aboard({ callers: 1 })),
    ];
    flights.stop();
    await expect(Promise.all(waiting)).resolves.toEqual([
      new Error('Nobody saw {"group":"products","key":"42","callers":2} aboard.'),
      new Error('Nobody saw {"callers":1} aboard.'),
    ]);
    expect(channels.map((name) => hasSubscribers(name))).toEqual([true, true, true, true]);
    other.stop();
    flights.stop();
    expect(channels.map((name) => hasSubscribers(name))).toEqual([false, false, false, false]);
    await new Group().run('42', () => 'not seen');
    expect(flights.flights).toEqual([]);
  });
});
