import type { CallStep, GroupStep, Limits, Work } from './steps.js';

/** How a flight ended for one key: with a value, an error, or (a loader left the key out) with nothing. */
export type Outcome =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly error: string; readonly absent?: boolean };

export interface ModelCaller {
  readonly path: string;
  readonly call: CallStep;
  readonly role: 'leader' | 'follower';
  /** The signal that it leaves by: one of the program's, or that of the flight around it. */
  readonly guard: number | ModelFlight | undefined;
  /** The keys it asked for, in order, and how each ended. */
  readonly outcomes: Map<number, Outcome | undefined>;
  /** Of the flight that waits for its answer. */
  readonly tell: ((answer: Outcome) => void) | undefined;
  /** What it was aboard of for its first key. */
  part: ModelPart | undefined;
  pending: boolean;
}

/** A flight as one of its keys sees it: a loader of many runs one flight of many keys. */
export interface ModelPart {
  readonly key: number;
  readonly flight: ModelFlight;
  joinableUntil: number;
  joined: number;
  aboard: ModelCaller[];
  keyed: boolean;
  outcome: Outcome | undefined;
}

export interface ModelFlight {
  readonly path: string;
  readonly group: GroupModel;
  readonly batch: boolean;
  readonly work: Work;
  readonly startedAt: number;
  readonly limits: Limits;
  parts: readonly ModelPart[];
  read: boolean;
  /** Whether its function hears of an abort: not when it was told by the very reading of the signal. */
  listening: boolean;
  ended: boolean;
  failed: boolean;
  /** The name of the reason, once the signal has aborted or would. */
  aborted: string | undefined;
}

/** One group: which flight each key leads to, and what has been counted. No promise, no listener, no timer. */
export class GroupModel {
  readonly flights: ModelFlight[] = [];
  readonly counts = { followers: 0, failures: 0, left: 0, forgotten: 0, peak: 0 };
  closing: 'open' | 'closing' | 'closed' = 'open';

  constructor(
    readonly options: GroupStep,
    private readonly now: () => number,
  ) {}

  find(key: number): ModelPart | undefined {
    return this.keyed().find((part) => part.key === key);
  }

  add(flight: ModelFlight): void {
    this.flights.push(flight);
    this.counts.peak = Math.max(this.counts.peak, this.running().length);
  }

  forget(key: number): boolean {
    const part = this.find(key);
    if (part === undefined) return false;
    this.counts.forgotten++;
    part.keyed = false;
    return true;
  }

  forgetAll(): number {
    return this.keyed().filter(({ key }) => this.forget(key)).length;
  }

  /** The flights, key by key, that can be joined; those whose time for it is over are adrift from now on. */
  keyed(): ModelPart[] {
    const keyed = this.flights.flatMap(({ parts }) => parts.filter((part) => part.keyed));
    for (const part of keyed) if (part.joinableUntil <= this.now()) part.keyed = false;
    return keyed.filter((part) => part.keyed);
  }

  running(): ModelFlight[] {
    return this.flights.filter(({ ended }) => !ended);
  }

  unsettled(): ModelPart[] {
    return this.running().flatMap(({ parts }) => parts.filter(({ outcome }) => outcome === undefined));
  }

  inFlight(describe: (key: number) => string): { key: string; ageMs: number; callers: number; adrift: boolean }[] {
    this.keyed();
    return this.running().flatMap(({ startedAt, parts }) =>
      parts.map(({ key, aboard, keyed, outcome }) => ({
        key: describe(key),
        ageMs: this.now() - startedAt,
        callers: outcome === undefined ? aboard.length : 0,
        adrift: !keyed,
      })),
    );
  }

  stats(): Record<string, number> {
    this.keyed();
    const running = this.running();
    const callers = this.flights.length + this.counts.followers;
    return {
      ...this.counts,
      flights: this.flights.length,
      callers,
      bypassed: 0,
      active: running.length,
      adrift: running.filter(({ parts }) => !parts.some(({ keyed }) => keyed)).length,
      coalescingRatio: callers === 0 ? 0 : this.counts.followers / callers,
    };
  }
}
