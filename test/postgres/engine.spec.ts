import { describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { EngineTimeoutError, EngineUnavailableError } from '../../lib/fleet/errors.js';
import { Names } from '../../lib/postgres/names.js';
import { PostgresEngine } from '../../lib/postgres/postgres-engine.js';
import { freePort } from '../support/redis-server.js';
import { errorOf } from '../support/refusals.js';
import { postgresWorld, until, type Process } from './support/world.js';

const world = postgresWorld('engine');
const { channel, seed } = new Names({ schema: 'engine' });

/** Holds the lock of an id, so that whoever asks about it waits in the server. */
async function holding(flight: string, act: () => Promise<void>): Promise<void> {
  const client = await world.pool.connect();
  await client.query('SELECT pg_advisory_lock(hashtextextended($1, $2))', [flight, String(seed)]);
  await act().finally(async () => {
    await client.query('SELECT pg_advisory_unlock_all()');
    client.release();
  });
}

/** The connections in which a verb waits for such a lock, once there is one. */
function waiting(): Promise<readonly number[]> {
  return until('a verb that waits in the server', async () => {
    const { rows } = await world.pool.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'",
    );
    return rows.length === 0 ? undefined : rows.map(({ pid }) => pid);
  });
}

async function kill(where: string): Promise<number> {
  const { rowCount } = await world.pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND ${where}`,
  );
  return rowCount ?? 0;
}

async function count(where = 'true'): Promise<number> {
  const { rows } = await world.pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM engine.singleflight WHERE id <> '' AND ${where}`,
  );
  return rows[0]!.n;
}

describe('A connection that is lost', () => {
  it('while it listens: it listens again, and says that messages may be missing', async () => {
    const [first, second] = [await world.process(), await world.process()];
    const fence = await first.lead('kept');
    await second.join('kept');
    expect(await kill("query LIKE 'LISTEN%'")).toBeGreaterThanOrEqual(2);
    await Promise.all([first.hears('resync'), second.hears('resync')]);
    expect(second.engine.available).toBe(true);
    await first.complete('kept', fence);
    await second.hears(`settled kept ${fence}`);
    expect(String(second.payloads[0])).toBe('a lamp');
  });

  it('while it is asked something: it is asked once more, and nobody is the wiser', async () => {
    const [first, second] = [await world.process(), await world.process()];
    let joined: Promise<unknown> = Promise.resolve();
    await holding('asked', async () => {
      joined = first.join('asked');
      const [pid] = await waiting();
      await kill(`pid = ${pid!}`);
      await until('another attempt', async () => ((await waiting()).includes(pid!) ? undefined : true));
    });
    expect(await joined).toEqual({ role: 'leader', fence: expect.any(BigInt) });
    expect((await second.join('asked')).role).toBe('follower');
  });
});

describe('A caller who does not wait any more', () => {
  it('is told so at once, and the lead that comes late is given back', async () => {
    const [first, second] = [await world.process(), await world.process()];
    const impatient = new AbortController();
    await holding('late', async () => {
      const joined = errorOf(() => first.join('late', {}, impatient.signal));
      await waiting();
      impatient.abort();
      expect(await joined).toBeInstanceOf(EngineTimeoutError);
    });
    await until('the lead', async () => ((await second.join('late')).role === 'leader' ? true : undefined));
  });

  it('and who asks with a signal that has aborted asks nothing', async () => {
    const first = await world.process();
    expect(await errorOf(() => first.join('never', {}, AbortSignal.abort()))).toBeInstanceOf(EngineTimeoutError);
    expect(await count("id = 'never'")).toBe(0);
  });
});

describe('Many at once', () => {
  it('have one leader each time, whom all others hear of', async () => {
    const processes = await Promise.all(Array.from({ length: 6 }, () => world.process()));
    for (let round = 0; round < 30; round++) {
      const joined = await Promise.all(processes.map((process) => process.join('race')));
      const leaders = processes.filter((_, index) => joined[index]!.role === 'leader');
      expect(leaders).toHaveLength(1);
      const { fence } = joined[0] as { fence: bigint };
      // Some ask again while the flight ends: they have its result, or are told, or lead the next one.
      const [again] = await Promise.all([
        Promise.all(processes.slice(0, 3).map((process) => process.join('race', { since: fence }))),
        leaders[0]!.complete('race', fence),
      ]);
      expect(again.map(({ role }) => role).filter((role) => role === 'orphan')).toEqual([]);
      const followers = processes.filter(
        (process, index) => process !== leaders[0] && again[index]?.role !== 'settled',
      );
      await Promise.all(followers.map((process) => process.hears(`settled race ${fence}`)));
      expect(new Set(joined.map((one) => (one as { fence: bigint }).fence)).size).toBe(1);
    }
  });

  it('take, renew, end, give up and forget one id, and two never hold it at the same time', async () => {
    const processes = await Promise.all(Array.from({ length: 6 }, () => world.process()));
    const fences: bigint[] = [];
    const program = async (process: Process): Promise<void> => {
      for (let step = 0; step < 40; step++) {
        const joined = await process.join('busy', { token: `${process.token}.${step}` });
        if (joined.role !== 'leader') continue;
        fences.push(joined.fence);
        const request = { flight: 'busy', token: `${process.token}.${step}`, fence: joined.fence };
        if (step % 3 === 0) await process.engine.abandon(request);
        else if (step % 3 === 1) await process.complete('busy', joined.fence, { ...request, retainMs: 1 });
        else await process.engine.forget({ flight: 'busy' });
      }
    };
    await Promise.all(processes.map(program));
    expect(fences.length).toBeGreaterThan(0);
    expect(new Set(fences).size).toBe(fences.length);
    expect(await count("id = 'busy' AND NOT forgotten AND leased_until > clock_timestamp()")).toBeLessThanOrEqual(1);
  });
});

describe('The table', () => {
  it('holds little after a thousand flights, and nothing of those that are over once somebody leads', async () => {
    const first = await world.process({ table: 'thousand' });
    for (let index = 0; index < 1_000; index++) {
      const token = `t${index}`;
      const fence = await first.lead(`flight-${index}`, { token });
      await first.complete(`flight-${index}`, fence, { token, retainMs: 1 });
    }
    const held = async (): Promise<number> => {
      const { rows } = await world.pool.query<{ n: number }>('SELECT count(*)::int AS n FROM engine.thousand');
      return rows[0]!.n;
    };
    expect(await held()).toBeLessThan(20);
    await until('the end of what was kept', async () => {
      await first.lead('last', { token: String(Math.random()), leaseMs: 50, lingerMs: 0 }).catch(() => undefined);
      return (await held()) <= 3 ? true : undefined;
    });
  });

  it('lost, with the sequence fallen back, leads to no fence that was there before', async () => {
    const [first, second] = [await world.process(), await world.process()];
    const fence = await first.lead('fallen');
    await world.pool.query("SELECT setval('engine.singleflight_fence', 1)");
    await world.pool.query('TRUNCATE engine.singleflight');
    expect(await second.lead('fallen')).toBeGreaterThan(fence);
  });
});

describe('Whoever may only notify', () => {
  it('is believed nothing', async () => {
    const [first, second] = [await world.process(), await world.process()];
    const fence = await first.lead('forged');
    await second.join('forged');
    const notify = (payload: string) => world.pool.query('SELECT pg_notify($1, $2)', [channel, payload]);
    const strange = ['', 's', 's|', '|||', `s|forged|${'9'.repeat(40)}`, 's|forged|-1', 's|forged|0', 's|forged|1e3'];
    strange.push('x|forged|1', `s|forged|${fence}|more`, `s|${'x'.repeat(7_900)}|1`, '\u{1F600}'.repeat(500), 'c|\n');
    const before = second.engine.strayMessages;
    for (const payload of strange) await notify(payload);
    for (const other of ['s|forged|7', 'f|forged|7', 'a|forged|7', `s|unknown|${fence}`]) await notify(other);
    for (const kind of ['s', 'f', 's', 'f']) await notify(`${kind}|forged|${fence}`);
    await first.complete('forged', fence);
    await second.hears(`settled forged ${fence}`);
    expect(second.told).toEqual([`settled forged ${fence}`]);
    expect(second.engine.strayMessages - before).toBe(strange.length);
  });

  it('can make a process ask, which is told the truth', async () => {
    const [first, second] = [await world.process(), await world.process()];
    const fence = await first.lead('woken');
    await second.join('woken');
    await world.pool.query('SELECT pg_notify($1, $2)', [channel, `a|woken|${fence}`]);
    await second.hears(`abandoned woken ${fence}`);
    expect(await second.join('woken', { since: fence })).toMatchObject({ role: 'follower', fence });
  });
});

describe('start', () => {
  it('refuses where there is no server, and can be tried again', async () => {
    const pool = world.newPool({ connectionString: `postgres://127.0.0.1:${await freePort()}/none` });
    const engine = new PostgresEngine({ pool });
    for (const attempt of [1, 2]) {
      const error = await errorOf(() => engine.start({} as never));
      expect(error).toBeInstanceOf(EngineUnavailableError);
      expect(`${attempt}: ${(error as Error).message}`).toMatch(/ECONNREFUSED/);
      expect(engine.available).toBe(false);
    }
  });

  it('says which SQL and which privileges are missing, and works with no more than those', async () => {
    await world.pool.query("DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN PASSWORD 'guest'");
    const pool = world.newPool({
      ...addressOf(world.pool),
      ...{ connectionString: undefined, user: 'guest', password: 'guest', max: 3 },
    });
    const place = { schema: 'engine', table: 'granted' };
    const engine = new PostgresEngine({ pool, ...place });
    const refusal = async () => ((await errorOf(() => engine.start({} as never))) as Error).message;

    await world.pool.query('GRANT USAGE ON SCHEMA engine TO guest');
    expect(await refusal()).toMatch(
      /"engine"\."granted" or its functions are missing.*run the SQL of postgresEngineSql/,
    );
    const { postgresEngineSql } = await import('../../lib/postgres/schema.js');
    for (const time of [1, 2]) await world.pool.query(`${postgresEngineSql(place)} -- ${time}`);
    const grants = /privilege: (.*;)/.exec(await refusal())![1]!;
    await world.pool.query(grants.replaceAll('…', 'guest'));
    const process = await world.process({ pool, ...place });
    await process.complete('granted', await process.lead('granted'));
    await process.engine.stop();
    await pool.end();
    await world.pool.query('DROP OWNED BY guest; DROP ROLE guest');
  });

  it('refuses transactions that do not see what others commit', async () => {
    const pool = world.newPool({ options: '-c default_transaction_isolation=serializable' });
    const error = await errorOf(() => new PostgresEngine({ pool, schema: 'engine' }).start({} as never));
    expect((error as Error).message).toMatch(/transactions are serializable.*default_transaction_isolation/);
  });

  it('of many at once makes the table once', async () => {
    const processes = await Promise.all(Array.from({ length: 6 }, () => world.process({ table: 'fresh' })));
    const joined = await Promise.all(processes.map((process) => process.join('fresh')));
    expect(joined.filter(({ role }) => role === 'leader')).toHaveLength(1);
  });

  it('listens by `connect`, and ends that connection', async () => {
    const made: pg.Client[] = [];
    const connect = async (): Promise<pg.Client> => {
      const client = new pg.Client(addressOf(world.pool));
      made.push(client);
      await client.connect();
      return client;
    };
    const process = await world.process({ pool: world.newPool({ max: 1 }), connect });
    const ended = new Promise((resolve) => made[0]!.once('end', resolve));
    const fence = await process.lead('by connect');
    await process.join('by connect', { token: 'other' });
    await process.complete('by connect', fence);
    await process.hears(`settled by connect ${fence}`);
    await process.engine.stop();
    await ended;
    expect(made).toHaveLength(1);
  });
});

function addressOf(pool: pg.Pool): pg.ClientConfig {
  const { hostname, port, pathname, username, password } = new URL(pool.options.connectionString!);
  return { host: hostname, port: Number(port), database: pathname.slice(1), user: username, password };
}
