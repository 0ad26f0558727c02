import { setTimeout } from 'node:timers/promises';
import type { ClientBase, Pool } from 'pg';
import { reasonOf } from '../reason.js';
import { StartupError } from '../startup-error.js';
import { ANALYZE, CREATE_TABLES, FINISH, SCHEMA, VERSION } from './schema.js';
import { ADJECTIVES, CATEGORIES, FIRST_NAMES, MATERIALS, REMARKS, VERDICTS } from './words.js';

const PRODUCTS = 5_000;
const ORDERS = 150_000;
const REVIEWS = 60_000;
const CHUNK = 5_000;

export const ROWS = PRODUCTS + ORDERS + REVIEWS;

/** Everything is dated before this day, so that a page says the same whenever it is asked for. */
const LAST_DAY = '2026-06-30';

export interface SeedProgress {
  start(rows: number): void;
  done(rows: number): void;
  stop(): void;
}

/** Fills an empty or half-filled database; finds a filled one and leaves it alone. */
export async function seed(pool: Pool, progress: SeedProgress, signal: AbortSignal): Promise<void> {
  const client = await pool.connect();
  try {
    await lock(client, signal);
    if (await isSeeded(client)) return;
    progress.start(ROWS);
    await fill(client, progress, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw new StartupError(`The database could not be seeded: ${reasonOf(error)}.`);
  } finally {
    progress.stop();
    // Closes the connection instead of keeping it: that frees the lock, however the seeding ended.
    client.release(true);
  }
}

/** Two apps on one database: the second waits here, then finds the work done. */
async function lock(client: ClientBase, signal: AbortSignal): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock(hashtext($1)) AS locked', [
      SCHEMA,
    ]);
    if (rows[0]?.locked === true) return;
    await setTimeout(200, undefined, { signal });
  }
}

async function isSeeded(client: ClientBase): Promise<boolean> {
  const table = `${SCHEMA}.seeded`;
  const { rows } = await client.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [table]);
  if (rows[0]?.found !== true) return false;
  const versions = await client.query<{ version: number }>(`SELECT version FROM ${table}`);
  return versions.rows[0]?.version === VERSION;
}

async function fill(client: ClientBase, progress: SeedProgress, signal: AbortSignal): Promise<void> {
  await client.query(CREATE_TABLES);
  let rows = 0;
  for (const { statement, values, total } of TABLES) {
    for (let first = 1; first <= total; first += CHUNK) {
      signal.throwIfAborted();
      const last = Math.min(first + CHUNK - 1, total);
      // A seed for each chunk: the same products, orders and reviews on every machine.
      await client.query('SELECT setseed($1)', [((rows / CHUNK) % 1000) / 1000]);
      await client.query(statement, [first, last, ...values]);
      rows += last - first + 1;
      progress.done(rows);
    }
  }
  await client.query(FINISH);
  await client.query(ANALYZE);
}

/** `pick('$3')` takes one word of that array, another one for each row. */
const pick = (array: string): string => `(${array}::text[])[1 + floor(random() * cardinality(${array}::text[]))::int]`;

/** A few products sell and are talked about a lot, most of them a little. */
const popularProduct = `1 + floor(${PRODUCTS} * power(random(), 2))::int`;

const daysBeforeLast = (days: number): string => `date '${LAST_DAY}' - floor(${days} * power(random(), 1.5))::int`;

const kinds = Object.entries(CATEGORIES).flatMap(([category, names]) => names.map((name) => `${category}:${name}`));

const TABLES = [
  {
    total: PRODUCTS,
    values: [kinds, ADJECTIVES, MATERIALS],
    statement: `
      INSERT INTO ${SCHEMA}.products (id, name, category, description, price_cents)
      SELECT id,
             adjective || ' ' || material || ' ' || split_part(kind, ':', 2),
             split_part(kind, ':', 1),
             'A ' || lower(adjective) || ' ' || lower(split_part(kind, ':', 2)) || ' made of ' || lower(material) || '.',
             price
      FROM (
        SELECT id, ${pick('$3')} AS kind, ${pick('$4')} AS adjective, ${pick('$5')} AS material,
               495 + 100 * floor(200 * power(random(), 2))::int AS price
        FROM generate_series($1::int, $2::int) AS id
        OFFSET 0
      ) AS drawn`,
  },
  {
    total: ORDERS,
    values: [],
    statement: `
      INSERT INTO ${SCHEMA}.orders (id, product_id, quantity, unit_price_cents, ordered_on)
      SELECT drawn.id, product_id, quantity, price_cents, ordered_on
      FROM (
        SELECT id, ${popularProduct} AS product_id, 1 + floor(4 * power(random(), 3))::int AS quantity,
               ${daysBeforeLast(730)} AS ordered_on
        FROM generate_series($1::int, $2::int) AS id
        OFFSET 0
      ) AS drawn
      JOIN ${SCHEMA}.products ON products.id = product_id`,
  },
  {
    total: REVIEWS,
    values: [FIRST_NAMES, VERDICTS.map(([title]) => title), VERDICTS.map(([, sentence]) => sentence), REMARKS],
    statement: `
      INSERT INTO ${SCHEMA}.reviews (id, product_id, author, rating, title, body, written_on)
      SELECT id, product_id, author, rating, ($4::text[])[rating], ($5::text[])[rating] || ' ' || remark, written_on
      FROM (
        SELECT id, ${popularProduct} AS product_id, ${pick('$3')} || ' ' || chr(65 + floor(random() * 26)::int) || '.' AS author,
               5 - floor(5 * power(random(), 2.2))::int AS rating, ${pick('$6')} AS remark, ${daysBeforeLast(730)} AS written_on
        FROM generate_series($1::int, $2::int) AS id
        OFFSET 0
      ) AS drawn`,
  },
];
