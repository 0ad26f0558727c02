import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FleetGroup, type FleetGroupOptions } from '../../lib/fleet/fleet-group.js';
import { PostgresEngine } from '../../lib/postgres/postgres-engine.js';
import { chaosEngine, type ChaosEngine } from '../../lib/testing/chaos-engine.js';
import { deferred } from '../support/deferred.js';
import { postgresWorld, until } from './support/world.js';

// One of its backends is killed, which no shared server would forgive.
const world = postgresWorld('fleet', { own: true });
const CALLERS = 100;

interface Ship {
  readonly group: FleetGroup;
  readonly engine: ChaosEngine;
}

const ships: Ship[] = [];
/** Each test has a table of its own. */
let table = '';
let tables = 0;
beforeEach(() => {
  table = `flights_${++tables}`;
});
afterEach(async () => {
  const closing = ships.splice(0).map(({ group, engine }) => {
    engine.controls.comeBack();
    return group.close({ graceMs: 0 });
  });
  await Promise.all(closing);
});

function ship(options: Partial<FleetGroupOptions> = {}): Ship {
  const engine = chaosEngine(new PostgresEngine({ pool: world.pool, schema: 'fleet', table }));
  const group = new FleetGroup({
    app: 'shop',
    fleet: 'product',
    leaseMs: 10_000,
    detectDeadlocks: false,
    ...options,
    engine,
  });
  const one = { group, engine };
  ships.push(one);
  return one;
}

function calls(ship: Ship, key: string, fn: () => Promise<string>): Promise<string[]> {
  return Promise.all(Array.from({ length: CALLERS }, () => ship.group.run(key, fn)));
}

const waiters = (n: number): Promise<true> =>
  until(`${n} that wait`, async () => {
    const { rows } = await world.pool
      .query<{ n: number }>(`SELECT sum(cardinality(waiting))::int AS n FROM fleet.${table} WHERE ended_at IS NULL`)
      .catch(() => ({ rows: [] }));
    return rows[0]?.n === n ? true : undefined;
  });

describe('A fleet on PostgreSQL', () => {
  it('runs a function once for all callers of all processes', async () => {
    const result = deferred<string>();
    let runs = 0;
    const load = (): Promise<string> => {
      runs++;
      return result.promise;
    };
    const answers = [ship(), ship(), ship()].map((one) => calls(one, 'once', load));
    await waiters(2);
    result.resolve('a lamp');
    expect((await Promise.all(answers)).flat()).toEqual(Array(3 * CALLERS).fill('a lamp'));
    expect(runs).toBe(1);
  });

  it('takes over once the lease of a process that is gone is over', async () => {
    const [first, second] = [ship({ leaseMs: 300 }), ship({ leaseMs: 300 })];
    const never = deferred<string>();
    const led = deferred();
    const lost = first.group.run('taken', () => {
      led.resolve();
      return never.promise;
    });
    await led.promise;
    const taken = calls(second, 'taken', () => Promise.resolve('another lamp'));
    await waiters(1);
    first.engine.controls.hang();
    expect(await taken).toEqual(Array(CALLERS).fill('another lamp'));
    never.resolve('a lamp');
    expect(await lost).toBe('a lamp');
  });

  it.each<[string, () => Promise<unknown>]>([
    ['every connection is killed', killConnections],
    ['the server crashes, and comes back without the data', crash],
  ])('still runs it once when %s', async (_, fault) => {
    const result = deferred<string>();
    let runs = 0;
    const load = (): Promise<string> => {
      runs++;
      return result.promise;
    };
    // Down only after longer than the server takes to come back.
    const options = { degradeAfterMs: 15_000, operationTimeoutMs: 15_000 };
    const [first, second] = [ship(options), ship(options)];
    const answers = [first, second].map((one) => calls(one, 'faults', load));
    await waiters(1);
    await fault();
    await until('two that listen', async () => (await listening()) === 2 || undefined);
    // They have said again what they hold and what they wait for.
    await waiters(1);
    result.resolve('a lamp');
    expect((await Promise.all(answers)).flat()).toEqual(Array(2 * CALLERS).fill('a lamp'));
    expect(runs).toBe(1);
  });
});

async function listening(): Promise<number | undefined> {
  const { rows } = await world.pool
    .query<{ n: number }>("SELECT count(*)::int AS n FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
    .catch(() => ({ rows: [] }));
  return rows[0]?.n;
}

const OTHERS = "pid <> pg_backend_pid() AND backend_type = 'client backend'";

async function killConnections(): Promise<void> {
  await world.pool.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${OTHERS}`);
}

/** When one backend dies by force the server does not trust its memory any more: it ends the others and recovers. */
async function crash(): Promise<void> {
  // The server of the tests does not wait for the disk: it would lose the schema too.
  await world.pool.query('CHECKPOINT');
  const { rows } = await world.pool.query<{ pid: number }>(`SELECT pid FROM pg_stat_activity WHERE ${OTHERS}`);
  process.kill(rows[0]!.pid, 'SIGKILL');
  await until('a server that has lost the data', async () => {
    const answer = await world.pool.query(`SELECT FROM fleet.${table} WHERE id = ''`).catch(() => undefined);
    return answer?.rowCount === 0 ? true : undefined;
  });
}
