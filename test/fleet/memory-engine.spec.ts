import { describe, expect, it } from '@jest/globals';
import { MemoryEngine } from '../../lib/fleet/memory-engine.js';
import { MemoryHub } from '../../lib/fleet/memory-hub.js';
import { engineContract } from '../../lib/testing/contract/engine-contract.js';

describe('The memory engine keeps the contract', () => {
  describe.each<[string, boolean]>([
    ['on a clock of its own', true],
    ['in real time', false],
  ])('%s', (_, ownClock) => {
    const make = () => {
      let time = 0;
      const hub = new MemoryHub(ownClock ? () => time : undefined);
      return {
        engine: () => new MemoryEngine(hub, { maxPayloadBytes: 2048, minLeaseMs: 20 }),
        loseData: () => {
          hub.loseData();
        },
        ...(ownClock
          ? {
              pass: async (ms: number) => {
                time += ms;
              },
            }
          : undefined),
      };
    };
    const cases = engineContract({ make, losesData: true, leaseMs: 40 });

    it('has a case for every rule', () => {
      expect(cases.length).toBeGreaterThanOrEqual(60);
      expect(new Set(cases.map(({ title }) => title)).size).toBe(cases.length);
    });

    for (const { title, run } of cases) it(title, run);
  });

  it('and remembers nothing once everything is over', async () => {
    let time = 0;
    const hub = new MemoryHub(() => time);
    const engine = new MemoryEngine(hub);
    await engine.start({ settled: ignore, abandoned: ignore, forgotten: ignore, resync: ignore });
    for (let index = 0; index < 10; index++) {
      const joined = await engine.join({ flight: `flight ${index}`, token: 'token', leaseMs: 100 });
      if (joined.role !== 'leader') throw new Error('It leads.');
      await engine.complete({
        ...{ flight: `flight ${index}`, token: 'token', fence: joined.fence, payload: new Uint8Array(1) },
        ...{ retainMs: 200, lingerMs: 0, insideLease: true, retain: index % 2 === 0 },
      });
    }
    expect(hub.size).toBe(10);
    time = 1_000;
    expect(hub.size).toBe(0);
  });
});

function ignore(): void {
  // Nobody is asked here.
}
