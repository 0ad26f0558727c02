import { describe, expect } from '@jest/globals';
import { faults } from './support/fault.js';
import { KEY } from './support/faulty-fleet.js';

describe('A process of the fleet', () => {
  const fault = faults();

  fault(
    'leads and is killed (kill -9)',
    { quick: true, expected: { executions: 2, atOnce: 1, answered: 300 } },
    async (fleet) => {
      await fleet.underWay();
      const { leader } = fleet;
      fleet.strikes();
      leader.kill('SIGKILL');
      await leader.end();
      fleet.log.dead(leader.pid);
      await fleet.executions(2);
      fleet.release();
    },
  );

  fault(
    'leads, is stopped past its lease, and goes on',
    { quick: true, expected: { executions: 2, atOnce: 2, values: 2 } },
    async (fleet) => {
      await fleet.underWay();
      const { leader, followers } = fleet;
      fleet.strikes();
      leader.kill('SIGSTOP');
      await fleet.executions(2);
      for (const follower of followers) follower.release(KEY);
      await Promise.all(followers.map((follower) => follower.settled()));
      leader.kill('SIGCONT');
      leader.release(KEY);
      await leader.settled();
      // What it has published late was refused.
      await leader.until('the refusal', () => leader.events('lost') === 1);
      const [stale, newer] = fleet.log.fences(KEY);
      expect(BigInt(newer!)).toBeGreaterThan(BigInt(stale!));
      expect(await fleet.redis.keys(`:result:${stale!}`)).toEqual([]);
      expect(await fleet.redis.keys(`:result:${newer!}`)).toHaveLength(1);
    },
  );

  fault(
    'follows, is stopped for 6 s over the end, and goes on',
    { quick: true, expected: { executions: 1, atOnce: 1 } },
    async (fleet) => {
      await fleet.underWay();
      const [stopped, ...others] = fleet.followers;
      fleet.strikes();
      stopped!.kill('SIGSTOP');
      fleet.release();
      await Promise.all([fleet.leader, ...others].map((process) => process.settled()));
      const goesOnAt = performance.now() + 6_000;
      await fleet.until('6 s', () => performance.now() > goesOnAt);
      expect(await fleet.redis.keys(':result:*')).toEqual([]);
      stopped!.kill('SIGCONT');
    },
  );

  fault(
    'leads and shuts down, and its function ends within the grace',
    { quick: true, setup: { group: { leaseMs: 60_000 } }, expected: { executions: 1, atOnce: 1 } },
    async (fleet) => {
      await fleet.underWay();
      fleet.strikes();
      const closed = fleet.leader.close(5_000);
      fleet.release();
      await closed;
    },
  );

  fault(
    'leads and shuts down, and its function runs past the grace',
    // With such a lease who takes over has been told to.
    {
      quick: true,
      setup: { group: { leaseMs: 60_000 } },
      expected: { executions: 2, atOnce: 2, answered: 300, rejected: 100 },
    },
    async (fleet) => {
      await fleet.underWay();
      const { leader } = fleet;
      fleet.strikes();
      await leader.close(100);
      await fleet.executions(2);
      fleet.release();
      expect((await leader.report()).errors).toEqual({ ERR_SINGLEFLIGHT_GROUP_CLOSED: 100 });
    },
  );
});
