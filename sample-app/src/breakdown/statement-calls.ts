import type { Pool } from 'pg';
import { MARK } from '../catalogue/product-page.sql.js';

/** How often PostgreSQL has run the product page's statement, by its own count; undefined where it keeps none. */
export async function statementCalls(pool: Pool): Promise<number | undefined> {
  try {
    const { rows } = await pool.query<{ calls: number }>(
      `SELECT coalesce(sum(calls), 0)::int AS calls
       FROM pg_stat_statements
       WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND strpos(query, $1) > 0`,
      [MARK],
    );
    // Only asked for after the page has been loaded, so 0 says that nobody counts.
    return rows[0]?.calls === 0 ? undefined : rows[0]?.calls;
  } catch {
    return undefined;
  }
}
