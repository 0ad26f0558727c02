import { afterEach, describe } from '@jest/globals';
import { faults } from './support/fault.js';
import { PROCESSES } from './support/faulty-fleet.js';
import { ReplicatedCluster } from './support/replicated-cluster.js';

describe('A cluster of Redis', () => {
  const fault = faults();
  const clusters: Promise<ReplicatedCluster>[] = [];
  afterEach(async () => {
    for (const cluster of clusters.splice(0)) await (await cluster).stop();
  });

  /** One for each fleet, because it does not come back as it was. */
  const between = async (_redis: unknown, index: number): Promise<readonly number[]> => {
    if (index === 0) clusters.push(ReplicatedCluster.start());
    return (await clusters.at(-1)!).ports;
  };
  const setup = { client: 'ioredis cluster' } as const;

  // For longer than `degradeAfterMs` nobody serves the key.
  const expected = { executions: [1, PROCESSES], atOnce: [1, PROCESSES], values: [1, PROCESSES] } as const;

  fault(
    'loses the master of the key, and the end comes before its replica leads',
    { setup, between, expected },
    async (fleet) => {
      await fleet.underWay();
      fleet.strikes();
      await (await clusters.at(-1)!).killMasterOf(':owner');
      fleet.release();
    },
  );

  fault(
    'loses the master of the key, and the end comes after its replica leads',
    { setup, between, expected },
    async (fleet) => {
      await fleet.underWay();
      fleet.strikes();
      const cluster = await clusters.at(-1)!;
      await cluster.killMasterOf(':owner');
      await cluster.failedOver();
      fleet.release();
    },
  );

  fault(
    'loses a master of other keys',
    { quick: true, setup, between, expected: { executions: 1, atOnce: 1 } },
    async (fleet) => {
      await fleet.underWay();
      fleet.strikes();
      const cluster = await clusters.at(-1)!;
      await cluster.killAnotherMasterThan(':owner');
      await cluster.failedOver();
      fleet.release();
    },
  );
});
