import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { POOL } from '../database/database.module.js';
import type { ProductPage } from './product-page.js';
import { PRODUCT_PAGE } from './product-page.sql.js';

export type Route = 'without' | 'with' | 'intercepted';

/** What a route has asked of the database since it was last looked at. */
export interface Load {
  readonly queries: number;
  /** The longest that one of these queries waited for a connection of the pool. */
  readonly peakPoolWaitMs: number;
}

@Injectable()
export class ProductRepository {
  private readonly loads = new Map<Route, Load>();

  constructor(@Inject(POOL) private readonly pool: Pool) {}

  async page(id: number, route: Route): Promise<ProductPage | undefined> {
    const asked = performance.now();
    const client = await this.pool.connect();
    this.count(route, performance.now() - asked);
    try {
      const { rows } = await client.query<ProductPage>(PRODUCT_PAGE, [id]);
      client.release();
      return rows[0];
    } catch (error) {
      client.release(true);
      throw error;
    }
  }

  takeLoad(route: Route): Load {
    const load = this.loads.get(route) ?? NO_LOAD;
    this.loads.delete(route);
    return load;
  }

  private count(route: Route, waitMs: number): void {
    const { queries, peakPoolWaitMs } = this.loads.get(route) ?? NO_LOAD;
    this.loads.set(route, { queries: queries + 1, peakPoolWaitMs: Math.max(peakPoolWaitMs, waitMs) });
  }
}

const NO_LOAD: Load = { queries: 0, peakPoolWaitMs: 0 };
