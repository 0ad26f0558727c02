import { GroupModel, type ModelCaller, type ModelFlight, type ModelPart, type Outcome } from './group-model.js';
import { answerOf, canLeave, newFlight, outcomesOf, refusalOf, type FunctionEnd } from './model-rules.js';
import {
  abortCall,
  abortOf,
  errorOf,
  innerCall,
  innerOf,
  insideCall,
  insideOf,
  keysOf,
  reasonOf,
  type Answer,
  type CallStep,
  type End,
  type GroupStep,
} from './steps.js';

interface From {
  readonly guard?: ModelFlight | undefined;
  readonly tell?: ModelCaller['tell'];
}

/** What several groups promise, in as few words as it can be said: what is asynchronous is a list of what is due. */
export class WorldModel {
  readonly groups: readonly GroupModel[];
  readonly flights: ModelFlight[] = [];
  readonly answers = new Map<string, Answer>();
  /** In the order in which they came aboard. */
  private readonly callers: ModelCaller[] = [];
  private readonly abortedSignals = new Set<number>();
  private readonly executing: ModelFlight[] = [];
  private now = 0;
  private readonly timers: { readonly at: number; readonly fire: () => void }[] = [];
  private readonly due: (() => void)[] = [];

  constructor(groups: readonly GroupStep[]) {
    this.groups = groups.map((options) => new GroupModel(options, () => this.now));
  }

  // ---- What a program does

  call(path: string, call: CallStep, { guard, tell }: From = {}): void {
    const group = this.groups[call.group]!;
    const keys = keysOf(call);
    const caller: ModelCaller = {
      path,
      call,
      guard: guard ?? call.signal,
      role: keys.some((key) => group.find(key) === undefined) ? 'leader' : 'follower',
      outcomes: new Map(keys.map((key) => [key, undefined])),
      tell,
      part: undefined,
      pending: true,
    };
    this.answers.set(path, 'pending');
    const refusal = this.reasonFor(caller.guard) ?? refusalOf(caller, group, this.executing.at(-1));
    if (refusal !== undefined) this.answer(caller, { error: refusal });
    else if (keys.length === 0) this.answer(caller, { value: [] });
    else this.board(caller, group);
  }

  abort(signal: number): void {
    if (this.abortedSignals.has(signal)) return;
    this.abortedSignals.add(signal);
    this.leaveAll(signal, reasonOf(signal));
  }

  /** The function's promise has settled; its callbacks run when everybody wakes. */
  settle(path: string, end: End): void {
    const flight = this.flight(path);
    this.due.push(() => {
      this.end(flight, end === 'value' ? { ok: true } : { ok: false, error: end === 'error' ? errorOf(path) : end });
    });
  }

  read(path: string): void {
    const flight = this.flight(path);
    if (flight.read) return;
    flight.read = true;
    this.doomIfEmpty(flight);
    flight.listening = flight.aborted === undefined;
  }

  close(index: number, graceMs: number): void {
    const group = this.groups[index]!;
    if (group.closing !== 'open') return;
    group.closing = 'closing';
    for (const part of group.keyed()) if (part.outcome !== undefined) part.keyed = false;
    this.closeIfIdle(group);
    this.in(graceMs, () => {
      if (group.running().length > 0) this.due.push(() => this.cut(group));
    });
  }

  /** One millisecond. */
  pass(): void {
    this.now++;
    for (let due; (due = this.timers.findIndex(({ at }) => at <= this.now)) >= 0;) {
      this.timers.splice(due, 1)[0]!.fire();
    }
  }

  wake(): void {
    for (let due; (due = this.due.shift()) !== undefined;) due();
  }

  /**
   * A caller who cannot leave may hold the function's own promise, and then a group that is closed cannot answer it;
   * whether it holds that one is not promised. Takes over what the group has done.
   */
  allow(path: string, answer: Answer | undefined): void {
    const caller = this.callers.find((other) => other.path === path);
    if (caller?.pending !== true || caller.part?.outcome === undefined || caller.call.how === 'doMany') return;
    if (typeof answer !== 'object' || !('error' in answer) || answer.error !== 'GroupClosedError') return;
    this.answer(caller, answer);
    this.wake();
  }

  // ---- Coming aboard

  private reasonFor(guard: ModelCaller['guard']): string | undefined {
    if (typeof guard === 'object') return guard.aborted;
    return guard !== undefined && this.abortedSignals.has(guard) ? reasonOf(guard) : undefined;
  }

  private board(caller: ModelCaller, group: GroupModel): void {
    const { call, outcomes } = caller;
    const joined = [...outcomes.keys()].map((key) => group.find(key)).filter((part) => part !== undefined);
    const missing = [...outcomes.keys()].filter((key) => group.find(key) === undefined);
    const flight = missing.length > 0 ? newFlight(caller, group, missing, this.now) : undefined;
    this.callers.push(caller);
    for (const part of joined) {
      group.counts.followers++;
      if (part.outcome === undefined) this.boardPart(caller, part);
      else this.takeLingering(caller, part, part.outcome);
    }
    for (const part of flight?.parts ?? []) this.boardPart(caller, part);
    if (caller.pending && call.waitTimeoutMs !== undefined) {
      this.in(call.waitTimeoutMs, () => {
        this.leave(caller, 'WaitTimeoutError');
      });
    }
    if (flight !== undefined) this.start(flight);
  }

  private boardPart(caller: ModelCaller, part: ModelPart): void {
    caller.part ??= part;
    part.joined++;
    part.aboard.push(caller);
  }

  private takeLingering(caller: ModelCaller, part: ModelPart, outcome: Outcome): void {
    caller.part ??= part;
    // One who waits for other keys as well is told of this one when everybody wakes.
    if (caller.call.how !== 'doMany') this.tell(caller, part.key, outcome);
    else this.due.push(() => this.tell(caller, part.key, outcome));
  }

  // ---- The life of a flight

  private start(flight: ModelFlight): void {
    this.flights.push(flight);
    flight.group.add(flight);
    this.executing.push(flight);
    this.execute(flight);
    this.executing.pop();
    const { flightTimeoutMs } = flight.limits;
    if (flight.ended || flightTimeoutMs === undefined) return;
    this.in(flightTimeoutMs, () => {
      if (flight.ended || flight.parts.every(({ outcome }) => outcome !== undefined)) return;
      this.fail(flight);
      for (const part of flight.parts) this.settlePart(part, { ok: false, error: 'FlightTimeoutError' });
      this.stop(flight, 'FlightTimeoutError');
    });
  }

  private execute(flight: ModelFlight): void {
    const { path, group, work, parts } = flight;
    const index = this.groups.indexOf(group);
    const key = parts[0]!.key;
    if (work.reads === 'first') this.read(path);
    if (work.inside === 'call') this.call(insideOf(path), insideCall(index, key));
    if (work.inside === 'forget') group.forget(key);
    if (work.inside === 'abort') this.abort(0);
    if (work.reads === 'last') this.read(path);
    if (work.returns === 'value' || work.returns === 'throw')
      this.end(flight, work.returns === 'value' ? { ok: true } : { ok: false, error: errorOf(path) });
    if (work.returns === 'nested') this.nest(flight);
  }

  private nest(flight: ModelFlight): void {
    const { path, work, parts } = flight;
    const inner = innerCall(
      work,
      parts.map(({ key }) => key),
    );
    if (inner === undefined) return;
    const guard = work.inner?.passesSignal === true ? flight : undefined;
    if (guard !== undefined) this.read(path);
    this.call(innerOf(path), inner, {
      guard,
      tell: (answer) => {
        this.due.push(() => {
          if (answer.ok) this.end(flight, { ok: true, inner: answer.value });
          else this.end(flight, { ok: false, error: answer.error });
        });
      },
    });
  }

  private end(flight: ModelFlight, end: FunctionEnd): void {
    if (flight.ended) return;
    flight.ended = true;
    const outcomes = outcomesOf(flight, end);
    if (outcomes.some((outcome) => !outcome.ok && outcome.absent !== true)) this.fail(flight);
    for (const [index, part] of flight.parts.entries()) this.settlePart(part, outcomes[index]!);
    this.closeIfIdle(flight.group);
  }

  /** Counts it as one failure, however many keys fail with it. */
  private fail(flight: ModelFlight): void {
    if (flight.failed || flight.parts.every(({ outcome }) => outcome !== undefined)) return;
    flight.failed = true;
    flight.group.counts.failures++;
  }

  private settlePart(part: ModelPart, outcome: Outcome): void {
    // What a function does after it was cut short changes nothing, but for those who hold its own promise.
    const { group, limits } = part.flight;
    if (part.outcome === undefined) {
      const keyed = part.keyed && this.now < part.joinableUntil;
      const lingers = outcome.ok && keyed && group.closing === 'open' && (limits.lingerMs ?? 0) > 0;
      part.keyed &&= lingers;
      part.outcome = outcome;
      if (lingers) part.joinableUntil = this.now + limits.lingerMs!;
    }
    for (const caller of part.aboard.splice(0)) this.tell(caller, part.key, outcome);
  }

  /** What keeps running after its grace is answered in its name; those who may hold its own promise can only wait. */
  private cut(group: GroupModel): void {
    group.closing = 'closed';
    const cut = group.unsettled();
    for (const part of cut) {
      const { limits, batch } = part.flight;
      const own = !batch && limits.flightTimeoutMs === undefined && group.options.isolate === 'none';
      const bound = part.aboard.filter((caller) => own && !canLeave(caller) && caller.call.how !== 'doMany');
      part.aboard = part.aboard.filter((caller) => !bound.includes(caller));
      this.fail(part.flight);
      this.settlePart(part, { ok: false, error: 'GroupClosedError' });
      part.aboard = bound;
    }
    for (const { flight } of cut) this.stop(flight, 'GroupClosedError');
  }

  private closeIfIdle(group: GroupModel): void {
    if (group.closing === 'closing' && group.running().length === 0) this.due.push(() => (group.closing = 'closed'));
  }

  private tell(caller: ModelCaller, key: number, outcome: Outcome): void {
    caller.outcomes.set(key, outcome);
    const outcomes = [...caller.outcomes];
    if (!caller.pending || outcomes.some(([, settled]) => settled === undefined)) return;
    this.answer(caller, ...answerOf(caller));
  }

  private answer(caller: ModelCaller, answer: Exclude<Answer, 'pending'>, text = ''): void {
    caller.pending = false;
    this.answers.set(caller.path, answer);
    caller.tell?.('error' in answer ? { ok: false, error: answer.error } : { ok: true, value: text });
  }

  // ---- Leaving

  private leaveAll(guard: number | ModelFlight, reason: string): void {
    for (const caller of [...this.callers]) if (caller.guard === guard) this.leave(caller, reason);
  }

  private leave(caller: ModelCaller, reason: string): void {
    if (!caller.pending) return;
    const flights = new Set<ModelFlight>();
    const group = this.groups[caller.call.group]!;
    for (const part of group.unsettled()) {
      if (!part.aboard.includes(caller)) continue;
      part.aboard = part.aboard.filter((other) => other !== caller);
      flights.add(part.flight);
    }
    group.counts.left++;
    this.answer(caller, { error: reason });
    for (const flight of flights) this.doomIfEmpty(flight);
  }

  private doomIfEmpty(flight: ModelFlight): void {
    const waiting = flight.parts.filter(({ outcome }) => outcome === undefined);
    if (!flight.read || waiting.length === 0 || waiting.some(({ aboard }) => aboard.length > 0)) return;
    for (const part of waiting) part.keyed = false;
    this.stop(flight, 'AbandonedError');
  }

  private stop(flight: ModelFlight, reason: string): void {
    if (flight.aborted !== undefined) return;
    flight.aborted = reason;
    if (!flight.listening) return;
    const { work, group, path, parts } = flight;
    if (work.onAbort === 'call') {
      this.call(abortOf(path), abortCall(this.groups.indexOf(group), parts[0]!.key));
    }
    this.leaveAll(flight, reason);
  }

  private flight(path: string): ModelFlight {
    return this.flights.find((flight) => flight.path === path)!;
  }

  private in(ms: number, fire: () => void): void {
    this.timers.push({ at: this.now + ms, fire });
  }
}
