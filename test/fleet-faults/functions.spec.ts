import { describe, expect } from '@jest/globals';
import { faults } from './support/fault.js';
import { CALLERS, KEY, type FaultyFleet } from './support/faulty-fleet.js';

const OTHER = 'other';

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
    { quick: true, setup: { group: { maxRunMs: 1_000 } }, expected: { executions: 2, atOnce: 2 } },
    async (fleet) => {
      fleet.strikes();
      await waitForEachOther(fleet);
      await fleet.executions(2);
      fleet.release();
      fleet.release(OTHER);
    },
  );

  fault(
    'and another wait for the key of each other, and the whole fleet for both: `maxRunMs` ends both',
    // Who leads one key first has its own result of it, everybody else that of who has taken over.
    { quick: true, setup: { group: { maxRunMs: 2_000 } }, expected: { executions: 2, atOnce: 2, values: 2 } },
    async (fleet) => {
      fleet.strikes();
      await waitForEachOther(fleet);
      const [one, two, ...others] = fleet.processes;
      await Promise.all([
        ...[one!.call(OTHER, CALLERS), two!.call(KEY, CALLERS)],
        ...others.flatMap((process) => [process.call(KEY, CALLERS), process.call(OTHER, CALLERS)]),
      ]);
      await Promise.all([fleet.executions(2), fleet.executions(2, OTHER)]);
      fleet.release();
      fleet.release(OTHER);
      await Promise.all(fleet.processes.map((process) => process.settled()));
      const { log } = fleet;
      expect([log.executions(OTHER), log.atOnce(OTHER)]).toEqual([2, 2]);
      expect(await fleet.values(OTHER)).toBe(2);
    },
  );
});

/** One leads a key and waits for the other one's, which waits for it. */
async function waitForEachOther(fleet: FaultyFleet): Promise<void> {
  const [one, two] = fleet.processes;
  await Promise.all([one!.call(KEY, CALLERS, { nested: OTHER }), two!.call(OTHER, CALLERS, { nested: KEY })]);
  // Otherwise whoever is first would lead both.
  await fleet.until('both lead', () => one!.starts(KEY) === 1 && two!.starts(OTHER) === 1);
  for (const key of [KEY, OTHER]) fleet.release(`${key} leads`);
  await fleet.until('both wait', () => one!.events('follow') >= 1 && two!.events('follow') >= 1);
}
