import type { AnswerLog, CallerLog, Ended, FlightLog, Log, Mark } from './log.js';
import { KEYS } from './steps.js';

/** Whether a flight can be joined at some moment; either, where timers of that same moment may or may not have fired. */
export type Joinable = 'yes' | 'no' | 'either';

/** How a flight was cut short before its function ended, and when. */
export interface Cut {
  readonly error: 'FlightTimeoutError' | 'GroupClosedError';
  readonly at: number;
}

/** A caller that was not refused, one of its keys, the last flight of that key before, and the flight it was aboard of. */
export interface Ask {
  readonly caller: CallerLog;
  readonly key: number;
  readonly found: FlightLog | undefined;
  readonly flight: FlightLog | undefined;
}

/** How a function ended for one of its keys; `absent`: its loader did not return it. */
export type Outcome = Ended & { readonly absent?: boolean };

/** What a log says of flights and callers by the contract alone: no model, nothing that the library tells. */
export class History {
  readonly asks: readonly Ask[];
  /** The asks that each flight had to answer. */
  private readonly served = new Map<FlightLog, Ask[]>();

  constructor(readonly log: Log) {
    this.asks = log.callers
      .filter(({ refused }) => refused === undefined)
      .flatMap((caller) =>
        caller.keys.map((key) => {
          const found = caller.found.get(key);
          return { caller, key, found, flight: caller.started?.keys.includes(key) === true ? caller.started : found };
        }),
      );
    for (const ask of this.asks) {
      if (ask.flight !== undefined) this.served.set(ask.flight, [...(this.served.get(ask.flight) ?? []), ask]);
    }
  }

  /** Whoever came aboard a flight, or took its lingering result. */
  asksOf(flight: FlightLog, key?: number): Ask[] {
    return (this.served.get(flight) ?? []).filter((ask) => key === undefined || ask.key === key);
  }

  /** The answers, for one key alone, of those who stayed aboard to the end. */
  stayed(flight: FlightLog, key: number): AnswerLog[] {
    return this.asksOf(flight, key)
      .filter(({ caller }) => caller.call.how !== 'doMany' && this.left(caller) === undefined)
      .flatMap(({ caller }) => caller.answers);
  }

  /** When a caller left, if that is what it did. */
  left({ call, made, guard, answers: [answer] }: CallerLog): Mark | undefined {
    if (answer === undefined || answer.ok) return undefined;
    const abort = guard === undefined ? this.log.aborts.get(call.signal ?? -1) : guard.aborted;
    if (abort !== undefined && answer.error === abort.reason) return abort.mark;
    const { waitTimeoutMs } = call;
    if (waitTimeoutMs === undefined || nameOf(answer.error) !== 'WaitTimeoutError') return undefined;
    return this.log.ticks.get(made.at + waitTimeoutMs);
  }

  /** What became of a flight that its time limit, or the end of its group, cut short. */
  cutOf({ limits, started, ended, group }: FlightLog): Cut | undefined {
    const cuts: Cut[] = [];
    const close = this.log.closes.get(group);
    if (close !== undefined) cuts.push({ error: 'GroupClosedError', at: close.mark.at + close.graceMs });
    const { flightTimeoutMs } = limits;
    if (flightTimeoutMs !== undefined) cuts.push({ error: 'FlightTimeoutError', at: started.at + flightTimeoutMs });
    const first = cuts.sort((one, other) => one.at - other.at)[0];
    // Timers fire before those wake who are due in the same moment.
    return first === undefined || (ended !== undefined && ended.mark.at < first.at) ? undefined : first;
  }

  /** Whether those aboard could still leave it at that moment. */
  isUnsettled(flight: FlightLog, mark: Mark | undefined): boolean {
    if (mark === undefined || (flight.ended !== undefined && !before(mark, flight.ended.mark))) return false;
    return mark.at < (this.cutOf(flight)?.at ?? Infinity);
  }

  outcome({ caller, ended }: FlightLog, key: number): Outcome | undefined {
    if (ended?.ok !== true || caller.call.how !== 'doMany') return ended;
    const { value } = ended;
    if (!(value instanceof Map)) return { ok: false, error: 'InvalidOptionError' };
    if (!value.has(KEYS[key])) return { ok: false, error: 'NoResultError', absent: true };
    return { ok: true, value: value.get(KEYS[key]) as unknown };
  }

  /** Whether somebody who asks for the key may be taken aboard, or be given a result that lingers. */
  joinable(flight: FlightLog, key: number, mark: Mark): Joinable {
    const cut = this.cutOf(flight);
    if (cut === undefined && before(flight.ended?.mark, mark)) return this.lingers(flight, key, mark);
    const joinable = this.open(flight, key, mark);
    if (joinable === 'no' || cut === undefined || mark.at < cut.at) return joinable;
    // A group is closed once those have run who were awake.
    return mark.at === cut.at && (mark.ticking || cut.error === 'GroupClosedError') ? 'either' : 'no';
  }

  /** Whether the result is kept for the key at that moment. */
  lingers(flight: FlightLog, key: number, mark: Mark): Joinable {
    const { ended, limits, group, forgotten } = flight;
    if (ended === undefined || this.cutOf(flight) !== undefined || before(this.log.closes.get(group)?.mark, mark)) {
      return 'no';
    }
    if (mark.at >= ended.mark.at + (limits.lingerMs ?? 0) || this.outcome(flight, key)?.ok !== true) return 'no';
    if (before(forgotten.get(key), mark)) return 'no';
    return this.open(flight, key, ended.mark);
  }

  /** Whether the key leads to it, as long as it has not ended. */
  private open({ limits, started, aborted, forgotten }: FlightLog, key: number, mark: Mark): Joinable {
    if (before(forgotten.get(key), mark) || before(aborted?.mark, mark)) return 'no';
    return mark.at - started.at >= (limits.joinWindowMs ?? Infinity) ? 'no' : 'yes';
  }
}

export function before(one: Mark | undefined, other: Mark): boolean {
  return one !== undefined && one.order < other.order;
}

/** What an error of the library calls itself. */
export function nameOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null ? (error as Error).name : undefined;
}

export function hold(holds: boolean, broken: () => string): void {
  if (!holds) throw new Error(broken());
}
