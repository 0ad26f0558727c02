import { describe, expect, it } from '@jest/globals';
import { Group } from '../../lib/core/group.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { turn } from '../support/turns.js';

const never = (): Promise<never> => new Promise(() => undefined);
const NOTHING = {
  flights: 0,
  callers: 0,
  followers: 0,
  failures: 0,
  left: 0,
  forgotten: 0,
  bypassed: 0,
  active: 0,
  adrift: 0,
  peak: 0,
  coalescingRatio: 0,
};

describe('Group.do', () => {
  it('says who led and who followed, and that it was shared', async () => {
    const group = new Group();
    const work = deferred<number>();
    const calls = [1, 2, 3].map(() => group.do('key', () => work.promise));
    work.resolve(42);

    await expect(Promise.all(calls)).resolves.toEqual([
      { ok: true, value: 42, shared: true, role: 'leader' },
      { ok: true, value: 42, shared: true, role: 'follower' },
      { ok: true, value: 42, shared: true, role: 'follower' },
    ]);
  });

  it('gives followers what none of them can change for the others', async () => {
    const group = new Group();
    const work = deferred<number>();
    void group.run('key', () => work.promise);
    const followers = [1, 2].map(() => group.do('key', () => work.promise));
    work.resolve(42);
    const [one, other] = await Promise.all(followers);
    Reflect.set(one!, 'value', 0);
    expect(other).toEqual({ ok: true, value: 42, shared: true, role: 'follower' });
  });

  it('says to one who was alone that it was not', async () => {
    const alone = { ok: true, value: 42, shared: false, role: 'leader' };
    const group = new Group();
    await expect(group.do('key', () => 42)).resolves.toEqual(alone);
    await expect(group.do('key', async () => 42)).resolves.toEqual(alone);
    await expect(group.do('key', async () => 42, { waitTimeoutMs: 1_000 })).resolves.toEqual(alone);
  });
});

describe('Group.stats', () => {
  it('begins with nothing', () => {
    expect(new Group().stats()).toEqual(NOTHING);
  });

  it('counts flights, callers and followers, and their ratio', async () => {
    const group = new Group();
    const work = deferred();
    const calls = ['a', 'a', 'a', 'b'].map((key) => group.run(key, () => work.promise));
    expect(group.stats()).toEqual({
      ...NOTHING,
      flights: 2,
      callers: 4,
      followers: 2,
      active: 2,
      peak: 2,
      coalescingRatio: 0.5,
    });
    work.resolve();
    await Promise.all(calls);
    expect(group.stats()).toMatchObject({ flights: 2, callers: 4, active: 0, peak: 2, coalescingRatio: 0.5 });
  });

  it('counts failures: a rejection, a throw, not a caller who leaves', async () => {
    const group = new Group();
    const controller = new AbortController();
    const calls = [
      group.run('rejects', () => Promise.reject(new Error('failed'))),
      group.run('rejects', () => 'not run'),
      group.run('throws', () => {
        throw new Error('thrown');
      }),
      group.run('left', never, { signal: controller.signal }),
    ];
    controller.abort();
    await Promise.allSettled(calls);
    expect(group.stats()).toMatchObject({ flights: 3, followers: 1, failures: 2, left: 1, active: 1, adrift: 0 });
  });

  it('counts what was forgotten, and who is adrift', async () => {
    const group = new Group();
    const work = deferred();
    const calls = ['a', 'b', 'c'].map((key) => group.run(key, () => work.promise));
    expect(group.forget('a')).toBe(true);
    expect(group.forget('a')).toBe(false);
    expect(group.forget('z')).toBe(false);
    expect(group.stats()).toMatchObject({ forgotten: 1, active: 3, adrift: 1 });
    expect(group.forgetAll()).toBe(2);
    expect(group.forgetAll()).toBe(0);
    expect(group.stats()).toMatchObject({ forgotten: 3, active: 3, adrift: 3, peak: 3 });
    work.resolve();
    await Promise.all(calls);
    expect(group.stats()).toMatchObject({ forgotten: 3, active: 0, adrift: 0, peak: 3 });
  });

  it('keeps the peak', async () => {
    const group = new Group<number>();
    for (const width of [3, 7, 5]) {
      await Promise.all(Array.from({ length: width }, (_, key) => group.run(key, async () => key)));
    }
    expect(group.stats()).toMatchObject({ peak: 7, active: 0, flights: 15 });
  });

  describe('in time', () => {
    fakeTime();

    it('counts a timed-out function as active and adrift until it ends', async () => {
      const group = new Group({ flightTimeoutMs: 100 });
      const work = deferred();
      const call = group.run('key', () => work.promise).catch(() => undefined);
      await pass(100);
      await call;
      expect(group.stats()).toMatchObject({ failures: 1, active: 1, adrift: 1 });
      work.reject('late');
      await turn();
      expect(group.stats()).toMatchObject({ failures: 1, active: 0, adrift: 0 });
    });

    it('counts one past its join window as adrift, though nobody has asked for its key', async () => {
      const group = new Group({ joinWindowMs: 100 });
      void group.run('key', never);
      expect(group.stats()).toMatchObject({ adrift: 0 });
      await pass(100);
      expect(group.stats()).toMatchObject({ active: 1, adrift: 1 });
      expect(group.size).toBe(0);
    });

    it('counts a caller of a lingering result as a follower', async () => {
      const group = new Group({ lingerMs: 100 });
      await group.run('key', () => 1);
      await group.run('key', () => 2);
      expect(group.stats()).toMatchObject({ flights: 1, followers: 1, active: 0, coalescingRatio: 0.5 });
    });
  });
});

describe('Group.inFlight', () => {
  fakeTime();

  it('lists the flights, oldest first, with age and callers; those adrift too', async () => {
    const group = new Group({ joinWindowMs: 250 });
    void group.run('first', never);
    await pass(100);
    void group.run('second', never);
    void group.run('second', never);
    await pass(100);
    void group.run('third', never);
    group.forget('second');
    await pass(50);

    expect(group.inFlight()).toEqual([
      { key: 'first', ageMs: 250, callers: 1, adrift: true },
      { key: 'second', ageMs: 150, callers: 2, adrift: true },
      { key: 'third', ageMs: 50, callers: 1, adrift: false },
    ]);
  });

  it('lists a timed-out function until it ends, with nobody aboard', async () => {
    const group = new Group({ flightTimeoutMs: 100 });
    const work = deferred();
    const call = group.run('key', () => work.promise).catch(() => undefined);
    await pass(100);
    await call;
    expect(group.inFlight()).toEqual([{ key: 'key', ageMs: 100, callers: 0, adrift: true }]);
    work.resolve();
    await turn();
    expect(group.inFlight()).toEqual([]);
  });

  it('does not list a result that lingers, which has a size', async () => {
    const group = new Group({ lingerMs: 100 });
    await group.run('key', () => 'done');
    expect(group.inFlight()).toEqual([]);
    expect(group.size).toBe(1);
    await pass(100);
    expect(group.size).toBe(0);
  });

  it('prints keys as `describeKey` does', () => {
    const group = new Group<{ id: number }>({ describeKey: ({ id }: { id: number }) => `product ${id}` });
    void group.run({ id: 42 }, never);
    expect(group.inFlight()).toMatchObject([{ key: 'product 42' }]);
  });
});

describe('lingerMs', () => {
  fakeTime();

  it('gives late callers a result that is shared for them, and leaves the lone leader not sharing', async () => {
    const group = new Group({ lingerMs: 1_000 });
    const leader = group.do('key', async () => 'done');
    const late = leader.then(() => group.do('key', () => 'not run', { signal: new AbortController().signal }));
    await expect(late).resolves.toEqual({ ok: true, value: 'done', shared: true, role: 'follower' });
    await pass(500);
    await expect(group.do('key', () => 'not run')).resolves.toMatchObject({ shared: true, role: 'follower' });
    await expect(leader).resolves.toEqual({ ok: true, value: 'done', shared: false, role: 'leader' });
  });

  it('does not make its leader share, though somebody takes the result before the leader wakes', async () => {
    const group = new Group({ lingerMs: 1_000 });
    const work = deferred<string>();
    const leader = group.do('key', () => work.promise, { signal: new AbortController().signal });
    const late = work.promise.then(() => group.do('key', () => 'not run'));
    work.resolve('done');

    await expect(leader).resolves.toEqual({ ok: true, value: 'done', shared: false, role: 'leader' });
    await expect(late).resolves.toMatchObject({ shared: true, role: 'follower' });
  });

  it('begins when the flight settles, however long it took', async () => {
    const group = new Group({ lingerMs: 100, joinWindowMs: 1_000 });
    const work = deferred<string>();
    const call = group.run('key', () => work.promise);
    await pass(900);
    work.resolve('done');
    await call;
    await pass(99);
    await expect(group.do('key', () => 'new')).resolves.toMatchObject({ value: 'done' });
    await pass(1);
    await expect(group.do('key', () => 'new')).resolves.toMatchObject({ value: 'new', role: 'leader' });
  });

  it('is over when its time is up, though the timer is late', async () => {
    const group = new Group({ lingerMs: 100 });
    await group.run('key', () => 'done');
    // The clock goes on, the timers have not had their turn yet.
    const late = performance.now() + 100;
    await pass(0);
    performance.now = () => late;
    expect(group.size).toBe(0);
    expect(group.stats()).toMatchObject({ active: 0, adrift: 0 });
    await expect(group.do('key', () => 'new')).resolves.toMatchObject({ value: 'new', role: 'leader' });
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('failed'))],
    [
      'throws',
      (): never => {
        throw new Error('failed');
      },
    ],
  ])('keeps nothing of a function that %s', async (_, fn) => {
    const group = new Group({ lingerMs: 1_000 });
    await expect(group.run('key', fn)).rejects.toThrow('failed');
    expect(group.size).toBe(0);
  });

  it('is what the leader said, else what the group says', async () => {
    const group = new Group({ lingerMs: 1_000 });
    await group.run('not', () => 1, { lingerMs: 0 });
    expect(group.size).toBe(0);
    await group.run('short', () => 1, { lingerMs: 10 });
    await group.run('long', () => 1, {});
    expect(group.size).toBe(2);
    await pass(10);
    expect(group.size).toBe(1);
  });
});
