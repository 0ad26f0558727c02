import Table from 'cli-table3';
import type { Outcome } from './breakdown.js';

export function tableOf(outcomes: readonly Outcome[]): string {
  const table = new Table({
    head: ['route', 'database queries', 'p50', 'p95', 'max', 'all answered', 'peak pool wait'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
    chars: { mid: '', 'mid-mid': '', 'left-mid': '', 'right-mid': '' },
  });
  for (const { route, queries, queriesSeenByPostgres, responsesMs, allMs, peakPoolWaitMs } of outcomes) {
    const [p50, p95, max] = [0.5, 0.95, 1].map((share) => percentile(responsesMs, share));
    table.push([
      route,
      queriesSeenByPostgres ?? queries,
      ...[p50, p95, max, allMs, peakPoolWaitMs].map((ms) => milliseconds(ms ?? 0)),
    ]);
  }
  return table.toString();
}

/** The smallest value that at least this share of all values does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

const milliseconds = (ms: number): string => `${Math.round(ms).toLocaleString('en')} ms`;
