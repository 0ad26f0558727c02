import { UNSHAREABLE } from './cargo.js';
import type { CompleteRequest } from './engine.js';
import { PayloadTooLargeError } from './errors.js';
import type { Fleet } from './fleet.js';
import type { Lease } from './lease.js';

/** The end of a flight that this process has led, on its way to the others. */
export interface Landed {
  readonly id: string;
  readonly token: string;
  readonly name: string;
  readonly payload: Uint8Array;
  readonly lingerMs: number;
}

/**
 * Publishes how a flight ended. The leader's own callers are not made to wait for that: its process knows the end, so
 * that its next flight for the id is held back until the engine knows it too (nobody here joins what is over), and that
 * is all they could have waited for. A call that fails is tried again as long as the lease lasts: those who wait
 * elsewhere would run the function once more.
 *
 * @param onLost is told when another process leads
 */
export function land(fleet: Fleet, lease: Lease, landed: Landed, onLost: () => void): void {
  lease.end();
  if (landed.payload === UNSHAREABLE) fleet.unshared.add(landed.id);
  fleet.hold(landed.id, new Landing(fleet, lease, landed, onLost).attempt());
}

class Landing {
  /** What is published: the result, or that it cannot be. */
  private payload: Uint8Array;

  constructor(
    private readonly fleet: Fleet,
    private readonly lease: Lease,
    private readonly landed: Landed,
    private readonly onLost: () => void,
  ) {
    this.payload = landed.payload;
  }

  async attempt(): Promise<void> {
    const { fleet, landed } = this;
    try {
      const answer = await fleet.ask('complete', fleet.limits.operationTimeoutMs, (signal) =>
        fleet.engine.complete(this.request(), signal),
      );
      this.over();
      if (answer === 'lost') this.onLost();
    } catch (error) {
      if (error instanceof PayloadTooLargeError && this.payload === landed.payload) {
        this.payload = fleet.cargo.unshareable(error, landed.name);
        fleet.unshared.add(landed.id);
        await this.attempt();
      } else this.retry();
    }
  }

  /** The time of the next attempt has come. */
  due(): void {
    void this.attempt();
  }

  private retry(): void {
    const { fleet, lease, landed } = this;
    if (!lease.inside) {
      this.over();
      return;
    }
    fleet.unpublished.set(landed.id, lease.fence);
    fleet.leads.set(this, performance.now() + fleet.limits.degradeAfterMs);
  }

  private over(): void {
    const { unpublished } = this.fleet;
    if (unpublished.get(this.landed.id) === this.lease.fence) unpublished.delete(this.landed.id);
  }

  private request(): CompleteRequest {
    const { id, token, lingerMs } = this.landed;
    const { fence, inside } = this.lease;
    const retainMs = Math.max(this.fleet.limits.retainMs, lingerMs);
    return {
      ...{ flight: id, token, fence, payload: this.payload, retainMs, lingerMs },
      ...{ insideLease: inside, retain: true },
    };
  }
}
