import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Flight } from '../../lib/core/flight.js';
import { Group } from '../../lib/core/group.js';
import type { FlightEvents, FlightObserver } from '../../lib/core/observer.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';

const EVENTS = ['start', 'join', 'leave', 'settle', 'forget', 'adrift', 'reject'] as const;
type Told = readonly [keyof FlightEvents, { readonly flight?: unknown; readonly [fact: string]: unknown }];

/** Writes down all that a group tells. */
function recorder(): { observer: FlightObserver; told: Told[] } {
  const told: Told[] = [];
  const observer = Object.fromEntries(
    EVENTS.map((event) => [event, (fact: object) => told.push([event, { ...fact }])]),
  );
  return { observer, told };
}

const place = { group: 'products', describedKey: '42' };
const flight = expect.any(Object);
const durationMs = expect.any(Number);
const never = (): Promise<never> => new Promise(() => undefined);

describe('What an observer hears', () => {
  it('of a flight with a follower: start, before the function; join; settle, before anybody wakes', async () => {
    const { observer, told } = recorder();
    const group = new Group({ name: 'products', observer });
    const work = deferred<string>();
    let atStart: number | undefined;
    const leader = group.run('42', () => {
      atStart = told.length;
      return work.promise;
    });
    const follower = group.run('42', () => 'not run').then(() => told.length);
    work.resolve('done');
    await leader;

    expect(atStart).toBe(1);
    await expect(follower).resolves.toBe(3);
    expect(told).toEqual([
      ['start', { ...place, flight, alone: false }],
      ['join', { ...place, flight, lingering: false }],
      ['settle', { ...place, flight, ok: true, callers: 2, aboard: 2, durationMs }],
    ]);
    expect(new Set(told.map(([, fact]) => fact.flight)).size).toBe(1);
  });

  it('of one that fails: its error, also when that is undefined', async () => {
    const { observer, told } = recorder();
    const group = new Group({ name: 'products', observer });
    await group.run('42', () => Promise.reject(undefined)).catch(() => undefined);

    expect(told[1]).toEqual([
      'settle',
      { ...place, flight, ok: false, error: undefined, callers: 1, aboard: 1, durationMs },
    ]);
    expect('error' in told[1]![1]).toBe(true);
  });

  it('of one whose callers leave: leave, each with its role and reason; adrift when it is doomed', async () => {
    const { observer, told } = recorder();
    const group = new Group({ name: 'products', observer });
    const controllers = [new AbortController(), new AbortController()];
    const work = deferred();
    const calls = controllers.map(({ signal }) =>
      group.run(
        '42',
        (started: Flight) => {
          expect(started.signal.aborted).toBe(false);
          return work.promise;
        },
        { signal },
      ),
    );
    controllers.forEach((controller, index) => {
      controller.abort(`reason ${index}`);
    });
    await Promise.allSettled(calls);
    work.reject('stopped');
    await Promise.resolve();

    expect(told.slice(2)).toEqual([
      ['leave', { ...place, flight, role: 'leader', reason: 'reason 0' }],
      ['leave', { ...place, flight, role: 'follower', reason: 'reason 1' }],
      ['adrift', { ...place, flight, reason: 'abandoned' }],
      ['settle', { ...place, flight, ok: false, error: 'stopped', callers: 2, aboard: 0, durationMs }],
    ]);
  });

  it('of `forget`: that the flight is adrift, and the key forgotten; nothing for a key that leads to nothing', async () => {
    const { observer, told } = recorder();
    const group = new Group({ name: 'products', observer });
    group.forget('42');
    void group.run('42', never);
    group.forget('42');
    group.forgetAll();
    await group.run('42', () => 'done', { lingerMs: 60_000 });
    group.forget('42');

    expect(told).toEqual([
      ['start', expect.any(Object)],
      ['adrift', { ...place, flight, reason: 'forgotten' }],
      ['forget', place],
      ['start', expect.any(Object)],
      ['settle', expect.any(Object)],
      ['forget', place],
    ]);
  });

  it('of a call that is refused: reject, with what the caller is rejected with', async () => {
    const { observer, told } = recorder();
    const group = new Group({ name: 'products', observer });
    const error = await group.run('42', never, { waitTimeoutMs: 0 }).catch((thrown: unknown) => thrown);
    await group.run('42', never, { signal: AbortSignal.abort(0) }).catch(() => undefined);

    expect(told).toEqual([
      ['reject', { ...place, error }],
      ['reject', { ...place, error: 0 }],
    ]);
  });

  it('is only what it asked for', async () => {
    const told: string[] = [];
    const group = new Group({ observer: { join: ({ describedKey }) => told.push(describedKey) } });
    await Promise.all([group.run('42', async () => 1), group.run('42', async () => 2)]);
    expect(told).toEqual(['42']);
  });

  it('is told to its own methods: they have their `this`', async () => {
    class Recorder implements FlightObserver {
      readonly told: string[] = [];
      start({ describedKey }: FlightEvents['start']): void {
        this.told.push(`${describedKey} starts`);
      }
    }
    const observer = new Recorder();
    await new Group({ observer }).run('42', () => 'done');
    expect(observer.told).toEqual(['42 starts']);
  });

  describe('in time', () => {
    fakeTime();

    it('of one that times out: adrift, then settle with the error; later nothing more', async () => {
      const { observer, told } = recorder();
      const group = new Group({ name: 'products', observer, flightTimeoutMs: 100 });
      const work = deferred();
      const call = group.run('42', () => work.promise).catch((thrown: unknown) => thrown);
      await pass(100);
      const error = await call;
      work.resolve();
      await pass(100);

      expect(told.slice(1)).toEqual([
        ['adrift', { ...place, flight, reason: 'flight-timeout' }],
        ['settle', { ...place, flight, ok: false, error, callers: 1, aboard: 1, durationMs: 100 }],
      ]);
    });

    it('of one past its join window: adrift, when somebody asks for its key', async () => {
      const { observer, told } = recorder();
      const group = new Group({ name: 'products', observer, joinWindowMs: 100 });
      void group.run('42', never);
      await pass(100);
      expect(told).toHaveLength(1);
      void group.run('42', never);

      expect(told.slice(1)).toEqual([
        ['adrift', { ...place, flight, reason: 'join-window' }],
        ['start', { ...place, flight, alone: false }],
      ]);
      expect(told[1]![1].flight).not.toBe(told[2]![1].flight);
    });

    it('of a result that lingers: join, as lingering', async () => {
      const { observer, told } = recorder();
      const group = new Group({ name: 'products', observer, lingerMs: 100 });
      await group.run('42', () => 'done');
      await pass(50);
      await group.run('42', () => 'not run');

      expect(told.slice(1)).toEqual([
        ['settle', { ...place, flight, ok: true, callers: 1, aboard: 1, durationMs: 0 }],
        ['join', { ...place, flight, lingering: true }],
      ]);
    });

    it('counts the duration from the start of the flight', async () => {
      const { observer, told } = recorder();
      const group = new Group({ observer });
      const work = deferred();
      const call = group.run('42', () => work.promise);
      await pass(1_234);
      work.resolve();
      await call;
      expect(told[1]![1]).toMatchObject({ durationMs: 1_234 });
    });
  });
});

describe('What the diagnostics channels tell', () => {
  const unsubscribes: (() => void)[] = [];
  afterEach(() => {
    unsubscribes.splice(0).forEach((stop) => {
      stop();
    });
  });

  /** Writes down all that is told on the channels. */
  function listen(): Told[] {
    const told: Told[] = [];
    for (const event of EVENTS) {
      const name = `nestjs-singleflight:flight:${event}`;
      const hear = (fact: unknown): void => void told.push([event, fact as Told[1]]);
      subscribe(name, hear);
      unsubscribes.push(() => unsubscribe(name, hear));
    }
    return told;
  }

  it('is what an observer hears, of all groups', async () => {
    const told = listen();
    const [products, users] = [new Group({ name: 'products' }), new Group({ name: 'users' })];
    const work = deferred<string>();
    const controller = new AbortController();
    const calls = [
      products.run('42', () => work.promise),
      users.run('7', () => work.promise),
      users.run('7', () => work.promise, { signal: controller.signal }),
      users.run('8', undefined as never),
    ];
    controller.abort();
    products.forget('42');
    work.resolve('done');
    await Promise.allSettled(calls);

    expect(told.map(([event, { group, describedKey }]) => [event, group, describedKey])).toEqual([
      ['start', 'products', '42'],
      ['start', 'users', '7'],
      ['join', 'users', '7'],
      ['reject', 'users', '8'],
      ['leave', 'users', '7'],
      ['adrift', 'products', '42'],
      ['forget', 'products', '42'],
      ['settle', 'products', '42'],
      ['settle', 'users', '7'],
    ]);
  });

  it('is nothing of a group with an observer of its own', async () => {
    const told = listen();
    await new Group({ observer: {} }).run('42', () => 'done');
    expect(told).toEqual([]);
  });
});
