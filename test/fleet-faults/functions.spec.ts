import { describe, expect } from '@jest/globals';
import { faults } from './support/fault.js';
import { CALLERS, KEY, type FaultyFleet } from './support/faulty-fleet.js';

describe('A function', () => {
  const fault = faults();

  fault(
    'hangs: others take over after `maxRunMs`, and its own callers get what it ends with',
    { quick: true, setup: { group: { maxRunMs: 1_000 } }, expected: { executions: 2, atOnce: 2, values: 2 } },
    async (fleet) => {
      await fleet.underWay();
      const { leader, followers } = fleet;
      fleet.strikes();
      await fleet.executions(2);
      for (const follower of followers) follower.release(KEY);
      await Promise.all(followers.map((follower) => follower.settled()));
      const { answered, rejected } = await leader.report();
      expect({ answered, rejected }).toEqual({ answered: 0, rejected: 0 });
      leader.release(KEY);
    },
  );

  fault(
    'hangs for ever, with `flightTimeoutMs`: one error for the whole fleet',
    {
      setup: { group: { flightTimeoutMs: 2_000 } },
      expected: { executions: 1, atOnce: 1, values: 0, answered: 0, rejected: 4 * CALLERS },
    },
    async (fleet) => {
      await fleet.underWay();
      fleet.strikes();
      await Promise.all(fleet.processes.map((process) => process.settled()));
      for (const process of fleet.processes) {
        expect((await process.report()).errors).toEqual({ ERR_SINGLEFLIGHT_FLIGHT_TIMEOUT: CALLERS });
      }
    },
  );

  fault(
    'waits for the key of another process, which waits for its own: `maxRunMs` ends it',
    // Of the key that is counted: the first one, and the one in the process that waits for it.
    { quick: true, setup: { group: { maxRunMs: 1_000 } }, expected: { executions: 2, atOnce: 2, values: [1, 2] } },
    async (fleet) => {
      fleet.strikes();
      await waitForEachOther(fleet);
      fleet.release();
      fleet.release('other');
    },
  );
});

/** One leads a key and waits for the other one's, which waits for it. */
async function waitForEachOther(fleet: FaultyFleet): Promise<void> {
  const [one, two] = fleet.processes;
  // Each is let go by its own test's release only after the other's key has been asked for.
  await Promise.all([one!.call(KEY, CALLERS, { nested: 'other' }), two!.call('other', CALLERS, { nested: KEY })]);
  await fleet.until('both wait', () => one!.events('follow') === 1 && two!.events('follow') === 1);
  await fleet.executions(2);
}
