import { describe, expect } from '@jest/globals';
import { faults } from './support/fault.js';
import { CALLERS, KEY, PROCESSES } from './support/faulty-fleet.js';
import { FaultyRedis } from './support/faulty-redis.js';

const WORK_MS = 300;

describe('Redis', () => {
  const fault = faults();

  for (const client of ['ioredis', 'node-redis'] as const) {
    // Nothing here waits for the end of the lease.
    const setup = { client, group: { leaseMs: 60_000 } };

    fault(
      `is killed and restarted empty, and all are back before the end (${client})`,
      { quick: client === 'ioredis', setup, expected: { executions: 1, atOnce: 1 } },
      async (fleet) => {
        await fleet.underWay();
        fleet.strikes();
        await fleet.redis.kill();
        fleet.redis = await FaultyRedis.start(fleet.redis.port);
        await fleet.redis.connected(PROCESSES);
        fleet.release();
      },
    );

    fault(
      `is killed and restarted empty, and the end comes before it is back (${client})`,
      { setup, expected: { executions: 1, atOnce: 1 } },
      async (fleet) => {
        await fleet.underWay();
        fleet.strikes();
        await fleet.redis.kill();
        fleet.release();
        await fleet.leader.settled();
        fleet.redis = await FaultyRedis.start(fleet.redis.port);
      },
    );

    fault(
      `is killed for good (${client})`,
      {
        quick: client === 'ioredis',
        setup,
        expected: { executions: PROCESSES, atOnce: [1, PROCESSES], values: PROCESSES },
      },
      async (fleet) => {
        await fleet.underWay({ ms: 2 * WORK_MS });
        fleet.strikes();
        await fleet.redis.kill();
      },
    );

    fault(
      `hangs (SIGSTOP) (${client})`,
      {
        quick: client === 'ioredis',
        setup,
        expected: { executions: PROCESSES, atOnce: [1, PROCESSES], values: PROCESSES },
      },
      async (fleet) => {
        await fleet.underWay({ ms: 2 * WORK_MS });
        fleet.strikes();
        fleet.redis.hang();
        await Promise.all(fleet.processes.map((process) => process.settled()));
        fleet.redis.goOn();
        // Who flies alone looks whether it has to.
        const downs = fleet.events('degrade');
        expect(downs).toBeGreaterThanOrEqual(PROCESSES - 1);
        await fleet.callAnother();
        await fleet.until('the engine', () => fleet.events('restore') === downs);
      },
    );
  }

  fault('forgets its scripts (SCRIPT FLUSH)', { expected: { executions: 1, atOnce: 1 } }, async (fleet) => {
    await fleet.underWay();
    fleet.strikes();
    await fleet.redis.data.script('FLUSH');
    fleet.release();
  });

  fault('loses its data (FLUSHALL)', { quick: true, expected: { executions: 1, atOnce: 1 } }, async (fleet) => {
    await fleet.underWay();
    fleet.strikes();
    await fleet.redis.data.flushall();
    fleet.release();
  });

  fault('loses the lease (DEL, as an eviction does)', { expected: { executions: 1, atOnce: 1 } }, async (fleet) => {
    await fleet.underWay();
    fleet.strikes();
    const [owner] = await fleet.redis.keys(':owner');
    await fleet.redis.data.del(owner!);
    fleet.release();
  });

  fault(
    'loses the lease, which is reclaimed by the next renewal',
    { expected: { executions: 1, atOnce: 1 } },
    async (fleet) => {
      await fleet.underWay();
      fleet.strikes();
      const [owner] = await fleet.redis.keys(':owner');
      const lease = await fleet.redis.data.getdel(owner!);
      await fleet.until('the lease again', async () => (await fleet.redis.data.get(owner!)) === lease);
      fleet.release();
    },
  );

  fault('loses who waits (DEL, as an eviction does)', { expected: { executions: 1, atOnce: 1 } }, async (fleet) => {
    await fleet.underWay();
    fleet.strikes();
    const [waiters] = await fleet.redis.keys(':waiters');
    await fleet.redis.data.del(waiters!);
    fleet.release();
  });

  const expected = { executions: [1, PROCESSES], atOnce: [1, PROCESSES], values: [1, PROCESSES] } as const;

  fault('is out of memory (maxmemory 1, noeviction) until after the end', { quick: true, expected }, async (fleet) => {
    await fleet.underWay();
    fleet.strikes();
    await fleet.redis.data.config('SET', 'maxmemory', '1');
    fleet.release();
    await fleet.leader.settled();
    await fleet.redis.data.config('SET', 'maxmemory', '0');
  });

  fault('is out of memory (maxmemory 1, noeviction) for good', { expected }, async (fleet) => {
    await fleet.underWay();
    fleet.strikes();
    await fleet.redis.data.config('SET', 'maxmemory', '1');
    fleet.release();
  });

  fault(
    'is out of memory before the first call',
    { quick: true, expected: { executions: PROCESSES, atOnce: [1, PROCESSES], values: PROCESSES } },
    async (fleet) => {
      await fleet.redis.data.config('SET', 'maxmemory', '1');
      fleet.strikes();
      await Promise.all(fleet.processes.map((process) => process.call(KEY, CALLERS, { ms: WORK_MS })));
    },
  );
});
