import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Group } from '../../lib/core/group.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { programs } from '../support/program.js';
import { turn } from '../support/turns.js';

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

describe('12. Idle costs nothing', () => {
  describe('timers', () => {
    afterEach(() => {
      jest.restoreAllMocks();
    });

    it('sets none unless a time limit is set', async () => {
      const timeouts = jest.spyOn(globalThis, 'setTimeout');
      const intervals = jest.spyOn(globalThis, 'setInterval');
      const group = new Group({ joinWindowMs: 30_000, flightTimeoutMs: Infinity, lingerMs: 0 });
      const { signal } = new AbortController();
      const work = deferred<string>();
      const calls = [
        group.run('key', () => work.promise),
        group.do('key', () => work.promise, { signal, waitTimeoutMs: Infinity }),
        group.run('value', () => 'at once'),
      ];
      work.resolve('done');
      await Promise.all(calls);
      await group.run('fails', () => Promise.reject(new Error('failed'))).catch(() => undefined);

      expect(timeouts).not.toHaveBeenCalled();
      expect(intervals).not.toHaveBeenCalled();
    });

    it('sets at most one immediate in a turn of the event loop, however many calls there are', async () => {
      await turn();
      const immediates = jest.spyOn(globalThis, 'setImmediate');
      const group = new Group({ joinWindowMs: 30_000 });
      await Promise.all(Array.from({ length: 1_000 }, (_, index) => group.run(`key ${index % 10}`, async () => index)));

      expect(immediates.mock.calls.length).toBeLessThanOrEqual(1);
    });

    describe('of faked time', () => {
      fakeTime();

      it('are gone when they are not needed any more: one a caller with a wait timeout, one a flight', async () => {
        const group = new Group({ flightTimeoutMs: 60_000 });
        const work = deferred<string>();
        const calls = Array.from({ length: 10 }, () => group.run('key', () => work.promise, { waitTimeoutMs: 1_000 }));
        await pass(0);
        expect(jest.getTimerCount()).toBe(11);
        work.resolve('done');
        await Promise.all(calls);
        await pass(0);
        expect(jest.getTimerCount()).toBe(0);
      });

      it('are gone when the caller has left, the lingering result was forgotten, or nothing lingers', async () => {
        const group = new Group({ lingerMs: 1_000 });
        const controller = new AbortController();
        const left = group.run('key', () => new Promise(() => undefined), {
          signal: controller.signal,
          waitTimeoutMs: 1_000,
        });
        controller.abort('gone');
        await expect(left).rejects.toBe('gone');
        await expect(group.run('fails', () => Promise.reject('failed'))).rejects.toBe('failed');
        await group.run('lingers', () => 'done');
        await pass(0);
        expect(jest.getTimerCount()).toBe(1);
        group.forget('lingers');
        await pass(0);
        expect(jest.getTimerCount()).toBe(0);
      });
    });
  });

  describe('listeners', () => {
    it('is one for a signal, however many calls it guards, and none is left behind', async () => {
      const groups = [new Group(), new Group()];
      const work = deferred<number>();
      const { signal } = new AbortController();
      const calls = Array.from({ length: 1_000 }, (_, index) =>
        groups[index % 2]!.run(`key ${index % 7}`, () => work.promise, { signal }),
      );
      expect(listenersOf(signal)).toBe(1);
      work.resolve(1);
      await Promise.all(calls);
      expect(listenersOf(signal)).toBe(0);
    });

    it.each<[string, () => Promise<unknown>]>([
      ['rejects', () => Promise.reject(new Error('failed'))],
      ['returns a value', () => 'value' as unknown as Promise<unknown>],
      [
        'throws',
        () => {
          throw new Error('thrown');
        },
      ],
    ])('is gone when the function %s', async (_, fn) => {
      const group = new Group();
      const { signal } = new AbortController();
      await group.run('key', fn, { signal }).catch(() => undefined);
      expect(listenersOf(signal)).toBe(0);
    });

    it('is none for a call that is refused', async () => {
      const group = new Group();
      const { signal } = new AbortController();
      await expect(group.run('key', () => 1, { signal, waitTimeoutMs: -1 })).rejects.toThrow('waitTimeoutMs');
      await expect(group.run('key', undefined as never, { signal })).rejects.toThrow('fn');
      expect(listenersOf(signal)).toBe(0);
    });

    it("leaves other people's listeners alone", async () => {
      const group = new Group();
      const { signal } = new AbortController();
      signal.addEventListener('abort', () => undefined);
      await group.run('key', async () => 1, { signal });
      expect(listenersOf(signal)).toBe(1);
    });

    it('goes with the last of the calls that it guards', async () => {
      const group = new Group();
      const works = [deferred(), deferred()];
      const { signal } = new AbortController();
      const calls = works.map((work, index) => group.run(`key ${index}`, () => work.promise, { signal }));
      works[0]!.resolve();
      await calls[0];
      expect(listenersOf(signal)).toBe(1);
      works[1]!.resolve();
      await calls[1];
      expect(listenersOf(signal)).toBe(0);
    });

    describe('of faked time', () => {
      fakeTime();

      it('is gone after a wait timeout, a flight timeout, an abort, and with a result that lingers', async () => {
        const group = new Group({ flightTimeoutMs: 1_000, lingerMs: 60_000 });
        const never = (): Promise<never> => new Promise(() => undefined);
        const controller = new AbortController();
        const { signal } = new AbortController();
        const calls = [
          group.run('a', never, { signal, waitTimeoutMs: 10 }),
          group.run('b', never, { signal }),
          group.run('c', never, { signal: controller.signal }),
        ];
        const refused = calls.map((call) => expect(call).rejects.toBeDefined());
        controller.abort();
        await pass(1_000);
        await Promise.all(refused);
        await group.run('d', () => 'lingers', { signal });
        await group.run('d', () => 'lingers', { signal });

        expect([listenersOf(signal), listenersOf(controller.signal)]).toEqual([0, 0]);
      });
    });
  });

  describe('events', () => {
    const keys = jest.fn((key: string) => key);

    /** Each kind of call and end, with keys whose descriptions are counted. */
    async function everything(group: Group): Promise<void> {
      keys.mockClear();
      const controller = new AbortController();
      const { signal } = controller;
      const work = deferred<string>();
      const fn = (): Promise<string> => work.promise;
      const calls = [
        group.run('key', fn),
        group.run('key', fn, { signal }),
        group.do('key', fn, { waitTimeoutMs: 60_000 }),
      ].map((call) => call.catch(() => undefined));
      controller.abort();
      group.forget('key');
      work.resolve('done');
      await Promise.all(calls);
      await group.run('fails', () => Promise.reject('failed')).catch(() => undefined);
      await group.run('lingers', () => 1, { lingerMs: 1_000 });
      await group.run('lingers', () => 1);
      group.forgetAll();
      await group.run('refused', () => 1, { signal }).catch(() => undefined);
    }

    it('makes no object of an event, nor describes a key, when nobody listens', async () => {
      await everything(new Group({ describeKey: keys }));
      expect(keys).not.toHaveBeenCalled();
    });

    it('describes no key for an error that does not happen: a copy that can be made, a time that is kept', async () => {
      keys.mockClear();
      const group = new Group({ describeKey: keys, isolate: 'clone', flightTimeoutMs: 60_000 });
      const load = async (): Promise<object> => ({ name: 'a lamp' });
      await Promise.all([group.run('key', load), group.run('key', load, { waitTimeoutMs: 60_000 })]);
      await group.doMany(['many'], async () => new Map([['many', 'loaded']]));
      expect(keys).not.toHaveBeenCalled();
    });

    it('makes none for an observer that does not want that event', async () => {
      await everything(new Group({ describeKey: keys, observer: {} }));
      expect(keys).not.toHaveBeenCalled();
      const starts = jest.fn();
      await everything(new Group({ describeKey: keys, observer: { start: starts } }));
      expect(keys).toHaveBeenCalledTimes(3);
      expect(starts).toHaveBeenCalledTimes(3);
    });

    it('makes them from the moment when somebody subscribes to the channel, until he goes', async () => {
      const group = new Group({ describeKey: keys });
      const onSettle = jest.fn();
      const settles = 'nestjs-singleflight:flight:settle';
      subscribe(settles, onSettle);
      await everything(group);
      unsubscribe(settles, onSettle);
      expect(onSettle).toHaveBeenCalledTimes(3);
      expect(keys).toHaveBeenCalledTimes(3);
      await everything(group);
      expect(keys).not.toHaveBeenCalled();
    });
  });

  describe('in a process of its own', () => {
    const run = programs();

    it('has an empty map and no more on the heap after fifteen thousand flights more', async () => {
      const { stdout } = await run(
        `
        const group = new Group({ flightTimeoutMs: 60_000 });
        const { signal } = new AbortController();
        const flights = async (count) => {
          for (let index = 0; index < count; index++) {
            const fn = async ({ signal }) => { await null; if (index % 10 === 0) throw new Error('failed'); return signal; };
            const one = new AbortController();
            const left = group.run('key ' + index, fn, { signal: one.signal }).catch(() => {});
            const calls = [group.run('key ' + index, fn, { signal }), group.do('key ' + index, fn, { waitTimeoutMs: 1000 })];
            if (index % 3 === 0) one.abort();
            if (index % 7 === 0) group.forget('key ' + index);
            await Promise.allSettled([left, ...calls]);
          }
          for (let round = 0; round < 4; round++) {
            await new Promise(setImmediate);
            gc();
          }
          return process.memoryUsage().heapUsed;
        };
        // Until the compiler has seen all there is to see: its code is on the heap too.
        await flights(30_000);
        const before = await flights(5_000);
        const after = await flights(15_000);
        const { active, adrift, flights: count } = group.stats();
        // Less than 20 bytes a flight: the noise, and no object.
        console.log(JSON.stringify({ size: group.size, active, adrift, count, level: after - before < 300_000 }));
      `,
        '--expose-gc',
      );
      expect(JSON.parse(stdout)).toEqual({ size: 0, active: 0, adrift: 0, count: 50_000, level: true });
    });

    it('does not keep the process alive for a result that lingers', async () => {
      const { code, stdout } = await run(`
        const group = new Group({ lingerMs: 60_000 });
        console.log(await group.run('key', () => 'done'), group.size);
      `);
      expect({ code, stdout }).toEqual({ code: 0, stdout: 'done 1' });
    });
  });
});
