/** Everything lives in a schema of its own, so that a database of yours keeps its tables. */
export const SCHEMA = 'singleflight_sample';

/** Raised when the tables or the generated data change: what an older version left behind is made anew. */
export const VERSION = 1;

export const CREATE_TABLES = `
  DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE;
  CREATE SCHEMA ${SCHEMA};
  CREATE TABLE ${SCHEMA}.products (
    id          integer PRIMARY KEY,
    name        text NOT NULL,
    category    text NOT NULL,
    description text NOT NULL,
    price_cents integer NOT NULL
  );
  CREATE TABLE ${SCHEMA}.orders (
    id               integer PRIMARY KEY,
    product_id       integer NOT NULL,
    quantity         integer NOT NULL,
    unit_price_cents integer NOT NULL,
    ordered_on       date NOT NULL
  );
  CREATE TABLE ${SCHEMA}.reviews (
    id         integer PRIMARY KEY,
    product_id integer NOT NULL,
    author     text NOT NULL,
    rating     integer NOT NULL,
    title      text NOT NULL,
    body       text NOT NULL,
    written_on date NOT NULL
  );
`;

/** The last statement of a seeding: without this table, the next start seeds again. */
export const FINISH = `
  CREATE INDEX ON ${SCHEMA}.orders (product_id);
  CREATE INDEX ON ${SCHEMA}.orders (ordered_on);
  CREATE INDEX ON ${SCHEMA}.reviews (product_id, written_on);
  ALTER TABLE ${SCHEMA}.orders ADD FOREIGN KEY (product_id) REFERENCES ${SCHEMA}.products;
  ALTER TABLE ${SCHEMA}.reviews ADD FOREIGN KEY (product_id) REFERENCES ${SCHEMA}.products;
  CREATE TABLE ${SCHEMA}.seeded AS SELECT ${VERSION} AS version, now() AS finished_at;
`;

export const ANALYZE = `ANALYZE ${SCHEMA}.products, ${SCHEMA}.orders, ${SCHEMA}.reviews`;
