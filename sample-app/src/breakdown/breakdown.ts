import type { Pool } from 'pg';
import type { ProductPagesService } from '../catalogue/product-pages.service.js';
import type { ProductRepository, Route } from '../catalogue/product.repository.js';
import { statementCalls } from './statement-calls.js';
import { Clients } from './volley.js';
import type { Answer, Volley } from './volley.js';

export const PRODUCT = 42;

export interface Stage {
  readonly url: string;
  readonly requests: number;
  readonly pool: Pool;
  readonly products: ProductRepository;
  readonly pages: ProductPagesService;
  readonly signal: AbortSignal;
}

export interface Outcome {
  readonly route: Route;
  /** As the repository counts them where it issues them. */
  readonly queries: number;
  /** As PostgreSQL counts them, where pg_stat_statements is to be had. */
  readonly queriesSeenByPostgres: number | undefined;
  readonly responsesMs: readonly number[];
  readonly allMs: number;
  readonly peakPoolWaitMs: number;
}

export class BreakdownError extends Error {
  override readonly name = 'BreakdownError';
}

/** A hot key expires while everybody asks for it: route by route, over HTTP. */
export async function playBreakdown(stage: Stage): Promise<readonly Outcome[]> {
  const clients = new Clients(stage.requests, stage.signal);
  const outcomes: Outcome[] = [];
  const answers: Answer[] = [];
  try {
    for (const route of ['without', 'with', 'intercepted'] as const) {
      const { outcome, volley } = await playRoute(stage, clients, route);
      outcomes.push(outcome);
      answers.push(...volley.answers);
    }
  } finally {
    clients.leave();
  }
  assertSameProduct(answers);
  return outcomes;
}

async function playRoute(stage: Stage, clients: Clients, route: Route): Promise<{ outcome: Outcome; volley: Volley }> {
  const url = `${stage.url}/products/${PRODUCT}/${route}`;
  await warmUp(stage, clients, url);
  await stage.pages.expire(PRODUCT);
  stage.products.takeLoad(route);
  const callsBefore = await statementCalls(stage.pool);
  const volley = await clients.askAtOnce(url);
  const callsAfter = await statementCalls(stage.pool);
  const load = stage.products.takeLoad(route);
  return {
    volley,
    outcome: {
      route,
      queries: load.queries,
      queriesSeenByPostgres:
        callsBefore === undefined || callsAfter === undefined ? undefined : callsAfter - callsBefore,
      responsesMs: volley.answers.map(({ ms }) => ms),
      allMs: volley.ms,
      peakPoolWaitMs: load.peakPoolWaitMs,
    },
  };
}

/** Fills the cache, then lets every client open its connection and read from the cache once. */
async function warmUp(stage: Stage, clients: Clients, url: string): Promise<void> {
  const first = new Clients(1, stage.signal);
  await first.askAtOnce(url).finally(first.leave);
  await clients.askAtOnce(url);
}

function assertSameProduct(answers: readonly Answer[]): void {
  const failed = answers.find(({ status }) => status !== 200);
  if (failed) throw new BreakdownError(`A request was answered with status ${failed.status}: ${failed.body}`);
  const [first, ...rest] = answers;
  const other = rest.filter(({ body }) => body !== first?.body).length;
  if (other > 0) throw new BreakdownError(`${other} of ${answers.length} responses differ from the first one.`);
}
