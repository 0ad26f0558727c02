import { SCHEMA } from '../database/schema.js';

/** By this mark in its text the statement is found in pg_stat_statements. */
export const MARK = '/* product page */';

/** The rank needs every order of the whole category: this is what makes the page dear enough to be cached. */
export const PRODUCT_PAGE = `
  WITH ${MARK} rivals AS (
    SELECT rival.*
    FROM ${SCHEMA}.products AS rival
    JOIN ${SCHEMA}.products AS product USING (category)
    WHERE product.id = $1
  ), revenue AS (
    SELECT product_id, count(*) AS orders, sum(quantity) AS units, sum(quantity * unit_price_cents) AS cents
    FROM ${SCHEMA}.orders
    JOIN rivals ON rivals.id = product_id
    GROUP BY product_id
  ), ranked AS (
    SELECT rivals.*, orders, units, cents, rank() OVER (ORDER BY coalesce(cents, 0) DESC) AS place, count(*) OVER () AS places
    FROM rivals
    LEFT JOIN revenue ON product_id = rivals.id
  ), months AS (
    SELECT to_char(ordered_on, 'YYYY-MM') AS month, sum(quantity)::int AS units
    FROM ${SCHEMA}.orders
    WHERE product_id = $1
    GROUP BY 1
  ), latest AS (
    SELECT author, rating, title, body, written_on
    FROM ${SCHEMA}.reviews
    WHERE product_id = $1
    ORDER BY written_on DESC, id DESC
    LIMIT 3
  )
  SELECT id, name, category, description, price_cents AS "priceCents",
    json_build_object(
      'orders', coalesce(orders, 0),
      'units', coalesce(units, 0),
      'revenueCents', coalesce(cents, 0),
      'unitsInLast30Days', (
        SELECT coalesce(sum(quantity), 0)
        FROM ${SCHEMA}.orders
        WHERE product_id = $1 AND ordered_on > (SELECT max(ordered_on) FROM ${SCHEMA}.orders) - 30
      ),
      'rankInCategory', place,
      'productsInCategory', places,
      'byMonth', (SELECT coalesce(json_agg(json_build_object('month', month, 'units', units) ORDER BY month), '[]') FROM months)
    ) AS sales,
    (
      SELECT json_build_object(
        'count', count(*),
        'averageRating', round(avg(rating), 2),
        'byRating', json_build_object(
          '1', count(*) FILTER (WHERE rating = 1), '2', count(*) FILTER (WHERE rating = 2),
          '3', count(*) FILTER (WHERE rating = 3), '4', count(*) FILTER (WHERE rating = 4),
          '5', count(*) FILTER (WHERE rating = 5)
        ),
        'latest', (
          SELECT coalesce(json_agg(json_build_object(
            'author', author, 'rating', rating, 'title', title, 'body', body, 'writtenOn', written_on
          )), '[]') FROM latest
        )
      )
      FROM ${SCHEMA}.reviews
      WHERE product_id = $1
    ) AS reviews
  FROM ranked
  WHERE id = $1`;
