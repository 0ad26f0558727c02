import { afterAll, afterEach, beforeAll } from '@jest/globals';
import pg from 'pg';
import type { CompleteRequest, Fence, FlightSink, Joined, JoinRequest } from '../../../lib/fleet/engine.js';
import { PostgresEngine } from '../../../lib/postgres/postgres-engine.js';
import type { PostgresEngineOptions } from '../../../lib/postgres/options.js';
import { startPostgresServer, type PostgresServer } from '../../support/postgres-server.js';

const DEADLINE_MS = 20_000;
export const never = new AbortController().signal;

/** A server, a schema and pools, which end with the file; processes end with their test. */
export interface World {
  /** The tests' own: for what no engine does. */
  readonly pool: pg.Pool;
  readonly schema: string;
  /** Another pool, also of another user. */
  newPool(options?: pg.PoolConfig): pg.Pool;
  /** A process of the fleet that has started. */
  process(options?: Partial<PostgresEngineOptions>): Promise<Process>;
}

export function postgresWorld(schema: string, options?: { own: boolean }): World {
  const pools: pg.Pool[] = [];
  const processes: Process[] = [];
  const world = { schema } as { -readonly [K in keyof World]: World[K] };
  let server: PostgresServer;
  world.newPool = (config) => {
    const pool = new pg.Pool({ connectionString: server.url, ...config });
    // Connections are killed on purpose.
    pool.on('error', () => undefined);
    pools.push(pool);
    return pool;
  };
  world.process = async (given = {}) => {
    const process = new Process(new PostgresEngine({ pool: world.pool, schema, ...given }));
    processes.push(process);
    await process.engine.start(process);
    return process;
  };
  beforeAll(async () => {
    server = await startPostgresServer(options);
    world.pool = world.newPool({ max: 18 });
    await world.pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE; CREATE SCHEMA ${schema}`);
  }, 60_000);
  afterEach(async () => {
    for (const { engine } of processes.splice(0)) await engine.stop();
  });
  afterAll(async () => {
    await world.pool.query(`DROP SCHEMA ${schema} CASCADE`);
    for (const pool of pools) if (!pool.ended) await pool.end();
    await server.stop();
  }, 60_000);
  return world;
}

/** One process of the fleet: its engine, its token, and what it has been told. */
export class Process implements FlightSink {
  readonly token = `token-${Math.random().toString(36).slice(2)}`;
  /** Each as `kind flight fence`, and `resync`. */
  readonly told: string[] = [];
  readonly payloads: (Uint8Array | undefined)[] = [];

  constructor(readonly engine: PostgresEngine) {}

  join(flight: string, request: Partial<JoinRequest> = {}, signal = never): Promise<Joined> {
    return this.engine.join({ flight, token: this.token, leaseMs: 60_000, ...request }, signal);
  }

  async lead(flight: string, request: Partial<JoinRequest> = {}): Promise<Fence> {
    const joined = await this.join(flight, request);
    if (joined.role !== 'leader') throw new Error(`It is ${joined.role} of ${flight}.`);
    return joined.fence;
  }

  complete(flight: string, fence: Fence, request: Partial<CompleteRequest> = {}): Promise<'published' | 'lost'> {
    const whole = { flight, token: this.token, fence, payload: Buffer.from('a lamp'), retainMs: 60_000, lingerMs: 0 };
    return this.engine.complete({ ...whole, insideLease: true, retain: true, ...request }, never);
  }

  renew(flight: string, fence: Fence): Promise<string> {
    return this.engine.renew({ flight, token: this.token, fence, leaseMs: 60_000, insideLease: true }, never);
  }

  hears(what: string): Promise<true> {
    return until(what, () => (this.told.includes(what) ? true : undefined));
  }

  settled(flight: string, fence: Fence, payload?: Uint8Array): void {
    this.told.push(`settled ${flight} ${fence}`);
    this.payloads.push(payload);
  }

  abandoned(flight: string, fence: Fence): void {
    this.told.push(`abandoned ${flight} ${fence}`);
  }

  forgotten(flight: string, fence: Fence): void {
    this.told.push(`forgotten ${flight} ${fence}`);
  }

  resync(): void {
    this.told.push('resync');
  }
}

/** Waits for a condition, with a deadline that names it. */
export async function until<T>(what: string, attempt: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const found = await attempt();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`Nothing came of it: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
