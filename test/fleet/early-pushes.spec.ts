import { describe, expect, it } from '@jest/globals';
import type { FlightSink, Joined, JoinRequest } from '../../lib/fleet/engine.js';
import { FleetGroup } from '../../lib/fleet/fleet-group.js';
import { MemoryEngine } from '../../lib/fleet/memory-engine.js';
import { MemoryHub } from '../../lib/fleet/memory-hub.js';
import { deferred } from '../support/deferred.js';
import { turn } from '../support/turns.js';

describe('A push about a flight that the engine does not know, ahead of the answer to the join', () => {
  it.each(['abandoned', 'settled'] as const)('%s: is asked about once', async (kind) => {
    const hub = new MemoryHub();
    const options = { app: 'shop', fleet: 'product' };
    const leader = new FleetGroup({ ...options, engine: new MemoryEngine(hub) });
    const engine = new MisledEngine(hub, kind);
    const follower = new FleetGroup({ ...options, engine });
    const result = deferred<string>();
    const led = leader.run('42', () => result.promise);
    await turn();
    const followed = follower.run('42', () => 'another');
    for (let turns = 0; turns < 20; turns++) await turn();
    expect(engine.joins).toBe(2);
    result.resolve('a lamp');
    expect(await Promise.all([led, followed])).toEqual(['a lamp', 'a lamp']);
    await Promise.all([leader.close(), follower.close()]);
  });
});

class MisledEngine extends MemoryEngine {
  joins = 0;
  private sink: FlightSink | undefined = undefined;

  constructor(
    hub: MemoryHub,
    private readonly kind: 'abandoned' | 'settled',
  ) {
    super(hub);
  }

  override start(sink: FlightSink): Promise<void> {
    this.sink = sink;
    return super.start(sink);
  }

  override join(request: JoinRequest): Promise<Joined> {
    if (this.joins++ === 0) this.sink?.[this.kind](request.flight, 10n ** 18n);
    return super.join(request);
  }
}
