import { InvalidOptionError, type ErrorPlace } from '../core/errors.js';
import { checkNames } from '../core/options.js';
import type { PostgresPlace } from './names.js';
import type { PostgresClient, PostgresPool } from './pool.js';

/** What a `PostgresEngine` is made with. */
export interface PostgresEngineOptions extends PostgresPlace {
  /**
   * A Pool of `pg`, 8 or later, of 2 connections at least: one of them listens from `start()` to `stop()`. It stays
   * yours, is never ended, and may be used for anything else; but who waits for a connection of it waits here too.
   */
  pool: PostgresPool;
  /**
   * Makes the connection that listens, connected, which the engine ends: where the pool goes through PgBouncer, which
   * lets nobody listen. Default: it is taken from the pool.
   */
  connect?: (() => Promise<PostgresClient>) | undefined;
  /** The longest result it takes, in bytes. Default: 8,388,608. */
  maxPayloadBytes?: number | undefined;
}

export const POSTGRES_ENGINE_OPTIONS = ['pool', 'connect', 'schema', 'table', 'maxPayloadBytes'] as const;

const SITE = 'new PostgresEngine';
const PLACE: ErrorPlace = { site: SITE };
const NAME = /^[A-Za-z_]\w{0,30}$/;
/** In an answer it is text, of two characters a byte, and a string of V8 has an end. */
const LONGEST_PAYLOAD = 128 * 1024 * 1024;

/** @throws InvalidOptionError when an option is unknown or its value is not allowed */
export function checkPostgresEngineOptions(options: PostgresEngineOptions): void {
  checkNames(options, POSTGRES_ENGINE_OPTIONS, () => PLACE);
  checkPlaceNames(options, PLACE);
  const { pool, connect, maxPayloadBytes: bytes } = options;
  checkPool(pool, connect === undefined);
  if (connect !== undefined && typeof connect !== 'function') {
    throw InvalidOptionError.value('connect', connect, 'a function that resolves to a connected client', PLACE);
  }
  if (bytes !== undefined && !(Number.isInteger(bytes) && bytes >= 1 && bytes <= LONGEST_PAYLOAD)) {
    const allowed = `a whole number of bytes from 1 to ${LONGEST_PAYLOAD}`;
    throw InvalidOptionError.value('maxPayloadBytes', bytes, allowed, PLACE);
  }
}

/** @throws InvalidOptionError when a name is not allowed */
export function checkPlace(place: PostgresPlace): void {
  const site = { site: 'postgresEngineSql' };
  checkNames(place, ['schema', 'table'], () => site);
  checkPlaceNames(place, site);
}

function checkPlaceNames(place: PostgresPlace, where: ErrorPlace): void {
  for (const option of ['schema', 'table'] as const) {
    const value: unknown = place[option];
    if (value === undefined || (typeof value === 'string' && NAME.test(value))) continue;
    throw InvalidOptionError.value(option, value, 'a name of 1 to 31 letters, digits and `_`', where);
  }
}

function checkPool(pool: unknown, listensToo: boolean): void {
  const { query, connect, options } = (pool ?? {}) as Partial<PostgresPool>;
  if (typeof query !== 'function' || typeof connect !== 'function') {
    throw InvalidOptionError.value('pool', pool, 'a Pool of pg, version 8 or later', PLACE);
  }
  if (listensToo && options?.max === 1) {
    throw new InvalidOptionError(
      `${SITE}: ` +
        '`pool` has a single connection, which would listen and do nothing else. Give it `max: 2` or more, or hand in ' +
        '`connect`.',
    );
  }
}
