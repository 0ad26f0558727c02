import { describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { PostgresEngine } from '../../lib/postgres/postgres-engine.js';
import { Names } from '../../lib/postgres/names.js';
import { postgresEngineSql } from '../../lib/postgres/schema.js';

const pool = new pg.Pool({ max: 2, password: 'of the database' });
const LONGEST = 'a'.repeat(31);

describe('PostgresEngine refuses', () => {
  it.each<[string, object, RegExp]>([
    ['no pool', { pool: undefined }, /^new PostgresEngine: `pool` is undefined\. It must be a Pool of pg/],
    [
      'something else',
      { pool: { query: () => 0, password: 'of the database' } },
      /^new PostgresEngine: `pool` is an object\. It must be/,
    ],
    ['a pool of one connection', { pool: new pg.Pool({ max: 1 }) }, /a single connection.*`max: 2`.*`connect`/],
    ['a schema that has to be escaped', { schema: 'a"b' }, /^new PostgresEngine: `schema` is the string "a\\"b"/],
    [
      'a table that is too long',
      { table: `${LONGEST}a` },
      /^new PostgresEngine: `table` is the string "a+"\. It must be a name of 1 to 31/,
    ],
    ['a connect that is none', { connect: 1 }, /^new PostgresEngine: `connect` is the number 1/],
    ['no payload', { maxPayloadBytes: 0 }, /^new PostgresEngine: `maxPayloadBytes` is the number 0/],
    ['an unknown option', { prefix: 'shop' }, /^new PostgresEngine: there is no option `prefix`\./],
  ])('%s', (_, options, message) => {
    const make = (): unknown => new PostgresEngine({ pool, ...options });
    expect(make).toThrow(message);
    expect(make).toThrow(/^new PostgresEngine: /);
    expect(make).not.toThrow(/of the database/);
  });

  it('the same names for its SQL', () => {
    expect(() => postgresEngineSql({ table: 'drop; --' })).toThrow(/^postgresEngineSql: `table`/);
    expect(() => postgresEngineSql({ pool } as never)).toThrow(/^postgresEngineSql: there is no option `pool`/);
  });
});

it('every name fits, however long', () => {
  const names = new Names({ schema: LONGEST, table: LONGEST });
  expect(names.channel.length).toBeLessThanOrEqual(63);
  for (const name of [names.verb('complete'), names.sequence])
    expect(name.split('.')[1]!.length - 2).toBeLessThanOrEqual(63);
});
