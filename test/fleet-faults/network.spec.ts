import { describe, expect } from '@jest/globals';
import { faults } from './support/fault.js';
import { KEY, PROCESSES, type FaultyFleet } from './support/faulty-fleet.js';
import { FaultyRedis } from './support/faulty-redis.js';
import { proxies } from './support/proxy.js';

describe('The network', () => {
  const fault = faults();
  const { of: proxy, between } = proxies();
  // What is missed is asked for when the connection is back, and not when the lease is over.
  const longLease = { leaseMs: 60_000 };

  for (const client of ['ioredis', 'node-redis'] as const) {
    for (const type of ['normal', 'pubsub'] as const) {
      fault(
        `kills connections over the end, again and again: ${type} (${client})`,
        { quick: client === 'ioredis', setup: { client, group: longLease }, expected: { executions: 1, atOnce: 1 } },
        async (fleet) => {
          await fleet.underWay();
          fleet.strikes();
          await killing(fleet, type, async (kills) => {
            await fleet.until('some kills', () => kills() >= 3);
            fleet.release();
            await fleet.leader.settled();
            const before = kills();
            await fleet.until('some more', () => kills() >= before + 20);
          });
        },
      );
    }
  }

  fault(
    'kills connections again and again, while callers ask for other keys',
    { quick: true, expected: { executions: 1, atOnce: 1 } },
    async (fleet) => {
      await fleet.underWay();
      fleet.strikes();
      // Whoever asks while a connection is away goes alone; who waits for this flight does not.
      const calls: Promise<void>[] = [];
      await killing(fleet, 'normal', async (kills) => {
        await fleet.until('kills, and calls after each', () => {
          if (kills() > calls.length)
            calls.push(...fleet.processes.map((process) => process.call('another', 1, { ms: 0 })));
          return kills() >= 40;
        });
      });
      await Promise.all(calls);
      expect(fleet.events('degrade')).toBeGreaterThan(0);
      fleet.release();
    },
  );

  fault(
    "is silent on a follower's subscription (half-open)",
    { quick: true, between, expected: { executions: 1, atOnce: 1 } },
    async (fleet) => {
      await fleet.underWay();
      fleet.strikes();
      proxy[fleet.followers[0]!.setup.index]!.silence('subscriptions');
      fleet.release();
    },
  );

  fault(
    'is silent between a follower and Redis (half-open)',
    { between, expected: { executions: 2, atOnce: [1, 2], values: 2 } },
    async (fleet) => {
      await fleet.underWay();
      const cutOff = fleet.followers[0]!;
      fleet.strikes();
      proxy[cutOff.setup.index]!.silence('all');
      await fleet.executions(2);
      expect(cutOff.starts(KEY)).toBe(1);
      fleet.release();
    },
  );

  fault(
    'is silent between the leader and Redis (half-open)',
    { quick: true, between, expected: { executions: 2, atOnce: 2, values: 2 } },
    async (fleet) => {
      await fleet.underWay();
      fleet.strikes();
      proxy[fleet.leader.setup.index]!.silence('all');
      await fleet.executions(2);
      fleet.release();
    },
  );

  fault(
    'answers the first JOIN late, within the timeout',
    { between, expected: { executions: 1, atOnce: 1 } },
    async (fleet) => {
      const first = await withHeldAnswers(fleet);
      await callFromOthers(fleet, first);
      proxy[first]!.letAnswersGo();
      await fleet.executions(1);
      fleet.release();
    },
  );

  fault(
    'answers the first JOIN after the timeout: the lead is given back',
    { quick: true, between, expected: { executions: 2, atOnce: [1, 2], values: 2 } },
    async (fleet) => {
      const first = await withHeldAnswers(fleet);
      await callFromOthers(fleet, first);
      await fleet.executions(2);
      const owner = await fleet.redis.data.get((await fleet.redis.keys(':owner'))[0]!);
      proxy[first]!.letAnswersGo();
      // What it gives back is its own.
      await fleet.until('the engine again', () => fleet.processes[first]!.events('restore') > 0);
      expect(await fleet.redis.data.get((await fleet.redis.keys(':owner'))[0]!)).toBe(owner);
      fleet.release();
    },
  );

  fault(
    'leads to a replica that never got the lease, promoted (failover)',
    { quick: true, between, setup: { group: longLease }, expected: { executions: 1, atOnce: 1 } },
    async (fleet) => {
      // Asynchronous replication that did not come to it: it knows its master, and has none of its data.
      const replica = await FaultyRedis.start(undefined, '--replicaof', '127.0.0.1', '1');
      const master = fleet.redis;
      try {
        await fleet.underWay();
        fleet.strikes();
        await master.kill();
        await replica.data.call('REPLICAOF', 'NO', 'ONE');
        for (const one of proxy) one.moveTo(replica.port);
        await replica.connected(PROCESSES);
        fleet.release();
      } finally {
        fleet.redis = replica;
      }
    },
  );

  /** A process whose JOIN has taken the lead, and that does not know it. */
  async function withHeldAnswers(fleet: FaultyFleet): Promise<number> {
    // The server knows the script then, so that the answer is none that says it does not.
    await fleet.processes[0]!.callAnother();
    proxy[0]!.holdAnswers();
    fleet.strikes();
    await fleet.processes[0]!.call(KEY, 100);
    await fleet.until('its lease', async () => (await fleet.redis.keys(':owner')).length === 1);
    return 0;
  }

  async function callFromOthers(fleet: FaultyFleet, first: number): Promise<void> {
    const others = fleet.processes.filter(({ setup }) => setup.index !== first);
    await Promise.all(others.map((process) => process.call(KEY, 100)));
    await fleet.until('their part', () =>
      others.every((process) => process.events('lead') + process.events('follow') > 0),
    );
  }
});

/** Kills all connections of a type, as fast as the server takes it, while something goes on. */
async function killing(
  { redis }: FaultyFleet,
  type: 'normal' | 'pubsub',
  meanwhile: (kills: () => number) => Promise<void>,
): Promise<void> {
  let [kills, isOver] = [0, false];
  const kill = async (): Promise<void> => {
    while (!isOver) {
      await redis.data.call('CLIENT', 'KILL', 'TYPE', type);
      kills++;
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
  };
  const killer = kill();
  try {
    await meanwhile(() => kills);
  } finally {
    isOver = true;
    await killer;
  }
}
