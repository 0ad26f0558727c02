import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { playBreakdown } from '../src/breakdown/breakdown.js';
import type { Stage } from '../src/breakdown/breakdown.js';
import { percentile, tableOf } from '../src/breakdown/table.js';
import { ProductPagesService } from '../src/catalogue/product-pages.service.js';
import { ProductRepository } from '../src/catalogue/product.repository.js';
import { Database } from '../src/database/database.js';
import { seed } from '../src/database/seed.js';
import { createApp, listen } from '../src/server.js';
import { temporaryFolder } from './support/sample-process.js';

const silent = { start: () => undefined, done: () => undefined, stop: () => undefined };

describe('The breakdown', () => {
  let folder: string;
  let database: Database;
  let app: NestExpressApplication;
  let stage: Stage;

  beforeAll(async () => {
    folder = await temporaryFolder();
    database = await Database.embedded(folder);
    const { signal } = new AbortController();
    await seed(database.pool, silent, signal);
    app = await createApp({ pool: database.pool, cache: undefined });
    const url = `http://localhost:${await listen(app, 0)}`;
    const [products, pages] = [app.get(ProductRepository), app.get(ProductPagesService)];
    stage = { url, requests: 200, pool: database.pool, products, pages, signal };
  }, 120_000);

  afterAll(async () => {
    await app.close();
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('costs one query with singleflight and a hundred or more without; PostgreSQL and the repository count the same', async () => {
    const [without, coalesced, intercepted] = await playBreakdown(stage);
    expect(without!.queries).toBeGreaterThanOrEqual(100);
    expect(without!.queriesSeenByPostgres).toBe(without!.queries);
    for (const outcome of [coalesced!, intercepted!]) {
      expect(outcome).toMatchObject({ queries: 1, queriesSeenByPostgres: 1 });
      expect(outcome.responsesMs).toHaveLength(200);
    }
  }, 60_000);

  test('the catalogue has at least 200,000 rows', async () => {
    const { rows } = await database.pool.query<{ rows: number }>(
      `SELECT ((SELECT count(*) FROM singleflight_sample.products) + (SELECT count(*) FROM singleflight_sample.orders)
             + (SELECT count(*) FROM singleflight_sample.reviews))::int AS rows`,
    );
    expect(rows[0]!.rows).toBeGreaterThanOrEqual(200_000);
  });

  test.each([
    {
      answer: (n: number) => ({ status: 200, body: `{"id":${n}}` }),
      says: /^\d+ of 30 responses differ from the first one\.$/,
    },
    { answer: () => ({ status: 500, body: 'no' }), says: /^A request was answered with status 500: no$/ },
  ])('fails when responses are not the product: $says', async ({ answer, says }) => {
    let asked = 0;
    const other = createServer((_, response) => {
      const { status, body } = answer(++asked);
      response.writeHead(status).end(body);
    }).listen(0);
    await once(other, 'listening');
    const url = `http://localhost:${(other.address() as AddressInfo).port}`;
    await expect(playBreakdown({ ...stage, url, requests: 10 })).rejects.toThrow(says);
    other.close();
  });
});

describe('The table', () => {
  test('shows the median, the 95th percentile and the slowest', () => {
    const ms = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([0.5, 0.95, 1].map((share) => percentile(ms, share))).toEqual([50, 95, 100]);
    expect(percentile([], 0.5)).toBe(0);
  });

  test('takes the number of queries from PostgreSQL where it has counted them', () => {
    const outcome = { route: 'with', queries: 1, responsesMs: [1], allMs: 1234.5, peakPoolWaitMs: 0 } as const;
    expect(tableOf([{ ...outcome, queriesSeenByPostgres: 3 }])).toMatch(/│ with +│ +3 │ .* 1,235 ms │/);
    expect(tableOf([{ ...outcome, queriesSeenByPostgres: undefined }])).toMatch(/│ with +│ +1 │/);
  });
});
