import { abandonFunction, completeFunction, forgetFunction, joinFunction, renewFunction } from './functions.js';
import { checkPlace } from './options.js';
import { Names, type PostgresPlace } from './names.js';

/**
 * The SQL that `start()` runs if it may, for a migration where it may not: one table, one sequence, five functions. It
 * can be run again, also while the engine is in use.
 *
 * @throws InvalidOptionError when a name is not allowed
 *
 * @example
 * ```ts
 * import { postgresEngineSql } from 'nestjs-singleflight/postgres';
 *
 * console.log(postgresEngineSql({ schema: 'flights' })); // into a file of your migrations
 * ```
 */
export function postgresEngineSql(place: PostgresPlace = {}): string {
  checkPlace(place);
  return schemaOf(new Names(place));
}

/** As one text: without parameters PostgreSQL runs it as one transaction. */
export function schemaOf(names: Names): string {
  return [
    // Of two processes that make it at once the second waits, and finds it.
    `SELECT pg_advisory_xact_lock(${names.seed});`,
    tableOf(names),
    joinFunction(names),
    renewFunction(names),
    completeFunction(names),
    abandonFunction(names),
    forgetFunction(names),
  ].join('\n\n');
}

/** What a user who is not the owner has to be granted. */
export function grantsOf({ schema, table, sequence }: Names): string {
  return (
    `GRANT USAGE ON SCHEMA "${schema}" TO …; GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO …; ` +
    `GRANT USAGE, UPDATE ON SEQUENCE ${sequence} TO …;`
  );
}

/*
 * A row is a flight: its lease, and then its result. The one that fresh callers join is the one whose lease is not over
 * and that was not forgotten; there is one at most, because all verbs of an id take the same advisory lock first.
 *
 * UNLOGGED: nothing is written to the WAL, and no commit waits for the disk. A crash empties it, as does a failover. The
 * sequence is logged and survives; it may be a little behind then, so whoever finds the row ('', 0) gone sets it to the
 * server's clock in microseconds, which is ahead of any counter.
 */
function tableOf(names: Names): string {
  return `CREATE UNLOGGED TABLE IF NOT EXISTS ${names.table} (
  id text COLLATE "C" NOT NULL,
  fence bigint NOT NULL,
  token text COLLATE "C",                                  -- null: only those who wait have told of it
  leased_until timestamptz NOT NULL DEFAULT '-infinity',
  forgotten boolean NOT NULL DEFAULT false,
  waiting text[] COLLATE "C" NOT NULL DEFAULT '{}',        -- tokens
  ended_at timestamptz,
  kept_until timestamptz,                                  -- null: the payload is for those who were told of it only
  lingers_until timestamptz,
  payload bytea,
  expires timestamptz NOT NULL,
  PRIMARY KEY (id, fence)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500);
ALTER TABLE ${names.table} ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE INDEX IF NOT EXISTS ${names.index('expires')} ON ${names.table} (expires);
CREATE SEQUENCE IF NOT EXISTS ${names.sequence};`;
}
