import { playBreakdown, PRODUCT } from './breakdown/breakdown.js';
import type { Outcome } from './breakdown/breakdown.js';
import { tableOf } from './breakdown/table.js';
import { RedisCache } from './cache/redis-cache.js';
import { ProductPagesService } from './catalogue/product-pages.service.js';
import { ProductRepository } from './catalogue/product.repository.js';
import type { Closing } from './closing.js';
import { Database } from './database/database.js';
import { progressBar } from './database/progress-bar.js';
import { seed } from './database/seed.js';
import type { Options } from './options.js';
import { withoutSecrets } from './reason.js';
import { assertPortFree, createApp, listen } from './server.js';

/** Opens the backends, serves the catalogue, and plays the breakdown against it. */
export async function runSample(options: Options, closing: Closing): Promise<void> {
  const { interrupted } = closing;
  await assertPortFree(options.port);

  const { redisUrl, databaseUrl, dataFolder } = options;
  const cache = redisUrl === undefined ? undefined : await closing.open(RedisCache.at(redisUrl));
  console.log(`Cache       ${redisUrl === undefined ? 'in memory' : withoutSecrets(redisUrl)}`);

  const opening = databaseUrl === undefined ? Database.embedded(dataFolder) : Database.at(databaseUrl);
  const database = await closing.open(opening);
  console.log(`PostgreSQL  ${database.description}`);
  await seed(database.pool, progressBar(), interrupted);

  const app = await closing.open(createApp({ pool: database.pool, cache: cache?.store }));
  // Requests that are cut short because everything is being closed need no report.
  interrupted.addEventListener('abort', () => {
    app.useLogger(false);
  });
  const url = `http://localhost:${await listen(app, options.port)}`;

  console.log(
    `\nPlaying the breakdown: ${options.requests} requests at once ask for product ${PRODUCT}, whose cache entry has just expired.\n`,
  );
  const outcomes = await playBreakdown({
    url,
    requests: options.requests,
    pool: database.pool,
    products: app.get(ProductRepository),
    pages: app.get(ProductPagesService),
    signal: interrupted,
  });
  console.log(tableOf(outcomes));
  console.log(footnote(outcomes, database.pool.options.max));
  if (options.once) return;

  console.log(whatToTry(url));
  await closing.untilInterrupted();
}

function footnote(outcomes: readonly Outcome[], poolSize: number): string {
  const source = outcomes.some(({ queriesSeenByPostgres }) => queriesSeenByPostgres === undefined)
    ? 'the repository'
    : 'PostgreSQL (pg_stat_statements)';
  return `Every response held the same product. Queries as counted by ${source}; the pool has ${poolSize} connections.`;
}

const whatToTry = (url: string): string => `
Serving ${url} until you press Ctrl-C. What to try:
  curl ${url}/products/${PRODUCT}/with                also /without and /intercepted
  curl -X DELETE ${url}/products/${PRODUCT}/cache     expires the entry of all three
  seq 200 | xargs -P 200 -I{} curl -so /dev/null -w '%{time_total}\\n' ${url}/products/${PRODUCT}/without`;
