import type { CallStep, GroupStep, Limits } from './steps.js';

/** A moment: in the order of all that happened, in the order of what the program did, and on the clock. */
export interface Mark {
  readonly order: number;
  readonly step: number;
  readonly at: number;
  /** Whether the clock was being moved: timers of the same moment may still have to fire. */
  readonly ticking: boolean;
}

export interface CallerLog {
  readonly path: string;
  readonly call: CallStep;
  readonly keys: readonly number[];
  readonly made: Mark;
  /** The flight in whose function, before it returned, the call was made. */
  readonly inside: FlightLog | undefined;
  /** The flight whose signal guards the call. */
  readonly guard: FlightLog | undefined;
  /** What it was refused with. */
  refused: { readonly error: unknown } | undefined;
  /** The flight that it started, which is of those keys that it did not follow another one for. */
  started: FlightLog | undefined;
  /** For each key the last flight that had been started for it. */
  readonly found: ReadonlyMap<number, FlightLog | undefined>;
  readonly answers: AnswerLog[];
}

export type Ended = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown };
export type AnswerLog = Ended & { readonly mark: Mark; readonly context: unknown };

export interface FlightLog {
  readonly path: string;
  readonly caller: CallerLog;
  readonly group: number;
  readonly keys: readonly number[];
  readonly limits: Limits;
  readonly started: Mark;
  /** In which async context its function ran, before and after it waited. */
  readonly contexts: unknown[];
  /** When the function returned or threw what ended it at once. */
  over: Mark | undefined;
  /** When and how its promise, or thenable, called back. */
  ended: (Ended & { readonly mark: Mark }) | undefined;
  read: Mark | undefined;
  aborted: { readonly mark: Mark; readonly reason: unknown } | undefined;
  readonly forgotten: Map<number, Mark>;
}

/** What is left of it all in the end. */
export interface Remains {
  readonly timers: number;
  readonly listeners: number;
  readonly sizes: number;
  readonly inFlight: number;
}

/** What really happened in one program, as callers and functions saw it. */
export class Log {
  readonly callers: CallerLog[] = [];
  readonly flights: FlightLog[] = [];
  readonly aborts = new Map<number, { readonly mark: Mark; readonly reason: unknown }>();
  readonly closes = new Map<number, { readonly mark: Mark; readonly graceMs: number }>();
  readonly ticks = new Map<number, Mark>();
  readonly unhandled: unknown[] = [];
  /** The most listeners that one caller's signal ever had, and how many calls it guarded then. */
  readonly listeners = { most: 0, guarded: 0 };
  /** How many timers there were while nobody had set a time limit; the most. */
  idleTimers = 0;
  timed = false;
  remains: Remains | undefined;
  private order = 0;
  private step = 0;
  private at = 0;
  private ticking = false;
  private readonly latest = new Map<string, FlightLog>();

  constructor(readonly groups: readonly GroupStep[]) {}

  /** The program does something more. */
  next(): void {
    this.step++;
  }

  mark(): Mark {
    return { order: ++this.order, step: this.step, at: this.at, ticking: this.ticking };
  }

  tick(move: () => void): void {
    this.at++;
    this.ticking = true;
    this.ticks.set(this.at, this.mark());
    move();
    this.ticking = false;
  }

  caller(facts: Pick<CallerLog, 'path' | 'call' | 'keys' | 'inside' | 'guard'>): CallerLog {
    const found = new Map(facts.keys.map((key) => [key, this.last(facts.call.group, key)]));
    const caller = {
      ...facts,
      made: this.mark(),
      refused: undefined,
      started: undefined,
      found,
      answers: [],
    };
    this.callers.push(caller);
    return caller;
  }

  flight(caller: CallerLog, keys: readonly number[], context: unknown): FlightLog {
    const { path, call } = caller;
    const flight: FlightLog = {
      path,
      caller,
      group: call.group,
      keys,
      limits: { ...this.groups[call.group]!.limits, ...call.limits },
      started: this.mark(),
      contexts: [context],
      over: undefined,
      ended: undefined,
      read: undefined,
      aborted: undefined,
      forgotten: new Map(),
    };
    this.flights.push(flight);
    caller.started = flight;
    for (const key of keys) this.latest.set(`${flight.group} ${key}`, flight);
    return flight;
  }

  ended(flight: FlightLog, ended: Ended): Mark {
    const mark = this.mark();
    flight.ended = { ...ended, mark };
    return mark;
  }

  forgotten(group: number, key: number): void {
    const flight = this.last(group, key);
    if (flight !== undefined && !flight.forgotten.has(key)) flight.forgotten.set(key, this.mark());
  }

  private last(group: number, key: number): FlightLog | undefined {
    return this.latest.get(`${group} ${key}`);
  }
}
