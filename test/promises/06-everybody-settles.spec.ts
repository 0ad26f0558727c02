import { describe, expect, it } from '@jest/globals';
import { Group } from '../../lib/core/group.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { programs } from '../support/program.js';
import { turn } from '../support/turns.js';

const FALSY = [undefined, null, 0, '', false, NaN, 0n];

describe('6. Everybody settles, once', () => {
  it.each(FALSY)('rejects leader and followers when the function rejects with %p', async (nothing) => {
    const group = new Group();
    const work = deferred();
    const calls = [
      group.run('key', () => work.promise),
      group.run('key', () => work.promise),
      group.do('key', () => work.promise),
      group.run('key', () => work.promise, { signal: new AbortController().signal }),
      group.do('key', () => work.promise, { waitTimeoutMs: 60_000 }),
    ];
    work.reject(nothing);

    for (const call of calls) await expect(call).rejects.toBe(nothing);
    expect(group.stats()).toMatchObject({ flights: 1, failures: 1 });
  });

  it.each(FALSY)('rejects leader and those inside when the function throws %p', async (nothing) => {
    const group = new Group({ detectDeadlocks: false });
    let inside: Promise<unknown> | undefined;
    const call = group.run('key', () => {
      inside = group.run('key', () => 'not run');
      throw nothing;
    });
    await expect(call).rejects.toBe(nothing);
    await expect(inside).rejects.toBe(nothing);
    await expect(
      group.run(
        'key',
        () => {
          throw nothing;
        },
        { waitTimeoutMs: 60_000 },
      ),
    ).rejects.toBe(nothing);
  });

  it.each(FALSY)('resolves everybody when the function resolves to %p', async (nothing) => {
    const group = new Group();
    const work = deferred<unknown>();
    const calls = [
      group.run('key', () => work.promise),
      group.run('key', () => work.promise, { signal: new AbortController().signal }),
    ];
    work.resolve(nothing);

    await expect(Promise.all(calls)).resolves.toEqual([nothing, nothing]);
    await expect(group.run('key', () => nothing)).resolves.toBe(nothing);
  });

  it('answers a caller who leaves with a falsy reason, or whose signal has one already', async () => {
    const group = new Group();
    for (const nothing of FALSY.filter((one) => one !== undefined)) {
      const controller = new AbortController();
      const left = group.run('key', () => new Promise(() => undefined), { signal: controller.signal });
      controller.abort(nothing);
      await expect(left).rejects.toBe(nothing);
      await expect(group.run('other', () => 'not run', { signal: controller.signal })).rejects.toBe(nothing);
      expect(group.size).toBe(1);
      group.forgetAll();
    }
  });

  it('rejects a caller who aborts in the tick of the settling, before it', async () => {
    const group = new Group();
    const work = deferred<string>();
    const controller = new AbortController();
    const call = group.run('key', () => work.promise, { signal: controller.signal });
    const other = group.run('key', () => work.promise);
    controller.abort('gone');
    work.resolve('done');

    await expect(call).rejects.toBe('gone');
    await expect(other).resolves.toBe('done');
    expect(group.stats().left).toBe(1);
  });

  it('rejects a caller who aborts once the function has settled, but before its promise has called back', async () => {
    const group = new Group();
    const work = deferred<string>();
    const controller = new AbortController();
    const call = group.run('key', () => work.promise, { signal: controller.signal });
    work.resolve('done');
    controller.abort('gone');

    await expect(call).rejects.toBe('gone');
    await turn();
    expect(group.stats()).toMatchObject({ left: 1, active: 0 });
    expect(group.size).toBe(0);
  });

  it.each([
    ['resolved', true],
    ['rejected', false],
  ])('answers a caller once who aborts in the microtask in which the promise calls back: %s', async (_, ok) => {
    const group = new Group();
    const work = deferred<string>();
    const controller = new AbortController();
    const fn = (): Promise<string> => {
      const { promise } = work;
      // Its callbacks run in this order: this abort, the group's, that abort.
      const abort = (): void => {
        if (group.size === 0) controller.abort('too late');
      };
      promise.then(abort, abort);
      queueMicrotask(() => {
        promise.then(abort, abort);
      });
      return promise;
    };
    const call = group.run('key', fn, { signal: controller.signal });
    await Promise.resolve();
    if (ok) work.resolve('done');
    else work.reject('failed');

    if (ok) await expect(call).resolves.toBe('done');
    else await expect(call).rejects.toBe('failed');
    expect(controller.signal.aborted).toBe(true);
    expect(group.stats().left).toBe(0);
  });

  it('lets go of a caller whose signal an observer aborts when the caller joins', async () => {
    const work = deferred<string>();
    const controller = new AbortController();
    const group = new Group({
      observer: {
        join: () => {
          controller.abort('heard of it');
        },
      },
    });
    const leader = group.run('key', () => work.promise);
    const follower = group.run('key', () => 'not run', { signal: controller.signal });

    await expect(follower).rejects.toBe('heard of it');
    expect(group.inFlight()).toMatchObject([{ callers: 1 }]);
    work.resolve('done');
    await expect(leader).resolves.toBe('done');
  });

  describe('with time limits', () => {
    fakeTime();

    it.each([
      ['resolves', (work: { resolve(value: string): void }) => work.resolve('late')],
      ['rejects', (work: { reject(error: unknown): void }) => work.reject(new Error('late'))],
    ])('answers once when the flight times out and the function %s later', async (_, end) => {
      const group = new Group({ flightTimeoutMs: 100 });
      const work = deferred<string>();
      const calls = [
        group.run('key', () => work.promise),
        group.do('key', () => work.promise),
        group.run('key', () => work.promise, { waitTimeoutMs: 200 }),
      ];
      const answers = Promise.allSettled(calls);
      await pass(100);
      end(work);
      await pass(200);

      const errors = (await answers).map((answer) => (answer.status === 'rejected' ? (answer.reason as unknown) : 0));
      expect(errors[0]).toMatchObject({ code: 'ERR_SINGLEFLIGHT_FLIGHT_TIMEOUT' });
      expect(errors).toEqual([errors[0], errors[0], errors[0]]);
      expect(group.stats()).toMatchObject({ flights: 1, failures: 1, left: 0, active: 0, adrift: 0 });
    });

    it('answers a caller whose wait timeout, flight timeout and abort come at one time with one of them', async () => {
      const group = new Group();
      const controller = new AbortController();
      setTimeout(() => {
        controller.abort('aborted');
      }, 100);
      const options = { flightTimeoutMs: 100, waitTimeoutMs: 100, signal: controller.signal };
      const call = group.run('key', () => new Promise(() => undefined), options);
      const refused = expect(call).rejects.toBe('aborted');
      await pass(100);
      await refused;
      expect(group.stats()).toMatchObject({ left: 1, failures: 1 });
    });

    it('answers when the function settles in the turn in which its time is up, before the timer', async () => {
      const group = new Group({ flightTimeoutMs: 100 });
      const work = deferred<string>();
      setTimeout(() => {
        work.resolve('just in time');
      }, 100);
      const call = group.run('key', () => work.promise);
      await pass(100);

      await expect(call).resolves.toBe('just in time');
      expect(group.stats()).toMatchObject({ failures: 0, active: 0 });
    });

    it('lets a caller wait for no longer than it said', async () => {
      const group = new Group({ name: 'products' });
      const call = group.run('42', () => new Promise(() => undefined), { waitTimeoutMs: 100 });
      const refused = expect(call).rejects.toMatchObject({
        name: 'WaitTimeoutError',
        code: 'ERR_SINGLEFLIGHT_WAIT_TIMEOUT',
        waitTimeoutMs: 100,
        group: 'products',
        describedKey: '42',
        message:
          "No result within 100 ms for key '42' in group 'products'. This caller left, the flight goes on for the " +
          'others. Raise `waitTimeoutMs`, or find out why the function takes so long. [ERR_SINGLEFLIGHT_WAIT_TIMEOUT]',
      });
      await pass(99);
      expect(group.inFlight()).toMatchObject([{ callers: 1 }]);
      await pass(1);
      await refused;
      expect(group.inFlight()).toMatchObject([{ callers: 0 }]);
    });
  });

  describe('in a process of its own', () => {
    const run = programs();

    it('leaves no rejection unhandled', async () => {
      const { code, stdout, stderr } = await run(`
        let unhandled = 0;
        process.on('unhandledRejection', () => unhandled++);
        const group = new Group();
        const fail = async () => { throw undefined; };
        const never = () => new Promise(() => {});
        const hear = (promise) => promise.catch(() => {});
        // What tells that it is over must not handle the rejection: that is what this is about.
        const ends = [];
        const late = () => new Promise((_, reject) => {
          ends.push(new Promise((over) => setTimeout(() => { reject('late'); over(); }, 20)));
        });
        const allEnded = async () => {
          await Promise.all(ends.splice(0));
          await new Promise((resolve) => setImmediate(resolve));
        };
        for (let round = 0; round < 10; round++) {
          const controller = new AbortController();
          const { signal } = controller;
          hear(group.run('left', late, { signal }));
          hear(group.do('left', late, { signal }));
          hear(group.run('stopped', (flight) => (flight.signal, late()), { signal }));
          hear(group.run('timed out', late, { flightTimeoutMs: 5 }));
          hear(group.run('timed out', late, { signal }));
          hear(group.run('waited', late, { waitTimeoutMs: 5 }));
          hear(group.run('throws', () => { hear(group.run('throws', fail)); throw null; }));
          hear(group.run('thenable', () => ({ then(_, reject) { reject(0); throw 1; } })));
          hear(group.run('fails', fail, { signal }));
          hear(group.run('forgotten', late));
          group.forget('forgotten');
          controller.abort('gone');
          hear(group.run('left', late, { signal }));
          await allEnded();
        }
        // Nobody waits for this one: the function's own rejection is not this library's, but it has heard it.
        group.run('dropped', late);
        await allEnded();
        console.log(unhandled, group.size, group.stats().active);
      `);
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '0 0 0', stderr: '' });
    });

    it('keeps the process alive until a wait timeout has answered', async () => {
      const { stdout } = await run(`
        const group = new Group();
        group.run('key', () => new Promise(() => {}), { waitTimeoutMs: 50 }).catch((error) => console.log(error.name));
      `);
      expect(stdout).toBe('WaitTimeoutError');
    });

    it('keeps the process alive until a flight timeout has answered those aboard', async () => {
      const { stdout } = await run(`
        const group = new Group({ flightTimeoutMs: 50 });
        group.run('key', () => new Promise(() => {})).catch((error) => console.log(error.name));
      `);
      expect(stdout).toBe('FlightTimeoutError');
    });

    it('does not keep it alive for a flight timeout with nobody aboard, and does again when somebody joins', async () => {
      const left = `
        const group = new Group({ flightTimeoutMs: 60_000 });
        const controller = new AbortController();
        group.run('key', () => new Promise(() => {}), { signal: controller.signal }).catch(() => console.log('left'));
        controller.abort();
      `;
      const inside = `
        const group = new Group({ flightTimeoutMs: 60_000 });
        const controller = new AbortController();
        group.run('key', () => (controller.abort(), new Promise(() => {})), { signal: controller.signal })
          .catch(() => console.log('left'));
      `;
      const rejoined = left.replace('60_000', '50').concat(`
        group.run('key', () => 'not run').catch((error) => console.log(error.name));
      `);
      expect(await run(left)).toEqual({ code: 0, stdout: 'left', stderr: '' });
      expect(await run(inside)).toEqual({ code: 0, stdout: 'left', stderr: '' });
      expect(await run(rejoined)).toEqual({ code: 0, stdout: 'left\nFlightTimeoutError', stderr: '' });
    });
  });
});
