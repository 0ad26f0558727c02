import type { FleetCallOptions, FleetGroupOptions } from '../../../lib/fleet/fleet-group.js';
import type { ChaosOptions } from '../../../lib/testing/chaos-engine.js';

/** What a process of the fleet is made with; JSON, on its command line. */
export interface Setup {
  readonly index: number;
  /** The file in which each start and end of a function is written down, outside of Redis. */
  readonly log: string;
  /** One server's port, or those of a cluster's nodes. */
  readonly ports: readonly number[];
  readonly client: 'ioredis' | 'node-redis' | 'ioredis cluster';
  readonly secret?: string | undefined;
  readonly inlineBytes?: number | undefined;
  readonly group?: Partial<Omit<FleetGroupOptions, 'engine'>> | undefined;
  /** Faults between the fleet and the engine. */
  readonly chaos?: ChaosOptions | undefined;
  /** Sends results as a release to come would, which this one cannot read. */
  readonly newer?: boolean | undefined;
}

/** What a function does. */
export interface Work {
  /** Ends after so long; absent: when it is released. */
  readonly ms?: number | undefined;
  /** Calls this key first, once `<its key> leads` is released, and waits for it. */
  readonly nested?: string | undefined;
  /** How many bytes its result has, besides. */
  readonly bytes?: number | undefined;
}

/** What a process is told to do. */
export type Order =
  | {
      readonly order: 'call';
      readonly key: string;
      readonly callers: number;
      readonly work: Work;
      readonly options: FleetCallOptions;
    }
  /** Functions of the key end now, and those that start later end at once. */
  | { readonly order: 'release'; readonly key: string }
  | { readonly order: 'close'; readonly graceMs: number }
  | { readonly order: 'report' };

export type FleetEvent = 'lead' | 'follow' | 'takeover' | 'lost' | 'degrade' | 'restore';

/** How its callers have fared so far. */
export interface Report {
  readonly calls: number;
  readonly answered: number;
  readonly rejected: number;
  /** The runs whose results they got, and the codes of the errors that they got, with how many did. */
  readonly values: Readonly<Record<string, number>>;
  readonly errors: Readonly<Record<string, number>>;
  /** When the last one was told, by the machine's monotonic clock, in milliseconds. */
  readonly lastMs: number;
  /** Messages in its inbox that were none. */
  readonly stray: number;
}

/** What a process tells. */
export type Told =
  | { readonly told: 'ready' | 'closed' | 'called' }
  | { readonly told: 'event'; readonly event: FleetEvent; readonly fence?: string | undefined }
  /** All of one order's callers have been told. */
  | { readonly told: 'answered'; readonly key: string }
  | { readonly told: 'started'; readonly key: string; readonly run: string }
  /** Nobody of its callers waits any more. */
  | { readonly told: 'settled' | 'report'; readonly report: Report };

/** The same in every process of a machine, and never set. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
