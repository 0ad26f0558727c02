import { describe, expect, it, jest } from '@jest/globals';
import type { FlightEngine, Joined } from '../../lib/fleet/engine.js';
import { MemoryEngine } from '../../lib/fleet/memory-engine.js';
import { MemoryHub } from '../../lib/fleet/memory-hub.js';
import { held } from '../../lib/testing/held.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { fleets, settleDown } from './support/fleet-of.js';

const LEASE = 9_000;

/** An engine whose answers to `join` come when the test says so. */
function slowToAnswer(hub: MemoryHub): { engine: FlightEngine; answer: () => void } {
  const gate = deferred();
  class Slow extends MemoryEngine {
    override async join(...request: Parameters<MemoryEngine['join']>): Promise<Joined> {
      const joined = await super.join(...request);
      await gate.promise;
      return joined;
    }
  }
  return { engine: new Slow(hub), answer: () => gate.resolve() };
}

describe('A message that overtakes the answer to join', () => {
  const fleet = fleets();
  fakeTime();

  it.each(['settled', 'abandoned', 'forgotten'] as const)('is not lost: %s', async (message) => {
    const hub = new MemoryHub();
    const launch = fleet(hub);
    const { engine, answer } = slowToAnswer(hub);
    const [here, there] = [launch(), launch({ engine })];
    const load = held<string>();
    const first = here.run('42', load).catch(() => 'closed');
    await settleDown();
    const second = there.run('42', load);
    await settleDown();
    if (message === 'settled') load.release('a lamp');
    else if (message === 'forgotten') await here.forget('42');
    else await Promise.all([here.close({ graceMs: 0 }), pass(1)]);
    await settleDown();
    answer();
    await settleDown();
    if (message === 'settled') await expect(second).resolves.toBe('a lamp');
    else if (message === 'abandoned') expect(there.stats().takeovers).toBe(1);
    else expect(there.inFlight()).toMatchObject([{ adrift: true }]);
    while (load.waiting > 0) load.release('late');
    await Promise.all([first, second]);
  });
});

describe('A trap', () => {
  const fleet = fleets();
  fakeTime();

  it('a leader says that it is there as soon as the engine is back, so that nobody else leads', async () => {
    const hub = new MemoryHub();
    const launch = fleet(hub);
    const [here, there] = [launch(), launch()];
    const load = held<string>();
    const first = here.run('42', load);
    await settleDown();
    hub.loseData();
    here.faults.resync();
    await settleDown();
    const second = there.run('42', load);
    await settleDown();
    expect(load.calls).toBe(1);
    load.release('a lamp');
    await expect(Promise.all([first, second])).resolves.toEqual(['a lamp', 'a lamp']);
  });

  it('an error does not linger', async () => {
    const ship = fleet()({ lingerMs: 1_000 });
    await expect(ship.run('42', () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    await settleDown();
    await expect(ship.run('42', () => 'mended')).resolves.toBe('mended');
  });

  it('a forgotten flight is not had back as the current one when the engine loses its data', async () => {
    const hub = new MemoryHub();
    const launch = fleet(hub);
    const [here, there] = [launch(), launch()];
    const load = held<string>();
    const first = here.run('42', load);
    await settleDown();
    await there.forget('42');
    await settleDown();
    hub.loseData();
    here.faults.resync();
    await settleDown();
    const second = there.run('42', load);
    await settleDown();
    expect(load.calls).toBe(2);
    load.release('old');
    load.release('new');
    await expect(Promise.all([first, second])).resolves.toEqual(['old', 'new']);
  });

  it('a flight that leaves does not take the push from another of its process', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    const load = held<string>();
    const first = here.run('42', load);
    await settleDown();
    const stays = there.run('42', load, { joinWindowMs: 100 });
    await pass(200);
    const controller = new AbortController();
    const leaves = there.run('42', load, { signal: controller.signal }).catch((error: unknown) => error);
    await settleDown();
    expect(there.inFlight()).toHaveLength(2);
    controller.abort('left');
    await expect(leaves).resolves.toBe('left');
    await settleDown();
    load.release('a lamp');
    await settleDown();
    await expect(Promise.all([first, stays])).resolves.toEqual(['a lamp', 'a lamp']);
    expect(load.calls).toBe(1);
  });

  it('one answer that is lost is not the end of the engine, while others come', async () => {
    const hub = new MemoryHub();
    class Lossy extends MemoryEngine {
      override complete(): Promise<never> {
        return new Promise(() => undefined);
      }
    }
    const ship = fleet(hub)({ engine: new Lossy(hub) });
    await ship.run('1', () => 1);
    await pass(500);
    await ship.run('2', () => 2);
    await pass(600);
    expect(ship.told.filter(([event]) => event === 'degrade')).toEqual([]);
  });

  it('a join that timed out is given back, whether or not its answer comes', async () => {
    const hub = new MemoryHub();
    const { engine } = slowToAnswer(hub);
    const launch = fleet(hub);
    const [here, there] = [launch({ engine }), launch()];
    await Promise.all([expect(here.run('42', () => 'alone')).resolves.toBe('alone'), pass(600)]);
    await expect(there.run('42', () => 'led')).resolves.toBe('led');
    expect(there.stats()).toMatchObject({ led: 1, followed: 0 });
  });

  it('what cannot be carried: the leader has it, the others run the function themselves', async () => {
    class Money {
      readonly amount = 1;
    }
    const launch = fleet();
    const [here, there] = [launch(), launch({ memory: { maxPayloadBytes: 100 } })];
    const load = held<unknown>();
    const calls = [here.run('42', load), there.run('42', load)];
    await settleDown();
    const price = new Money();
    load.release(price);
    await settleDown();
    load.release('own');
    const [first, second] = await Promise.all(calls);
    expect(first).toBe(price);
    expect(second).toBe('own');
    expect(there.stats()).toMatchObject({ unshared: 1, degraded: 0 });
  });

  it('an error of another process is shared once', async () => {
    const launch = fleet();
    const ships = [launch(), launch(), launch()];
    const load = held<string>();
    const calls = ships.map((ship) => ship.run('42', load).catch((error: unknown) => error));
    await settleDown();
    load.fail(new RangeError('broken'));
    for (const error of await Promise.all(calls)) expect(error).toBeInstanceOf(RangeError);
    expect(load.calls).toBe(1);
  });

  it('with nobody under way there is no timer', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    const load = held<string>();
    const calls = [here.run('42', load), there.run('42', load)];
    await pass(LEASE);
    load.release('a lamp');
    await Promise.all(calls);
    // The clock of the event loop's turn is one too, until the turn is over.
    await pass(1);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('maxFlights and maxFollowers hold for flights of the fleet', async () => {
    const ship = fleet()({ maxFlights: 1, maxFollowers: 1 });
    const load = held<string>();
    const calls = [ship.run('1', load), ship.run('1', load)];
    await expect(ship.run('1', load)).rejects.toMatchObject({ code: 'ERR_SINGLEFLIGHT_TOO_MANY_FOLLOWERS' });
    await expect(ship.run('2', load)).rejects.toMatchObject({
      code: 'ERR_SINGLEFLIGHT_TOO_MANY_FLIGHTS',
      describedKey: '2',
    });
    await settleDown();
    load.release('a lamp');
    await Promise.all(calls);
  });

  it('a function that calls itself through its own key is refused where deadlocks are looked for', async () => {
    const ship = fleet()({ detectDeadlocks: true });
    await expect(ship.run('42', () => ship.run('42', () => 1))).rejects.toMatchObject({
      code: 'ERR_SINGLEFLIGHT_DEADLOCK',
      chain: ['products(42)', 'products(42)'],
    });
  });
});
