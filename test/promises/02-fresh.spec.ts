import { describe, expect, it } from '@jest/globals';
import { Group } from '../../lib/core/group.js';
import type { CallOptions, FlightOptions } from '../../lib/core/options.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { microtasks, turn } from '../support/turns.js';

const LOOPS = 256;

interface Attack {
  readonly stale: number;
  readonly answered: number;
  readonly executions: number;
}

/** 256 loops that call one key over and over: overlapping calls must not keep a result alive. */
async function attack(
  work: () => Promise<void>,
  isOver: (executions: number) => boolean,
  options?: CallOptions & FlightOptions,
): Promise<Attack> {
  const group = new Group();
  let started = 0;
  let ended = 0;
  let stale = 0;
  let answered = 0;
  const fn = (): Promise<number> => {
    const id = ++started;
    const result = work().then(() => id);
    // Its callbacks run one after the other, this one first: the process learns of the end here.
    void result.then(() => {
      ended = id;
    });
    return result;
  };
  const loop = async (index: number): Promise<void> => {
    while (!isOver(started)) {
      const endedBefore = ended;
      const id = await group.run('key', fn, options);
      answered++;
      if (id <= endedBefore) stale++;
      await microtasks(index % 7);
    }
  };
  await Promise.all(Array.from({ length: LOOPS }, (_, index) => loop(index)));
  return { stale, answered, executions: started };
}

describe('2. Fresh', () => {
  it('gives no caller of 256 loops the result of an execution that had ended before the call', async () => {
    const { stale, answered, executions } = await attack(turn, (run) => run >= 200);

    expect(stale).toBe(0);
    expect(executions).toBeGreaterThanOrEqual(200);
    expect(answered).toBeGreaterThanOrEqual(LOOPS);
  });

  it('nor where every caller can leave', async () => {
    const { signal } = new AbortController();
    const { stale, executions } = await attack(
      () => microtasks(3),
      (run) => run >= 200,
      { signal },
    );

    expect(stale).toBe(0);
    expect(executions).toBeGreaterThanOrEqual(200);
  });

  it('nor in 2 seconds of 256 loops, in which the function runs again and again', async () => {
    const end = performance.now() + 2_000;
    const { stale, answered, executions } = await attack(turn, () => performance.now() >= end);

    expect(stale).toBe(0);
    expect(executions).toBeGreaterThan(1);
    expect(answered).toBeGreaterThan(LOOPS);
  });

  it('frees the key within the microtask in which the promise calls back', async () => {
    const group = new Group();
    const work = deferred<string>();
    const sizes: number[] = [];
    const look = (): void => {
      sizes.push(group.size);
    };
    void work.promise.then(look);
    const call = group.run('key', () => work.promise);
    void work.promise.then(look);
    work.resolve('done');
    await call;

    expect(sizes).toEqual([1, 0]);
  });

  it('starts a new flight for a call that comes right after the last one has landed', async () => {
    const group = new Group();
    let runs = 0;
    const fn = async (): Promise<number> => {
      await Promise.resolve();
      return ++runs;
    };
    for (let expected = 1; expected <= 100; expected++) expect(await group.run('key', fn)).toBe(expected);
  });

  it.each([
    ['settles', true],
    ['fails', false],
  ])('keeps no entry when the flight %s with nobody aboard', async (_, ok) => {
    const group = new Group();
    const work = deferred<string>();
    const controller = new AbortController();
    const left = group.run('key', () => work.promise, { signal: controller.signal });
    controller.abort('gone');
    await expect(left).rejects.toBe('gone');
    expect(group.size).toBe(1);
    if (ok) work.resolve('done');
    else work.reject(new Error('failed'));
    await turn();

    expect(group.size).toBe(0);
    await expect(group.run('key', () => 'new')).resolves.toBe('new');
  });

  it('keeps the entry when the last caller leaves a flight that cannot be stopped', async () => {
    const group = new Group();
    const work = deferred<string>();
    const controller = new AbortController();
    const left = group.run('key', () => work.promise, { signal: controller.signal });
    controller.abort('gone');
    await expect(left).rejects.toBe('gone');
    const joined = group.do('key', () => 'another');
    work.resolve('first');

    await expect(joined).resolves.toEqual({ ok: true, value: 'first', shared: true, role: 'follower' });
  });

  it('reads again after `forget`, however many still wait for the old flight', async () => {
    const group = new Group();
    const read = deferred<string>();
    let stored = 'old';
    const before = Array.from({ length: 10 }, () =>
      group.run('key', async () => {
        const value = stored;
        await read.promise;
        return value;
      }),
    );
    stored = 'new';
    expect(group.forget('key')).toBe(true);
    const after = group.run('key', async () => stored);
    read.resolve('');

    await expect(after).resolves.toBe('new');
    await expect(Promise.all(before)).resolves.toEqual(Array.from({ length: 10 }, () => 'old'));
  });

  describe('with time limits', () => {
    fakeTime();

    it('starts a new flight where the join window of the old one has passed', async () => {
      const group = new Group({ joinWindowMs: 1_000 });
      const works = [deferred<number>(), deferred<number>()];
      let runs = 0;
      const fn = (): Promise<number> => works[runs++]!.promise;
      const calls = [group.run('key', fn)];
      await pass(999);
      calls.push(group.run('key', fn));
      expect(runs).toBe(1);
      await pass(1);
      calls.push(group.run('key', fn));
      expect(runs).toBe(2);
      works[1]!.resolve(2);
      works[0]!.resolve(1);

      await expect(Promise.all(calls)).resolves.toEqual([1, 1, 2]);
    });

    it('lets a result linger for `lingerMs` and not longer, and drops it on `forget`', async () => {
      const group = new Group({ lingerMs: 1_000 });
      let runs = 0;
      const fn = async (): Promise<number> => ++runs;
      await group.run('key', fn);
      await pass(999);
      await expect(group.run('key', fn)).resolves.toBe(1);
      await pass(1);
      await expect(group.run('key', fn)).resolves.toBe(2);
      expect(group.forget('key')).toBe(true);
      expect(group.forget('key')).toBe(false);
      await expect(group.run('key', fn)).resolves.toBe(3);
    });

    it('lets nothing linger of a flight that is past its join window', async () => {
      const group = new Group({ joinWindowMs: 100, lingerMs: 1_000 });
      const work = deferred<string>();
      const old = group.run('key', () => work.promise);
      await pass(100);
      work.resolve('old');
      await expect(old).resolves.toBe('old');

      expect(group.size).toBe(0);
      await expect(group.run('key', () => 'new')).resolves.toBe('new');
    });

    it('starts a new flight where the old one timed out', async () => {
      const group = new Group({ flightTimeoutMs: 1_000 });
      const first = group.run('key', () => new Promise<string>(() => undefined));
      const refused = expect(first).rejects.toMatchObject({ code: 'ERR_SINGLEFLIGHT_FLIGHT_TIMEOUT' });
      await pass(1_000);
      await refused;
      await expect(group.run('key', () => 'new')).resolves.toBe('new');
    });
  });
});
