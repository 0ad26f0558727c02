import { describe, expect, it } from '@jest/globals';
import type { CompleteRequest } from '../../lib/fleet/engine.js';
import { EngineUnavailableError, PayloadTooLargeError } from '../../lib/fleet/errors.js';
import { MemoryEngine } from '../../lib/fleet/memory-engine.js';
import { MemoryHub } from '../../lib/fleet/memory-hub.js';
import { Unshared } from '../../lib/fleet/unshared.js';
import { held } from '../../lib/testing/held.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { fleets, settleDown, type Ship } from './support/fleet-of.js';

class Money {
  readonly amount = 1;
}

describe('A flight whose result cannot be carried', () => {
  const fleet = fleets();
  fakeTime();

  const flights = ({ led, followed, unshared }: ReturnType<Ship['stats']>): unknown => ({ led, followed, unshared });

  /** Two processes, of which the second has waited for the first in vain. */
  async function afterOne(options?: Parameters<ReturnType<typeof fleet>>[0]) {
    const launch = fleet();
    const [here, there] = [launch(options), launch(options)];
    const load = held<unknown>();
    const calls = [here.run('42', load)];
    await settleDown();
    calls.push(there.run('42', load));
    await settleDown();
    load.release(new Money());
    await settleDown();
    load.release('own');
    await Promise.all(calls);
    expect([here, there].map((ship) => flights(ship.stats()))).toEqual([
      { led: 1, followed: 0, unshared: 0 },
      { led: 0, followed: 1, unshared: 1 },
    ]);
    return { here, there, load };
  }

  it('is flown alone for 30 seconds, once per process and without a second wait; then it is shared again', async () => {
    const { here, there, load } = await afterOne();
    const burst = [here, here, there, there].map((ship) => ship.run('42', load));
    await settleDown();
    expect(load.waiting).toBe(2);
    load.release('here');
    load.release('there');
    await expect(Promise.all(burst)).resolves.toEqual(['here', 'here', 'there', 'there']);
    expect([here, there].map((ship) => ship.stats().unshared)).toEqual([1, 2]);
    expect([here, there].map((ship) => ship.asked.filter((verb) => verb === 'join').length)).toEqual([1, 1]);
    await pass(30_000);
    const again = [here, there].map((ship) => ship.run('42', load));
    await settleDown();
    expect(load.waiting).toBe(1);
    load.release('a lamp');
    await expect(Promise.all(again)).resolves.toEqual(['a lamp', 'a lamp']);
  });

  it('says nothing of other keys of its name, which are shared', async () => {
    const { here, there, load } = await afterOne();
    const calls = [here, there].map((ship) => ship.run('43', load));
    await settleDown();
    expect(load.waiting).toBe(1);
    load.release('a lamp');
    await expect(Promise.all(calls)).resolves.toEqual(['a lamp', 'a lamp']);
  });

  it('is not flown at all while the engine is down and flights are to fail then', async () => {
    const { here } = await afterOne({ whenDown: 'fail' });
    here.faults.goDown();
    await expect(here.run('42', () => 'alone')).rejects.toBeInstanceOf(EngineUnavailableError);
  });

  it('too large for the engine, which says so only when it is given it: the same', async () => {
    class Small extends MemoryEngine {
      override complete(request: CompleteRequest): ReturnType<MemoryEngine['complete']> {
        const { byteLength } = request.payload;
        if (byteLength > 100) return Promise.reject(new PayloadTooLargeError(this.name, byteLength, 100));
        return super.complete(request);
      }
    }
    const hub = new MemoryHub();
    const ship = fleet(hub)({ engine: new Small(hub) });
    await ship.run('42', () => 'x'.repeat(200));
    await settleDown();
    await ship.run('42', () => 'x'.repeat(200));
    expect(flights(ship.stats())).toEqual({ led: 1, followed: 0, unshared: 1 });
  });

  it('is remembered among a thousand, of which the oldest go first', () => {
    const unshared = new Unshared();
    for (let index = 0; index <= 1_000; index++) unshared.add(String(index));
    expect(['0', '1', '1000'].map((id) => unshared.has(id))).toEqual([false, true, true]);
  });
});
