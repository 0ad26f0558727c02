import { describe, expect } from '@jest/globals';
import { COMPLETE } from '../../lib/redis/scripts.js';
import { faults } from './support/fault.js';
import { PROCESSES, type FaultyFleet } from './support/faulty-fleet.js';
import { proxies } from './support/proxy.js';
import { sendRaw } from './support/send-raw.js';

const secret = 'a secret of this fleet';
const everyoneItself = { executions: PROCESSES, atOnce: [1, PROCESSES], values: PROCESSES } as const;
const once = { executions: 1, atOnce: 1 };

describe('Messages', () => {
  const fault = faults();
  const { of: proxy, between } = proxies(COMPLETE.sha);

  fault('are all lost', { quick: true, setup: { chaos: { drop: 1 } }, expected: once }, atTheEnd);

  fault('come twice, as do calls', { setup: { chaos: { repeat: 1 } }, expected: once }, atTheEnd);

  fault(
    'and calls come late, and in another order',
    { setup: { chaos: { delay: 0.7, delayMs: 100 } }, expected: once },
    atTheEnd,
  );

  fault(
    'and answers are lost, come twice and late, by chance',
    {
      quick: true,
      setup: { chaos: { drop: 0.5, repeat: 0.5, delay: 0.5, delayMs: 100 } },
      expected: once,
    },
    atTheEnd,
  );

  fault(
    'end a flight twice (COMPLETE sent again)',
    { quick: true, between, expected: { executions: 1, atOnce: 1 } },
    async (fleet) => {
      // So that it is sent by its digest: the server knows the script.
      await fleet.processes[0]!.callAnother();
      await fleet.underWay();
      fleet.strikes();
      const { leader } = fleet;
      const { recorded } = proxy[leader.setup.index]!;
      recorded.splice(0);
      fleet.release();
      await fleet.until('its end', () => recorded.length === 1);
      await Promise.all(fleet.processes.map((process) => process.settled()));
      const before = await pushes(fleet);
      expect(await sendRaw(fleet.redis.port, recorded[0]!)).toMatch(/^\*2\r\n\$9\r\npublished\r\n:0/);
      expect(await pushes(fleet)).toBe(before);
    },
  );

  fault(
    'are forged, and there is a secret',
    { setup: { secret }, expected: { executions: 1, atOnce: 1 } },
    async (fleet) => {
      await fleet.underWay();
      fleet.strikes();
      await publish(fleet, await forgedMessages(fleet));
      for (const process of fleet.processes) {
        await fleet.until('stray messages', async () => (await process.report()).stray >= 2);
      }
      fleet.release();
    },
  );

  fault('are rubbish', { quick: true, expected: { executions: 1, atOnce: 1 } }, async (fleet) => {
    await fleet.underWay();
    fleet.strikes();
    const rubbish = ['', 'rubbish', 's', '\0\xff'.repeat(500), 'sno-such-flight|1|', `p${'x'.repeat(24)}|1||`, '|||'];
    await publish(
      fleet,
      rubbish.map((text) => Buffer.from(text, 'latin1')),
    );
    for (const process of fleet.processes) {
      await fleet.until('stray messages', async () => (await process.report()).stray >= 5);
    }
    fleet.release();
  });

  fault('are a pointer to a result that is none', { expected: { executions: 1, atOnce: 1 } }, async (fleet) => {
    await fleet.underWay();
    fleet.strikes();
    const { name, fence } = await currentOf(fleet);
    await publish(fleet, [Buffer.from(`p${name}|${fence}||`)]);
    fleet.release();
  });

  fault('are cut off within the result', { expected: everyoneItself }, async (fleet) => {
    await fleet.underWay({ ms: 500 });
    fleet.strikes();
    const { name, fence } = await currentOf(fleet);
    await publish(fleet, [Buffer.from(`s${name}|${fence}||SF`)]);
  });

  fault(
    'hold results of a newer release',
    { quick: true, setup: { newer: true }, expected: everyoneItself },
    async (fleet) => {
      await fleet.underWay();
      const { followers } = fleet;
      fleet.strikes();
      fleet.release();
      await fleet.executions(PROCESSES);
      const warning = 'it is of version 2, and this is version 1';
      await fleet.until('warnings', () => followers.every(({ warnings }) => warnings.includes(warning)));
    },
  );

  fault(
    'are lost, and the result that is kept is of a newer release',
    { setup: { newer: true, chaos: { drop: 1 } }, expected: everyoneItself },
    atTheEnd,
  );

  fault(
    'only point to the result, which is too long for them',
    { setup: { inlineBytes: 10 }, expected: { executions: 1, atOnce: 1 } },
    async (fleet) => {
      await fleet.underWay({ bytes: 100_000 });
      fleet.strikes();
      fleet.release();
    },
  );
});

async function atTheEnd(fleet: FaultyFleet): Promise<void> {
  await fleet.underWay();
  fleet.strikes();
  fleet.release();
}

/** The current flight, as Redis knows it. */
async function currentOf({ redis }: FaultyFleet): Promise<{ name: string; fence: string }> {
  const [key = ''] = await redis.keys(':owner');
  const owner = await redis.data.get(key);
  return { name: /\{(.*)\}/.exec(key)?.[1] ?? '', fence: owner?.split('|')[0] ?? '' };
}

/** Results and words of a leader, in the right form and without its seal. */
async function forgedMessages(fleet: FaultyFleet): Promise<Buffer[]> {
  const { name, fence } = await currentOf(fleet);
  return [`s${name}|${fence}||SF`, `a${name}|${fence}|${'x'.repeat(22)}|`].map((text) => Buffer.from(text));
}

async function publish({ redis }: FaultyFleet, messages: readonly Buffer[]): Promise<void> {
  const inboxes = await redis.inboxes();
  expect(inboxes).toHaveLength(PROCESSES);
  for (const inbox of inboxes) for (const message of messages) await redis.data.publish(inbox, message);
}

/** How many messages the server has been asked to publish. */
async function pushes({ redis }: FaultyFleet): Promise<number> {
  return Number(/cmdstat_publish:calls=(\d+)/.exec(await redis.data.info('commandstats'))?.[1] ?? 0);
}
