import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { FlightEngine } from '../../lib/fleet/engine.js';
import { PostgresEngine } from '../../lib/postgres/postgres-engine.js';
import { chaosEngine } from '../../lib/testing/chaos-engine.js';
import { engineContract } from '../../lib/testing/contract/engine-contract.js';
import { startPostgresServer, type PostgresServer } from '../support/postgres-server.js';

let server: PostgresServer;
let pool: pg.Pool;

beforeAll(async () => {
  server = await startPostgresServer();
  pool = new pg.Pool({ connectionString: server.url, max: 20 });
  // Those that are idle when the server stops.
  pool.on('error', () => undefined);
  await pool.query('DROP SCHEMA IF EXISTS contract CASCADE; CREATE SCHEMA contract');
}, 60_000);

afterAll(async () => {
  await pool.query('DROP SCHEMA contract CASCADE');
  await pool.end();
  await server.stop();
}, 60_000);

/** It does things twice, late and in another order, and loses nothing. */
const shaken = (engine: FlightEngine): FlightEngine => chaosEngine(engine, { repeat: 0.5, delay: 0.5, delayMs: 20 });

describe.each<[string, string, (engine: FlightEngine) => FlightEngine]>([
  ['as it is', 'flights', (engine) => engine],
  ['shaken', 'shaken', shaken],
])('The PostgreSQL engine keeps the contract: %s', (_, table, around) => {
  const make = () => ({
    // Two engines on one pool are two processes.
    engine: () => around(new PostgresEngine({ pool, schema: 'contract', table, maxPayloadBytes: 65_536 })),
    loseData: async () => {
      await pool.query(`TRUNCATE contract.${table}`);
    },
  });

  const cases = engineContract({ make, losesData: true, leaseMs: 200 });
  it('has a case for every rule', () => {
    expect(cases.length).toBeGreaterThanOrEqual(60);
  });
  for (const { title: rule, run } of cases) it(rule, run);
});
