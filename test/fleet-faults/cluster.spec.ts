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

  fault(
    'loses the master of the key, and a replica takes its place',
    { setup, between, expected: { executions: [1, PROCESSES], atOnce: [1, PROCESSES], values: [1, PROCESSES] } },
    async (fleet) => {
      await fleet.underWay();
      fleet.strikes();
      const cluster = await clusters.at(-1)!;
      await cluster.killMasterOf(':owner');
      await cluster.whole();
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
      await cluster.whole();
      fleet.release();
    },
  );
});
