import { until } from '../../redis/support/servers.js';
import type { FleetCallOptions } from '../../../lib/fleet/fleet-group.js';
import { monotonicMs, type Report, type Setup, type Work } from '../process/protocol.js';
import type { FaultyRedis } from './faulty-redis.js';
import { FleetProcess } from './fleet-process.js';
import type { FlightLog } from './flight-log.js';

export const PROCESSES = 4;
export const CALLERS = 100;
export const KEY = 'hot';

/** What came of it. */
export interface Outcome {
  readonly executions: number;
  readonly atOnce: number;
  readonly answered: number;
  readonly rejected: number;
  /** Callers of living processes who were told nothing. */
  readonly hung: number;
  /** How many different results they got. */
  readonly values: number;
  /** From the fault until the last caller was told. */
  readonly settleMs: number;
}

/** Processes that share flights on one Redis, in which something goes wrong. */
export class FaultyFleet {
  readonly processes: FleetProcess[] = [];
  /** When the fault happened. */
  private faultMs = 0;

  constructor(
    /** Written by tests that put another server in its place. */
    public redis: FaultyRedis,
    readonly log: FlightLog,
  ) {}

  async start(program: string, setup: Setup): Promise<FleetProcess> {
    const process = new FleetProcess(program, setup);
    this.processes[setup.index] = process;
    await process.ready();
    return process;
  }

  get living(): FleetProcess[] {
    return this.processes.filter(({ living }) => living);
  }

  /** How many callers the living have. */
  get calls(): number {
    return this.living.reduce((sum, { calls }) => sum + calls, 0);
  }

  /** The one whose function runs, when only one does. */
  get leader(): FleetProcess {
    return this.processes.find((process) => process.starts(KEY) > 0)!;
  }

  get followers(): FleetProcess[] {
    return this.processes.filter((process) => process !== this.leader);
  }

  /** All callers of all processes call; resolves when one of these leads, and the others follow it. */
  async underWay(work: Work = {}, options: FleetCallOptions = {}): Promise<void> {
    const [led, followed] = [this.events('lead'), this.events('follow')];
    await Promise.all(this.processes.map((process) => process.call(KEY, CALLERS, work, options)));
    await this.until('a leader and its followers', () => {
      const [leads, follows] = [this.events('lead') - led, this.events('follow') - followed];
      const starts = this.processes.reduce((sum, process) => sum + process.starts(KEY), 0);
      return leads === 1 && follows === this.processes.length - 1 && starts === 1;
    });
  }

  /** Now it goes wrong. */
  strikes(): void {
    this.faultMs = monotonicMs();
  }

  /** Functions end, also those to come. */
  release(key = KEY): void {
    for (const process of this.processes) process.release(key);
  }

  /** Waits until so many functions have been started. */
  executions(count: number, key = KEY): Promise<void> {
    return this.until(`${count} executions`, () => this.log.executions(key) >= count);
  }

  /** How many different results of the key its callers have got. */
  async values(key = KEY): Promise<number> {
    const reports = await Promise.all(this.living.map((process) => process.report()));
    return differentValues(reports, key);
  }

  events(event: Parameters<FleetProcess['events']>[0]): number {
    return this.processes.reduce((sum, process) => sum + process.events(event), 0);
  }

  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    await until(what, async () => (await condition()) || undefined);
  }

  /** As {@link FleetProcess.callAnother}, in all processes. */
  async callAnother(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.callAnother()));
  }

  /** Waits until everybody was told; after the deadline those who were not hang. */
  async outcome(): Promise<Outcome> {
    const waiting = this.living;
    await Promise.allSettled(waiting.map((process) => process.settled()));
    const reports = await Promise.all(waiting.map((process) => process.report()));
    const sum = (count: 'calls' | 'answered' | 'rejected') => reports.reduce((all, one) => all + one[count], 0);
    return {
      executions: this.log.executions(KEY),
      atOnce: this.log.atOnce(KEY),
      answered: sum('answered'),
      rejected: sum('rejected'),
      hung: sum('calls') - sum('answered') - sum('rejected'),
      values: differentValues(reports, KEY),
      settleMs: Math.round(Math.max(...reports.map(({ lastMs }) => lastMs)) - this.faultMs),
    };
  }

  async end(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.end()));
    await this.redis.stop();
  }
}

function differentValues(reports: readonly Report[], key: string): number {
  const runs = reports.flatMap(({ values }) => Object.keys(values));
  return new Set(runs.filter((run) => run.startsWith(`${key}/`))).size;
}
