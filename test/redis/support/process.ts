import type { CompleteRequest, Fence, FlightSink, Joined, JoinRequest } from '../../../lib/fleet/engine.js';
import type { RedisEngineOptions } from '../../../lib/redis/options.js';
import { RedisEngine } from '../../../lib/redis/redis-engine.js';
import type { Open, Opened } from './clients.js';
import { until, type Deployment } from './servers.js';

export interface Push {
  readonly kind: 'settled' | 'abandoned' | 'forgotten';
  readonly flight: string;
  readonly fence: Fence;
  readonly payload?: string | undefined;
}

/** One process of a fleet, with a client of its own, and what it has been told. */
export class FleetProcess implements FlightSink {
  readonly pushes: Push[] = [];
  resyncs = 0;
  readonly token = `token-${Math.random().toString(36).slice(2)}`;

  constructor(
    readonly engine: RedisEngine,
    private readonly opened: Opened,
  ) {}

  get client(): Opened['client'] {
    return this.opened.client;
  }

  join(flight: string, request: Partial<JoinRequest> = {}, signal = AbortSignal.timeout(5_000)): Promise<Joined> {
    return this.engine.join({ flight, token: this.token, leaseMs: 60_000, ...request }, signal);
  }

  async lead(flight: string, request: Partial<JoinRequest> = {}): Promise<Fence> {
    const joined = await this.join(flight, request);
    if (joined.role !== 'leader') throw new Error(`It is ${joined.role}.`);
    return joined.fence;
  }

  complete(flight: string, fence: Fence, payload: string | Uint8Array, request: Partial<CompleteRequest> = {}) {
    const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
    const whole: CompleteRequest = {
      ...{ flight, token: this.token, fence, payload: bytes, retainMs: 20_000, lingerMs: 0 },
      ...{ insideLease: true, retain: true, ...request },
    };
    return this.engine.complete(whole, AbortSignal.timeout(5_000));
  }

  told(kind: Push['kind'], flight: string): Promise<Push> {
    return until(`${flight} is ${kind}`, () => this.pushes.find((one) => one.kind === kind && one.flight === flight));
  }

  async end(): Promise<void> {
    await this.engine.stop();
    await this.opened.close();
  }

  settled(flight: string, fence: Fence, payload?: Uint8Array): void {
    this.pushes.push({
      ...{ kind: 'settled', flight, fence },
      payload: payload === undefined ? undefined : Buffer.from(payload).toString(),
    });
  }

  abandoned(flight: string, fence: Fence): void {
    this.pushes.push({ kind: 'abandoned', flight, fence });
  }

  forgotten(flight: string, fence: Fence): void {
    this.pushes.push({ kind: 'forgotten', flight, fence });
  }

  resync(): void {
    this.resyncs++;
  }
}

/** Starts processes, and ends all of them with `end`. */
export function fleetOf(open: Open): {
  start(deployment: Deployment, options?: Partial<RedisEngineOptions>): Promise<FleetProcess>;
  end(): Promise<void>;
} {
  const processes: FleetProcess[] = [];
  return {
    async start(deployment, options = {}) {
      const opened = await open(deployment);
      const process = new FleetProcess(new RedisEngine({ client: opened.client, ...options }), opened);
      processes.push(process);
      await process.engine.start(process);
      return process;
    },
    async end() {
      for (const process of processes.splice(0)) await process.end();
    },
  };
}

/** 24 characters, as the fleet makes them. */
export function flightId(index = 0): string {
  return `flight-${String(index).padStart(6, '0')}-${Math.random().toString(36).slice(2, 12).padEnd(10, '0')}`;
}
