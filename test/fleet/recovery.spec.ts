import { describe, expect, it, jest } from '@jest/globals';
import { EngineUnavailableError } from '../../lib/fleet/errors.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { fleets, settleDown, type Ship } from './support/fleet-of.js';

describe('An engine that is down is asked again with nobody calling', () => {
  const fleet = fleets();
  fakeTime();

  const events = (ship: Ship): string[] =>
    ship.told.map(([event]) => event).filter((event) => event === 'degrade' || event === 'restore');

  it.each(['goDown', 'hang'] as const)('after a start that failed (%s)', async (fault) => {
    const ship = fleet()();
    ship.faults[fault]();
    const started = ship.start().catch((error: unknown) => error);
    await pass(500);
    expect(await started).toBeInstanceOf(Error);
    await pass(2_000);
    expect(events(ship)).toEqual(['degrade']);
    ship.faults.comeBack();
    await pass(5_000);
    expect(events(ship)).toEqual(['degrade', 'restore']);
    await expect(ship.run('42', () => 'a lamp')).resolves.toBe('a lamp');
    expect(ship.stats()).toMatchObject({ led: 1, degraded: 0 });
  });

  it.each(['goDown', 'refuse', 'hang'] as const)('after an outage that a call has met (%s)', async (fault) => {
    const ship = fleet()();
    await ship.start();
    ship.faults[fault]();
    await Promise.all([ship.run('42', () => 'alone'), pass(1_000)]);
    ship.faults.comeBack();
    await pass(5_000);
    expect(events(ship)).toEqual(['degrade', 'restore']);
  });

  it('less and less often, up to every five seconds', async () => {
    const ship = fleet()();
    ship.faults.goDown();
    await expect(ship.start()).rejects.toBeInstanceOf(EngineUnavailableError);
    const starts = (): number => ship.asked.filter((verb) => verb === 'start').length;
    await pass(500 + 1_000 + 2_000 + 4_000);
    expect(starts()).toBe(1 + 4);
    await pass(60_000);
    expect(starts()).toBe(1 + 4 + 12);
  });

  it('no longer than until the group is closed, and with no timer that lives on', async () => {
    const ship = fleet()();
    ship.faults.hang();
    void ship.run('42', () => 'alone');
    const closed = ship.close({ graceMs: 0 });
    await pass(1_000);
    await closed;
    const asked = ship.asked.length;
    await pass(60_000);
    expect(ship.asked).toHaveLength(asked);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('stops what its start has opened, also when that failed', async () => {
    const ship = fleet()();
    ship.faults.goDown();
    await expect(ship.start()).rejects.toThrow();
    await ship.close();
    await settleDown();
    expect(ship.asked.at(-1)).toBe('stop');
  });
});
