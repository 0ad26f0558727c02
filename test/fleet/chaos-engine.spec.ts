import { describe, it } from '@jest/globals';
import { MemoryEngine } from '../../lib/fleet/memory-engine.js';
import { MemoryHub } from '../../lib/fleet/memory-hub.js';
import { chaosEngine, type ChaosOptions } from '../../lib/testing/chaos-engine.js';
import { engineContract } from '../../lib/testing/contract/engine-contract.js';

describe.each<[string, ChaosOptions]>([
  ['without faults', {}],
  ['that makes each call and tells each message twice', { repeat: 1 }],
])('The chaos engine %s keeps the contract', (_, options) => {
  const make = () => {
    const hub = new MemoryHub();
    return {
      engine: () => chaosEngine(new MemoryEngine(hub, { maxPayloadBytes: 2048, minLeaseMs: 20 }), options),
      loseData: () => {
        hub.loseData();
      },
    };
  };
  for (const { title, run } of engineContract({ make, losesData: true, leaseMs: 40 })) it(title, run);
});
