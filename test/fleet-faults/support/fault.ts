import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import type { Setup } from '../process/protocol.js';
import { compiledProgram } from '../../support/compiled.js';
import { FaultyFleet, PROCESSES, type Outcome } from './faulty-fleet.js';
import { FaultyRedis } from './faulty-redis.js';
import { FlightLog } from './flight-log.js';

/** A number, or from one to another. */
type Count = number | readonly [least: number, most: number];

/** What may come of a fault. Nobody hangs in any of them. */
export interface Expected {
  readonly executions: Count;
  /** How many of them at once. */
  readonly atOnce: Count;
  /** How many different results callers get. Default: 1. */
  readonly values?: Count;
  /** Default: all of those whose process lives. */
  readonly answered?: Count;
  /** Default: 0. */
  readonly rejected?: Count;
}

export interface FaultOptions {
  /** Among those that `npm test` runs; `npm run test:faults` (FAULTS=all) runs all. */
  readonly quick?: boolean;
  readonly expected: Expected;
  readonly setup?: Partial<Setup>;
  /** Stands between the processes and the server: the port, or those of a cluster, that each connects to instead. */
  readonly between?: (redis: FaultyRedis, index: number) => Promise<number | readonly number[]>;
}

export type Fault = (name: string, options: FaultOptions, happens: (fleet: FaultyFleet) => Promise<void>) => void;

const isThorough = process.env.FAULTS === 'all';
const repeats = Number(process.env.FAULT_REPEATS ?? 1);

/** To be called in a `describe`. What it gives makes tests: one fault each, which `npm run test:faults` repeats. */
export function faults(): Fault {
  const program = compiledProgram(
    'test/fleet-faults/process/program.js',
    ...['lib/core', 'lib/fleet', 'lib/redis', 'lib/testing', 'test/fleet-faults/process'],
  );
  return (name, options, happens) => {
    if (!isThorough && options.quick !== true) return;
    const test = async (): Promise<void> => {
      for (let time = 0; time < repeats; time++) await once(program(), options, happens);
    };
    it(name, test, 60_000 * repeats);
  };
}

async function once(
  program: string,
  { expected, setup = {}, between }: FaultOptions,
  happens: (fleet: FaultyFleet) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'singleflight-fault-'));
  const redis = await FaultyRedis.start();
  const fleet = new FaultyFleet(redis, new FlightLog(join(folder, 'flights.log')));
  try {
    const start = async (index: number): Promise<unknown> => {
      const ports = [(await between?.(redis, index)) ?? redis.port].flat();
      return fleet.start(program, { client: 'ioredis', ports, ...setup, index, log: fleet.log.file });
    };
    await Promise.all(Array.from({ length: PROCESSES }, (_, index) => start(index)));
    await happens(fleet);
    const outcome = await fleet.outcome();
    record(outcome);
    expect({ broken: broken(expected, outcome, fleet.calls), outcome }).toEqual({
      broken: [],
      outcome,
    });
  } finally {
    await fleet.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What is not as expected, by name. */
function broken(expected: Expected, outcome: Outcome, callers: number): string[] {
  const { executions, atOnce, values = 1, rejected = 0, answered = callers } = expected;
  const all: Record<Exclude<keyof Outcome, 'settleMs'>, Count> = {
    ...{ executions, atOnce, values, rejected, answered, hung: 0 },
  };
  return Object.entries(all).flatMap(([name, count]) => {
    const [least, most] = typeof count === 'number' ? [count, count] : count;
    const came = outcome[name as keyof Outcome];
    return came >= least && came <= most ? [] : [`${name}: ${came}, not ${least} to ${most}`];
  });
}

function record(outcome: Outcome): void {
  const file = process.env.FAULTS_REPORT;
  if (file !== undefined)
    appendFileSync(file, `${JSON.stringify({ name: expect.getState().currentTestName, ...outcome })}\n`);
}
