import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from '@jest/globals';
import { AbandonedError, FlightTimeoutError, GroupClosedError } from '../../lib/core/errors.js';
import type { Flight } from '../../lib/core/flight.js';
import { EngineTimeoutError, EngineUnavailableError, LeaseLostError } from '../../lib/fleet/errors.js';
import type { FleetCallOptions } from '../../lib/fleet/fleet-group.js';
import { MemoryHub } from '../../lib/fleet/memory-hub.js';
import { held } from '../../lib/testing/held.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { isPending } from '../support/turns.js';
import { fleets, settleDown, type Ship } from './support/fleet-of.js';

const LEASE = 9_000;

describe('1. At most one process runs the function for a key, per lease', () => {
  const fleet = fleets();
  fakeTime();

  it.each([1, 2, 4, 8])('%d processes with 100 callers each: one execution', async (processes) => {
    const launch = fleet();
    const ships = Array.from({ length: processes }, () => launch());
    const load = held<string>();
    const calls = ships.flatMap((ship) => Array.from({ length: 100 }, () => ship.run('42', load)));
    await settleDown();
    expect([load.calls, load.waiting]).toEqual([1, 1]);
    load.release('a lamp');
    await expect(Promise.all(calls)).resolves.toEqual(Array(processes * 100).fill('a lamp'));
    expect(load.calls).toBe(1);
    expect(ships.map((ship) => ship.stats().led).sort()).toEqual([...Array<number>(processes - 1).fill(0), 1]);
    expect(ships.map((ship) => ship.stats().followed).sort()).toEqual([0, ...Array<number>(processes - 1).fill(1)]);
  });

  it('costs a fleet of one two calls of the engine, and its callers wait for one of them', async () => {
    const ship = fleet()();
    await ship.start();
    await expect(ship.run('42', () => 'a lamp')).resolves.toBe('a lamp');
    expect(ship.asked).toEqual(['start', 'join', 'complete']);
  });

  it('renews the lease as long as the function runs, in one go for all flights', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    const load = held<string>();
    const calls = ['1', '2', '3'].map((key) => here.run(key, load));
    await settleDown();
    const other = there.run('2', load);
    await pass(LEASE * 2.5);
    expect([load.calls, here.stats().lost]).toEqual([3, 0]);
    expect(here.asked.filter((verb) => verb === 'renew')).toHaveLength(7 * 3);
    for (const name of ['a', 'b', 'c']) load.release(name);
    await expect(Promise.all(calls)).resolves.toEqual(['a', 'b', 'c']);
    await expect(other).resolves.toBe('b');
  });

  it('flights of two keys, names, apps or versions never meet', async () => {
    const hub = new MemoryHub();
    const load = held<string>();
    const launch = fleet(hub);
    const ships = [launch(), launch({ app: 'bank' }), launch({ version: '2' }), launch({ fleet: 'price' })];
    const calls = [...ships.map((ship) => ship.run('42', load)), ships[0]!.run('43', load)];
    calls.push(ships[0]!.run('42', load, { fleet: 'other' }));
    await settleDown();
    expect(load.waiting).toBe(6);
    for (let index = 0; index < 6; index++) load.release('a lamp');
    await Promise.all(calls);
  });
});

describe('2. At least once: the function runs again', () => {
  const fleet = fleets();
  fakeTime();

  it('once the lease of a leader that has died is over: one of those who wait takes over', async () => {
    const launch = fleet();
    const [dead, ...others] = [launch(), launch(), launch()];
    const load = held<string>();
    void dead.run('42', load).catch(() => undefined);
    await settleDown();
    const calls = others.map((ship) => ship.run('42', load));
    dead.faults.hang();
    await pass(LEASE - 10);
    expect(load.calls).toBe(1);
    await pass(500);
    expect(load.calls).toBe(2);
    load.fail(new Error('late'));
    load.release('a lamp');
    await expect(Promise.all(calls)).resolves.toEqual(['a lamp', 'a lamp']);
    expect(others.map((ship) => ship.stats().takeovers).sort()).toEqual([0, 1]);
    const events = others.flatMap((ship) => ship.told.map(([event]) => event));
    expect(events.filter((event) => ['follow', 'takeover', 'lead'].includes(event)).sort()).toEqual(
      ['follow', 'follow', 'follow', 'lead', 'takeover'].sort(),
    );
  });

  it('under a higher fence', async () => {
    const ship = fleet()();
    const fences: (bigint | undefined)[] = [];
    const note = ({ fence }: Flight): number => fences.push(fence);
    await ship.run('42', note);
    await ship.run('42', note);
    expect(fences[1]! > fences[0]!).toBe(true);
  });

  it('not when the engine loses its data and the leader is there', async () => {
    const hub = new MemoryHub();
    const launch = fleet(hub);
    const [here, there] = [launch(), launch()];
    const load = held<string>();
    const calls = [here.run('42', load), there.run('42', load)];
    await settleDown();
    hub.loseData();
    for (const ship of [here, there]) ship.faults.resync();
    await settleDown();
    await pass(LEASE * 2);
    load.release('a lamp');
    await expect(Promise.all(calls)).resolves.toEqual(['a lamp', 'a lamp']);
    expect(load.calls).toBe(1);
  });
});

describe('3. A leader that lost its lease', () => {
  const fleet = fleets();
  fakeTime();

  /** One that hung past its lease, and another that has taken over. */
  async function overtaken(fn: (flight: Flight) => Promise<string>, other: () => Promise<string>) {
    const launch = fleet();
    const [stale, next] = [launch(), launch()];
    const first = stale.run('42', fn);
    await settleDown();
    const second = next.run('42', other);
    await settleDown();
    stale.faults.hang();
    await pass(LEASE + 500);
    stale.faults.comeBack();
    await pass(LEASE / 3);
    return { stale, next, first, second };
  }

  it('publishes nothing, answers its own callers, and says so once', async () => {
    const [slow, load] = [held<string>(), held<string>()];
    const { stale, next, first, second } = await overtaken(() => slow(), load);
    expect(load.calls).toBe(1);
    slow.release('stale');
    await expect(first).resolves.toBe('stale');
    expect(await isPending(second)).toBe(true);
    load.release('fresh');
    await expect(second).resolves.toBe('fresh');
    expect(stale.stats()).toMatchObject({ led: 1, lost: 1 });
    expect(stale.told.filter(([event]) => event === 'lost')).toHaveLength(1);
    expect(next.stats()).toMatchObject({ takeovers: 1, lost: 0 });
  });

  it('is told by its signal; when it stops, its callers get what the next one has', async () => {
    const load = held<string>();
    let reason: unknown;
    const { stale, first, second } = await overtaken(
      ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason;
            reject(signal.reason as Error);
          });
        }),
      load,
    );
    expect(reason).toBeInstanceOf(LeaseLostError);
    expect(reason).toMatchObject({ code: 'ERR_SINGLEFLIGHT_LEASE_LOST', group: 'products', describedKey: '42' });
    load.release('fresh');
    await expect(Promise.all([first, second])).resolves.toEqual(['fresh', 'fresh']);
    expect(stale.stats()).toMatchObject({ led: 1, followed: 1, lost: 1 });
  });
});

describe('4. Every caller settles', () => {
  const fleet = fleets();
  fakeTime();

  it('though every push is lost: with the leader’s result, at most a lease late', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    const load = held<string>();
    const calls = [here.run('42', load), there.run('42', load)];
    await settleDown();
    there.faults.deafen();
    load.release('a lamp');
    await expect(calls[0]).resolves.toBe('a lamp');
    expect(await isPending(calls[1]!)).toBe(true);
    await pass(LEASE + 500);
    await expect(calls[1]).resolves.toBe('a lamp');
    expect(load.calls).toBe(1);
  });

  it('at once when the connection is back, though the push was lost', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    const load = held<string>();
    const calls = [here.run('42', load), there.run('42', load)];
    await settleDown();
    there.faults.deafen();
    load.release('a lamp');
    await settleDown();
    there.faults.comeBack();
    there.faults.resync();
    await expect(calls[1]).resolves.toBe('a lamp');
    expect(load.calls).toBe(1);
  });

  it('at once when the leader gives up', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    const load = held<string>();
    const first = here.run('42', load, { waitTimeoutMs: 60_000 }).catch((error: unknown) => error);
    await settleDown();
    const second = there.run('42', load);
    await settleDown();
    await Promise.all([here.close({ graceMs: 0 }), pass(1)]);
    await expect(first).resolves.toBeInstanceOf(GroupClosedError);
    await settleDown();
    expect(load.calls).toBe(2);
    load.fail(new Error('late'));
    load.release('a lamp');
    await expect(second).resolves.toBe('a lamp');
  });

  it.each([undefined, 20_000])('a hung function holds the fleet for maxRunMs (%p) at most', async (maxRunMs) => {
    const launch = fleet();
    const [hung, other] = [launch({ maxRunMs }), launch({ maxRunMs })];
    const load = held<string>();
    const first = hung.run('42', load);
    await settleDown();
    const second = other.run('42', load);
    await pass((maxRunMs ?? 30_000) - 1);
    expect(load.calls).toBe(1);
    await pass(500);
    expect(load.calls).toBe(2);
    load.release('at last');
    await expect(first).resolves.toBe('at last');
    load.release('a lamp');
    await expect(second).resolves.toBe('a lamp');
  });

  it('for the join window, where that is set', async () => {
    const launch = fleet();
    const [hung, other] = [launch({ joinWindowMs: 5_000 }), launch({ joinWindowMs: 5_000 })];
    const load = held<string>();
    void hung.run('42', load);
    await settleDown();
    void other.run('42', load);
    await pass(5_001 + 500);
    expect(load.calls).toBe(2);
  });

  it('a flight that times out settles for the whole fleet, with an error that is shared', async () => {
    const launch = fleet();
    const [here, there] = [launch({ flightTimeoutMs: 1_000 }), launch()];
    const load = held<string>();
    let signal: AbortSignal | undefined;
    const first = here.run('42', (flight) => ((signal = flight.signal), load())).catch((error: unknown) => error);
    await settleDown();
    const second = there.run('42', load).catch((error: unknown) => error);
    await pass(1_000);
    for (const error of [await first, await second]) {
      expect(error).toBeInstanceOf(FlightTimeoutError);
      expect(error).toMatchObject({
        flightTimeoutMs: 1_000,
        code: 'ERR_SINGLEFLIGHT_FLIGHT_TIMEOUT',
        group: 'products',
      });
    }
    expect(signal?.reason).toBeInstanceOf(FlightTimeoutError);
    expect(load.calls).toBe(1);
  });
});

describe('5. A caller may share a flight that started before it called', () => {
  const fleet = fleets();
  fakeTime();

  it('but none whose end its process has learned of: who retries starts anew', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    const load = held<string>();
    const again = async (ship: Ship): Promise<string> => {
      await ship.run('42', load).catch(() => undefined);
      return ship.run('42', load);
    };
    const calls = [again(here), again(there)];
    await settleDown();
    load.fail(new Error('broken'));
    await settleDown();
    expect(load.calls).toBe(2);
    load.release('mended');
    await expect(Promise.all(calls)).resolves.toEqual(['mended', 'mended']);
  });

  it('not even while the engine has not been told of the end', async () => {
    const ship = fleet()();
    const load = held<string>();
    const first = ship.run('42', load);
    await settleDown();
    ship.faults.hang();
    load.release('old');
    await expect(first).resolves.toBe('old');
    const second = ship.run('42', load);
    await settleDown();
    ship.faults.comeBack();
    await settleDown();
    load.release('new');
    await expect(second).resolves.toBe('new');
  });

  it('on purpose one that has ended, for lingerMs: in every process, and until it is forgotten', async () => {
    const launch = fleet();
    const [here, there] = [launch({ lingerMs: 1_000 }), launch({ lingerMs: 1_000 })];
    let runs = 0;
    const load = (): number => ++runs;
    await expect(here.run('42', load)).resolves.toBe(1);
    await settleDown();
    await expect(there.run('42', load)).resolves.toBe(1);
    await expect(here.run('42', load)).resolves.toBe(1);
    await there.forget('42');
    await expect(here.run('42', load)).resolves.toBe(2);
    await pass(1_001);
    await expect(there.run('42', load)).resolves.toBe(3);
  });

  it('forget: nobody new joins the flight in any process, those aboard get its result', async () => {
    const launch = fleet();
    const [leader, follower, third] = [launch(), launch(), launch()];
    const load = held<string>();
    const calls = [leader.run('42', load), follower.run('42', load)];
    await settleDown();
    await third.forget('42');
    await settleDown();
    for (const ship of [leader, follower]) expect(ship.inFlight()).toMatchObject([{ key: '42', adrift: true }]);
    const later = [leader.run('42', load), follower.run('42', load), third.run('42', load)];
    await settleDown();
    expect(load.calls).toBe(2);
    load.release('old');
    await expect(Promise.all(calls)).resolves.toEqual(['old', 'old']);
    expect(await isPending(later[0]!)).toBe(true);
    load.release('new');
    await expect(Promise.all(later)).resolves.toEqual(['new', 'new', 'new']);
  });
});

describe('6. The engine is down', () => {
  const fleet = fleets();
  fakeTime();

  it.each(['goDown', 'refuse', 'hang'] as const)('whenDown local: once per process, after %s', async (fault) => {
    const launch = fleet();
    const ships = [launch(), launch()];
    await Promise.all(ships.map((ship) => ship.start()));
    for (const ship of ships) ship.faults[fault]();
    const load = held<string>();
    const calls = ships.flatMap((ship) => [ship.run('42', load), ship.run('42', load)]);
    await pass(1_000);
    expect(load.calls).toBe(2);
    load.release('here');
    load.release('there');
    await expect(Promise.all(calls)).resolves.toEqual(['here', 'here', 'there', 'there']);
    for (const ship of ships) {
      expect(ship.stats()).toMatchObject({ degraded: 1, led: 0 });
      expect(ship.told.filter(([event]) => event === 'degrade')).toHaveLength(1);
    }
  });

  it.each([
    ['goDown', EngineUnavailableError],
    ['refuse', EngineUnavailableError],
    ['hang', EngineTimeoutError],
  ] as const)('whenDown fail: an error that says where, after %s', async (fault, type) => {
    const ship = fleet()({ whenDown: 'fail' });
    await ship.start();
    ship.faults[fault]();
    const load = held<string>();
    const call = ship.run('42', load).catch((error: unknown) => error);
    await pass(1_000);
    const error = await call;
    expect(error).toBeInstanceOf(type);
    expect(error).toMatchObject({ group: 'products', describedKey: '42', engine: 'memory' });
    expect(load.calls).toBe(0);
  });

  it.each(['goDown', 'refuse', 'hang'] as const)(
    'a process that follows notices within degradeAfterMs (%s), not after the lease',
    async (fault) => {
      const launch = fleet();
      const [here, there] = [launch(), launch()];
      const load = held<string>();
      void here.run('42', load);
      await settleDown();
      const call = there.run('42', load);
      await pass(100);
      there.faults[fault]();
      await pass(1_000);
      expect(load.calls).toBe(2);
      load.release('there');
      load.release('there');
      await expect(call).resolves.toBe('there');
      expect(there.stats()).toMatchObject({ followed: 1, degraded: 1, takeovers: 0 });
    },
  );

  it('is told once, and once more when it is back', async () => {
    const ship = fleet()();
    await ship.run('1', () => 1);
    await settleDown();
    ship.faults.goDown();
    for (const key of ['1', '2', '3']) await ship.run(key, () => 1);
    ship.faults.comeBack();
    await ship.run('4', () => 1);
    await settleDown();
    await ship.run('5', () => 1);
    const events = ship.told.filter(([event]) => event === 'degrade' || event === 'restore');
    expect(events).toEqual([
      ['degrade', { engine: 'memory', error: expect.any(EngineUnavailableError), whenDown: 'local' }],
      ['restore', { engine: 'memory' }],
    ]);
    expect(ship.stats()).toMatchObject({ led: 2, degraded: 4 });
  });

  it('connections that are killed and come back cost no execution', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    await Promise.all([here.start(), there.start()]);
    const load = held<string>();
    const first = here.run('42', load);
    await settleDown();
    there.faults.refuse();
    const second = there.run('42', load);
    await pass(300);
    there.faults.comeBack();
    await pass(300);
    here.faults.refuse();
    load.release('a lamp');
    await expect(first).resolves.toBe('a lamp');
    await pass(300);
    here.faults.comeBack();
    await pass(300);
    await expect(second).resolves.toBe('a lamp');
    expect(load.calls).toBe(1);
  });

  it('what comes while the connection is away does not end the waiting of those who came before', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    const load = held<string>();
    const first = here.run('42', load);
    await settleDown();
    const second = there.run('42', load);
    await pass(100);
    there.faults.goDown();
    await expect(there.run('another', () => 'alone')).resolves.toBe('alone');
    await pass(400);
    there.faults.comeBack();
    await pass(1_000);
    load.release('a lamp');
    await expect(Promise.all([first, second])).resolves.toEqual(['a lamp', 'a lamp']);
    expect(load.calls).toBe(1);
    expect(there.stats()).toMatchObject({ degraded: 1, followed: 1 });
  });

  it('who follows may be refused again and again, as long as the engine answers in between and the lease lasts', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    const load = held<string>();
    const first = here.run('42', load);
    await settleDown();
    const second = there.run('42', load);
    await pass(100);
    for (let time = 0; time < 4; time++) {
      there.faults.refuse();
      there.faults.resync();
      await settleDown();
      there.faults.comeBack();
      await pass(400);
      there.faults.refuse();
      await pass(150);
      there.faults.comeBack();
    }
    load.release('a lamp');
    await expect(Promise.all([first, second])).resolves.toEqual(['a lamp', 'a lamp']);
    expect(load.calls).toBe(1);
  });

  it('an answer to join that comes too late is given back', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    await here.start();
    here.faults.hang();
    await Promise.all([here.run('42', () => 'alone'), pass(600)]);
    here.faults.comeBack();
    await settleDown();
    await expect(there.run('42', () => 'led')).resolves.toBe('led');
    expect(there.stats()).toMatchObject({ led: 1, followed: 0 });
  });
});

describe('The last one out', () => {
  const fleet = fleets();
  fakeTime();

  /** Somebody who leaves when the test says so. */
  function leaver(ship: Ship, fn: (flight: Flight) => Promise<string>, options: FleetCallOptions = {}) {
    const controller = new AbortController();
    const call = ship.run('42', fn, { ...options, signal: controller.signal }).catch((error: unknown) => error);
    return {
      call,
      leave: () => {
        controller.abort('left');
      },
    };
  }

  it('of a following process leaves the flight, which is nothing to the leader; it never takes over', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    const load = held<string>();
    void here.run('42', load);
    await settleDown();
    const follower = leaver(there, load);
    await settleDown();
    follower.leave();
    await expect(follower.call).resolves.toBe('left');
    expect([there.size, there.inFlight()]).toEqual([0, []]);
    here.faults.hang();
    await pass(LEASE * 2);
    expect(load.calls).toBe(1);
  });

  it('of a leading process whose function has not read its signal: it runs to its end, for whoever waits', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    const load = held<string>();
    const leader = leaver(here, load);
    await settleDown();
    const call = there.run('42', load);
    await settleDown();
    leader.leave();
    await pass(LEASE);
    expect(here.size).toBe(1);
    load.release('a lamp');
    await expect(call).resolves.toBe('a lamp');
    expect(load.calls).toBe(1);
  });

  it('of a leading process whose function has read it: with nobody elsewhere it is stopped, and the key free', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    let signal!: AbortSignal;
    const load = held<string>();
    const leader = leaver(here, (flight) => ((signal = flight.signal), load()));
    await settleDown();
    leader.leave();
    await settleDown();
    expect(signal.reason).toBeInstanceOf(AbandonedError);
    expect([here.size, here.inFlight()]).toMatchObject([0, [{ adrift: true }]]);
    await expect(there.run('42', () => 'anew')).resolves.toBe('anew');
    load.release('late');
    await settleDown();
    expect(here.inFlight()).toEqual([]);
  });

  it('of such a process with somebody elsewhere: it runs on until they have left too', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    let signal!: AbortSignal;
    const load = held<string>();
    const leader = leaver(here, (flight) => ((signal = flight.signal), load()));
    await settleDown();
    const follower = leaver(there, load);
    await settleDown();
    leader.leave();
    await pass(LEASE);
    expect([signal.aborted, here.size]).toEqual([false, 1]);
    follower.leave();
    await pass(LEASE);
    expect([signal.aborted, here.size]).toEqual([true, 0]);
    load.release('late');
  });

  it('of such a process with two flights elsewhere, in one process: it runs on until both have left', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    let signal!: AbortSignal;
    const load = held<string>();
    const leader = leaver(here, (flight) => ((signal = flight.signal), load()));
    await settleDown();
    const followers = [leaver(there, load, { joinWindowMs: 100 })];
    await pass(200);
    followers.push(leaver(there, load));
    await settleDown();
    expect(there.inFlight()).toHaveLength(2);
    leader.leave();
    for (const follower of followers) {
      await pass(LEASE);
      expect(signal.aborted).toBe(false);
      follower.leave();
    }
    await pass(LEASE);
    expect(signal.aborted).toBe(true);
    load.release('late');
  });

  it('is not the last if somebody comes aboard while the engine is asked', async () => {
    const ship = fleet()();
    let signal!: AbortSignal;
    const load = held<string>();
    const leader = leaver(ship, (flight) => ((signal = flight.signal), load()));
    await settleDown();
    ship.faults.hang();
    leader.leave();
    const call = ship.run('42', load);
    ship.faults.comeBack();
    await pass(LEASE * 2);
    expect(signal.aborted).toBe(false);
    load.release('a lamp');
    await expect(call).resolves.toBe('a lamp');
    expect([load.calls, ship.stats().lost]).toEqual([1, 0]);
  });

  it('before the engine has answered: nothing was started, and nothing is', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    const load = held<string>();
    const caller = leaver(here, load);
    caller.leave();
    await settleDown();
    expect([load.calls, here.size]).toEqual([0, 0]);
    await expect(there.run('42', () => 'led')).resolves.toBe('led');
  });
});

describe('Own context', () => {
  const fleet = fleets();
  fakeTime();
  const storage = new AsyncLocalStorage<string>();

  it('the function runs in its caller’s, though a timer or a message led to it', async () => {
    const launch = fleet();
    const [dead, other] = [launch(), launch()];
    const load = held<string>();
    void dead.run('42', load).catch(() => undefined);
    await settleDown();
    const call = storage.run('the caller', () => other.run('42', async () => storage.getStore()));
    await settleDown();
    await Promise.all([dead.close({ graceMs: 0 }), pass(1)]);
    await expect(call).resolves.toBe('the caller');
    await expect(storage.run('a', () => other.run('1', async () => storage.getStore()))).resolves.toBe('a');
  });
});
