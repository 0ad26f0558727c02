import { describe, expect, it } from '@jest/globals';
import type { Flight } from '../../lib/core/flight.js';
import { Group } from '../../lib/core/group.js';
import { doChan } from '../../lib/rx/do-chan.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { turn } from '../support/turns.js';

const ABANDONED = {
  name: 'AbandonedError',
  code: 'ERR_SINGLEFLIGHT_ABANDONED',
  message:
    "Every caller has left for key 'key' in group 'default': nobody waits for the result. [ERR_SINGLEFLIGHT_ABANDONED]",
  group: 'default',
  describedKey: 'key',
};

/** A flight whose callers leave when the test says so; its function never ends by itself. */
function flightOf(group: Group, { callers = 1, reads = false } = {}): { flight: Flight; leave: (() => void)[] } {
  let flight!: Flight;
  const leave = Array.from({ length: callers }, () => {
    const controller = new AbortController();
    const fn = (started: Flight): Promise<never> => {
      flight = started;
      if (reads) expect(started.signal.aborted).toBe(false);
      return new Promise(() => undefined);
    };
    group.run('key', fn, { signal: controller.signal }).catch(() => undefined);
    return () => {
      controller.abort('gone');
    };
  });
  return { flight, leave };
}

describe('8. The last one out', () => {
  it.each([1, 2, 100])('aborts the signal and frees the key in the tick in which the last of %d leaves', (callers) => {
    const group = new Group();
    const { flight, leave } = flightOf(group, { callers, reads: true });
    for (const one of leave.slice(1)) one();
    expect(flight.signal.aborted).toBe(false);
    expect(group.size).toBe(1);
    leave[0]!();

    expect(flight.signal.aborted).toBe(true);
    expect(flight.signal.reason).toMatchObject(ABANDONED);
    expect(group.size).toBe(0);
    expect(group.inFlight()).toMatchObject([{ callers: 0, adrift: true }]);
  });

  it('does so as well when the signal is read after everybody has left', () => {
    const group = new Group();
    const { flight, leave } = flightOf(group, { callers: 2 });
    for (const one of leave) one();
    expect(group.size).toBe(1);
    const { signal } = flight;

    expect(signal.aborted).toBe(true);
    expect(signal.reason).toMatchObject(ABANDONED);
    expect(group.size).toBe(0);
    expect(flight.signal).toBe(signal);
  });

  it('does so when the leader leaves from inside the function, before it reads the signal or after', async () => {
    for (const readsFirst of [true, false]) {
      const group = new Group();
      const controller = new AbortController();
      const seen: unknown[] = [];
      const call = group.run(
        'key',
        (flight) => {
          if (readsFirst) seen.push(flight.signal.aborted);
          controller.abort('gone');
          seen.push(flight.signal.aborted, group.size);
          return new Promise(() => undefined);
        },
        { signal: controller.signal },
      );
      await expect(call).rejects.toBe('gone');
      expect(seen).toEqual(readsFirst ? [false, true, 0] : [true, 0]);
    }
  });

  it('lets nobody join a doomed flight: the next call starts a new one', async () => {
    const group = new Group();
    const { leave } = flightOf(group, { reads: true });
    leave[0]!();
    const next = group.do('key', ({ signal }) => `aborted: ${signal.aborted}`);

    await expect(next).resolves.toEqual({ ok: true, value: 'aborted: false', shared: false, role: 'leader' });
  });

  it('starts a new flight for a call from a listener of the signal that aborts', () => {
    const group = new Group();
    const { flight, leave } = flightOf(group, { reads: true });
    let size: number | undefined;
    flight.signal.addEventListener('abort', () => {
      size = group.size;
      flightOf(group, { reads: true });
    });
    leave[0]!();

    expect(size).toBe(0);
    expect(group.stats()).toMatchObject({ flights: 2, followers: 0, adrift: 1 });
  });

  it('dooms nothing where an earlier listener of the same abort has joined again', () => {
    const group = new Group();
    const controller = new AbortController();
    let flight!: Flight;
    controller.signal.addEventListener('abort', () => {
      void group.run('key', () => 'not run');
    });
    const fn = (started: Flight): Promise<never> => {
      flight = started;
      expect(started.signal.aborted).toBe(false);
      return new Promise(() => undefined);
    };
    group.run('key', fn, { signal: controller.signal }).catch(() => undefined);
    controller.abort('gone');

    expect(flight.signal.aborted).toBe(false);
    expect(group.inFlight()).toMatchObject([{ callers: 1, adrift: false }]);
  });

  it('starts a new flight where a later listener of the same abort calls again', () => {
    const group = new Group();
    const controller = new AbortController();
    flightOf(group, { callers: 0 });
    const signals: AbortSignal[] = [];
    const fn = ({ signal }: Flight): Promise<never> => {
      signals.push(signal);
      return new Promise(() => undefined);
    };
    group.run('key', fn, { signal: controller.signal }).catch(() => undefined);
    controller.signal.addEventListener('abort', () => {
      void group.run('key', fn);
    });
    controller.abort('gone');

    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  });

  it('is not doomed by a signal read while somebody who came back is aboard', () => {
    const group = new Group();
    const { flight, leave } = flightOf(group);
    leave[0]!();
    const back = flightOf(group);
    expect(flight.signal.aborted).toBe(false);
    expect(back.flight).toBeUndefined();
    back.leave[0]!();

    expect(flight.signal.aborted).toBe(true);
  });

  it('is kept alive by a caller who cannot leave', () => {
    const group = new Group();
    const { flight, leave } = flightOf(group, { reads: true });
    void group.run('key', () => 'not run');
    leave[0]!();

    expect(flight.signal.aborted).toBe(false);
    expect(group.inFlight()).toMatchObject([{ callers: 1, adrift: false }]);
  });

  it('aborts a flight that was forgotten before, and leaves the new one alone', () => {
    const group = new Group();
    const old = flightOf(group, { reads: true });
    group.forget('key');
    const young = flightOf(group, { reads: true });
    old.leave[0]!();

    expect(old.flight.signal.aborted).toBe(true);
    expect(young.flight.signal.aborted).toBe(false);
    expect(group.size).toBe(1);
  });

  it('aborts when the last subscriber of `doChan` goes; never subscribed to, it stays aboard', () => {
    const group = new Group();
    let signal: AbortSignal | undefined;
    const channel = doChan(group, 'key', (flight) => {
      ({ signal } = flight);
      return new Promise(() => undefined);
    });
    const subscriptions = [channel.subscribe(), channel.subscribe()];
    subscriptions[0]!.unsubscribe();
    expect(signal?.aborted).toBe(false);
    subscriptions[1]!.unsubscribe();
    expect(signal?.aborted).toBe(true);

    doChan(group, 'key', (flight) => {
      ({ signal } = flight);
      return new Promise(() => undefined);
    });
    expect(signal?.aborted).toBe(false);
    expect(group.inFlight()).toMatchObject([
      { callers: 0, adrift: true },
      { callers: 1, adrift: false },
    ]);
  });

  it.each([
    ['resolves', true],
    ['rejects', false],
  ])('runs to its end, joinable, where the signal is never read; it %s', async (_, ok) => {
    const settled: unknown[] = [];
    const group = new Group({
      observer: {
        settle: ({ ok: how, error, callers, aboard }) => settled.push([how, error, callers, aboard]),
      },
    });
    const work = deferred<string>();
    const controller = new AbortController();
    const call = group.run('key', () => work.promise, { signal: controller.signal });
    controller.abort('gone');
    await expect(call).rejects.toBe('gone');
    expect(group.size).toBe(1);
    if (ok) work.resolve('done');
    else work.reject('swallowed');
    await turn();

    expect(settled).toEqual([ok ? [true, undefined, 1, 0] : [false, 'swallowed', 1, 0]]);
    expect(group.size).toBe(0);
  });

  it('swallows what a doomed function rejects with, and tells of it', async () => {
    const settled: unknown[] = [];
    const group = new Group({ observer: { settle: ({ ok, error, aboard }) => settled.push([ok, error, aboard]) } });
    const controller = new AbortController();
    const call = group.run(
      'key',
      ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            reject(signal.reason);
          });
        }),
      { signal: controller.signal },
    );
    controller.abort('gone');
    await expect(call).rejects.toBe('gone');
    await turn();

    expect(settled).toEqual([[false, expect.objectContaining(ABANDONED), 0]]);
    expect(group.stats()).toMatchObject({ active: 0, adrift: 0 });
  });

  it('makes the signal when it is first read, and does not abort it once the flight has settled', async () => {
    const group = new Group();
    const controller = new AbortController();
    let flight!: Flight;
    const fn = (started: Flight): string => {
      flight = started;
      return 'done';
    };
    await group.run('key', fn, { signal: controller.signal });
    controller.abort('too late');

    expect(flight.signal.aborted).toBe(false);
  });

  describe('with time limits', () => {
    fakeTime();

    it('is out as well when its wait timeout is over', async () => {
      const group = new Group();
      let signal: AbortSignal | undefined;
      const fn = (flight: Flight): Promise<never> => {
        ({ signal } = flight);
        return new Promise(() => undefined);
      };
      const calls = [100, 200].map((waitTimeoutMs) => group.run('key', fn, { waitTimeoutMs }));
      const refused = calls.map((call) => expect(call).rejects.toMatchObject({ name: 'WaitTimeoutError' }));
      await pass(199);
      expect(signal?.aborted).toBe(false);
      await pass(1);
      await Promise.all(refused);

      expect(signal?.aborted).toBe(true);
      expect(signal?.reason).toMatchObject(ABANDONED);
    });

    it('aborts the signal of a timed-out flight with its FlightTimeoutError, also when it is read later', async () => {
      const group = new Group({ flightTimeoutMs: 100 });
      const flights: Flight[] = [];
      for (const reads of [true, false]) {
        const call = group.run(`key ${reads}`, (flight) => {
          flights.push(flight);
          if (reads) expect(flight.signal.aborted).toBe(false);
          return new Promise(() => undefined);
        });
        const refused = expect(call).rejects.toMatchObject({ name: 'FlightTimeoutError' });
        await pass(100);
        await refused;
      }
      for (const { signal } of flights)
        expect(signal).toMatchObject({ aborted: true, reason: { name: 'FlightTimeoutError' } });
    });

    it('keeps the first reason when an abandoned flight times out', async () => {
      const group = new Group({ flightTimeoutMs: 100 });
      const { flight, leave } = flightOf(group, { reads: true });
      leave[0]!();
      await pass(100);

      expect(flight.signal.reason).toMatchObject(ABANDONED);
      expect(group.stats()).toMatchObject({ failures: 1, active: 1, adrift: 1 });
    });
  });
});
