import type { Names } from './names.js';
import type { PostgresPool } from './pool.js';
import { codeOf } from './refusals.js';
import { grantsOf, schemaOf } from './schema.js';

/** The oldest PostgreSQL with what is used here. */
const OLDEST = 120_000;

interface Found {
  readonly version: string;
  readonly isolation: string;
  readonly made: boolean;
}

/** Makes what is missing, if that is allowed. Undefined once all is there, otherwise in words what is missing. */
export async function prepare(pool: PostgresPool, names: Names): Promise<Error | undefined> {
  const { version, isolation, made } = await lookAt(pool, names);
  if (Number(version) < OLDEST) return new Error(`the server is PostgreSQL ${version}, and 12 or later is needed`);
  if (isolation !== 'read committed') {
    return new Error(
      `its transactions are ${isolation} by default, which hides what others commit: set ` +
        '`default_transaction_isolation` of its user to read committed',
    );
  }
  if (!made) {
    const refused = await make(pool, names);
    if (refused !== undefined) return refused;
  }
  return missingPrivilege(pool, names);
}

async function lookAt(pool: PostgresPool, names: Names): Promise<Found> {
  const { rows } = await pool.query(
    `SELECT current_setting('server_version_num') AS version, current_setting('transaction_isolation') AS isolation,
      to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL AND to_regprocedure($3) IS NOT NULL AS made`,
    [names.table, names.sequence, `${names.verb('forget')}(text)`],
  );
  return rows[0] as Found;
}

async function make(pool: PostgresPool, names: Names): Promise<Error | undefined> {
  try {
    await pool.query(schemaOf(names));
    return undefined;
  } catch (error) {
    if (codeOf(error) !== '42501') throw error;
    const words = error instanceof Error ? error.message : '';
    return new Error(
      `the table ${names.table} or its functions are missing, and its user may not make them (${words}): run the SQL ` +
        'of postgresEngineSql(), from nestjs-singleflight/postgres, as their owner',
      { cause: error },
    );
  }
}

async function missingPrivilege(pool: PostgresPool, names: Names): Promise<Error | undefined> {
  const { rows } = await pool.query(
    `SELECT bool_and(has_table_privilege($1, privilege)) AND has_sequence_privilege($2, 'USAGE')
      AND has_sequence_privilege($2, 'UPDATE') AS allowed FROM unnest(ARRAY['SELECT','INSERT','UPDATE','DELETE']) privilege`,
    [names.table, names.sequence],
  );
  if ((rows[0] as { allowed: boolean }).allowed) return undefined;
  return new Error(`its user lacks a privilege: ${grantsOf(names)}`);
}
