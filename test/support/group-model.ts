/** What a flight does once it has started: nothing more, or at once what the word says. */
export type Inside = 'nothing' | 'call' | 'forget' | 'abort';

export interface CallStep {
  readonly step: 'call';
  readonly key: string;
  readonly how: 'run' | 'do';
  /** Which of the signals guards the call. */
  readonly signal: number | undefined;
  readonly waitTimeoutMs: number | undefined;
  readonly limits: Limits;
  readonly returns: 'promise' | 'thenable' | 'value' | 'throw';
  readonly reads: 'never' | 'first' | 'last';
  readonly inside: Inside;
}

export type Step =
  | CallStep
  | { readonly step: 'abort'; readonly signal: number }
  | { readonly step: 'forget'; readonly key: string }
  | { readonly step: 'forget all' }
  | { readonly step: 'settle'; readonly flight: number; readonly ok: boolean }
  | { readonly step: 'read'; readonly flight: number }
  | { readonly step: 'pass'; readonly ms: number }
  | { readonly step: 'wake' };

export interface Limits {
  readonly joinWindowMs?: number;
  readonly flightTimeoutMs?: number;
  readonly lingerMs?: number;
}

/** How a call ended: what it resolved to, or the name of what it was rejected with. */
export type Answer = { readonly value: unknown } | { readonly error: string } | 'pending';

interface ModelCaller {
  readonly call: CallStep;
  readonly role: 'leader' | 'follower';
  readonly flight: ModelFlight;
  readonly index: number;
}

interface ModelFlight {
  readonly id: number;
  readonly key: string;
  readonly startedAt: number;
  readonly limits: Limits;
  joinableUntil: number;
  joined: number;
  aboard: ModelCaller[];
  keyed: boolean;
  read: boolean;
  settled: boolean;
  ended: boolean;
  /** The name of the reason, once the signal has aborted or would. */
  aborted: string | undefined;
}

/** The name that both the model and the test give to the reason of a signal, and to what a function ends with. */
export const reasonOf = (signal: number): string => `signal ${signal}`;
export const valueOf = (flight: number): string => `value ${flight}`;
export const errorOf = (flight: number): string => `error ${flight}`;

/** The call that a function makes from inside, through its own key. */
export const innerCall = ({ key }: CallStep): CallStep => ({
  step: 'call',
  key,
  how: 'do',
  signal: undefined,
  waitTimeoutMs: undefined,
  limits: {},
  returns: 'value',
  reads: 'never',
  inside: 'nothing',
});

/** What a group promises, in as few words as it can be said: no promise, no listener, no timer, one list of flights. */
export class GroupModel {
  readonly flights: ModelFlight[] = [];
  readonly answers: Answer[] = [];
  readonly abortedSignals = new Set<number>();
  private now = 0;
  private readonly timers: { readonly at: number; readonly fire: () => void }[] = [];
  private readonly ending: (() => void)[] = [];
  private readonly counts = { followers: 0, failures: 0, left: 0, forgotten: 0, peak: 0 };

  constructor(private readonly limits: Limits) {}

  call(call: CallStep): void {
    const index = this.answers.push('pending') - 1;
    if (call.signal !== undefined && this.abortedSignals.has(call.signal)) {
      this.answers[index] = { error: reasonOf(call.signal) };
      return;
    }
    const found = this.find(call.key);
    if (found === undefined) this.lead(call, index);
    else this.follow(found, call, index);
  }

  abort(signal: number): void {
    if (this.abortedSignals.has(signal)) return;
    this.abortedSignals.add(signal);
    for (const flight of this.flights) {
      for (const caller of [...flight.aboard]) if (caller.call.signal === signal) this.leave(caller, reasonOf(signal));
    }
  }

  forget(key: string): boolean {
    const flight = this.find(key);
    if (flight === undefined) return false;
    this.counts.forgotten++;
    flight.keyed = false;
    return true;
  }

  forgetAll(): number {
    return [...new Set(this.flights.map(({ key }) => key))].filter((key) => this.forget(key)).length;
  }

  /** The function's promise has settled; its callbacks run when everybody wakes. */
  settle(id: number, ok: boolean): void {
    const flight = this.flights[id]!;
    this.ending.push(() => {
      this.end(flight, ok);
    });
  }

  read(id: number): void {
    const flight = this.flights[id]!;
    if (flight.read) return;
    flight.read = true;
    this.doomIfEmpty(flight);
  }

  passMs(): void {
    this.now++;
    for (let due; (due = this.timers.findIndex(({ at }) => at <= this.now)) >= 0;) {
      this.timers.splice(due, 1)[0]!.fire();
    }
  }

  wake(): void {
    for (const end of this.ending.splice(0)) end();
  }

  get size(): number {
    return this.keyed().length;
  }

  inFlight(): { key: string; ageMs: number; callers: number; adrift: boolean }[] {
    this.keyed();
    return this.flights
      .filter(({ ended }) => !ended)
      .map(({ key, startedAt, aboard, keyed }) => ({
        key,
        ageMs: this.now - startedAt,
        callers: aboard.length,
        adrift: !keyed,
      }));
  }

  stats(): Record<string, number> {
    this.keyed();
    const running = this.flights.filter(({ ended }) => !ended);
    const callers = this.flights.length + this.counts.followers;
    return {
      ...this.counts,
      flights: this.flights.length,
      callers,
      bypassed: 0,
      active: running.length,
      adrift: running.filter(({ keyed }) => !keyed).length,
      coalescingRatio: callers === 0 ? 0 : this.counts.followers / callers,
    };
  }

  private find(key: string): ModelFlight | undefined {
    return this.keyed().find((flight) => flight.key === key);
  }

  /** The flights that can be joined; those whose time for it is over are adrift from now on. */
  private keyed(): ModelFlight[] {
    const keyed = this.flights.filter((flight) => flight.keyed);
    for (const flight of keyed) if (flight.joinableUntil <= this.now) flight.keyed = false;
    return keyed.filter((flight) => flight.keyed);
  }

  private lead(call: CallStep, index: number): void {
    const limits = { joinWindowMs: Infinity, lingerMs: 0, ...this.limits, ...call.limits };
    const flight: ModelFlight = {
      id: this.flights.length,
      key: call.key,
      startedAt: this.now,
      limits,
      joinableUntil: this.now + limits.joinWindowMs,
      joined: 0,
      aboard: [],
      keyed: true,
      read: false,
      settled: false,
      ended: false,
      aborted: undefined,
    };
    this.flights.push(flight);
    this.counts.peak = Math.max(this.counts.peak, this.flights.filter(({ ended }) => !ended).length);
    this.board(flight, call, 'leader', index);
    this.execute(flight, call);
  }

  private execute(flight: ModelFlight, call: CallStep): void {
    if (call.reads === 'first') this.read(flight.id);
    if (call.inside === 'call') this.call(innerCall(call));
    if (call.inside === 'forget') this.forget(call.key);
    if (call.inside === 'abort' && call.signal !== undefined) this.abort(call.signal);
    if (call.reads === 'last') this.read(flight.id);
    if (call.returns === 'value' || call.returns === 'throw') this.end(flight, call.returns === 'value');
    else if (flight.limits.flightTimeoutMs !== undefined) {
      this.in(flight.limits.flightTimeoutMs, () => {
        if (flight.settled) return;
        flight.keyed = false;
        this.answer(flight, false, 'FlightTimeoutError');
        flight.aborted ??= 'FlightTimeoutError';
      });
    }
  }

  private follow(flight: ModelFlight, call: CallStep, index: number): void {
    this.counts.followers++;
    if (!flight.settled) this.board(flight, call, 'follower', index);
    else this.answers[index] = success({ call, role: 'follower', flight, index });
  }

  private board(flight: ModelFlight, call: CallStep, role: ModelCaller['role'], index: number): void {
    const caller = { call, role, flight, index };
    flight.joined++;
    flight.aboard.push(caller);
    if (call.waitTimeoutMs !== undefined) {
      this.in(call.waitTimeoutMs, () => {
        this.leave(caller, 'WaitTimeoutError');
      });
    }
  }

  private leave(caller: ModelCaller, reason: string): void {
    const { flight, index } = caller;
    if (!flight.aboard.includes(caller)) return;
    flight.aboard = flight.aboard.filter((other) => other !== caller);
    this.counts.left++;
    this.answers[index] = { error: reason };
    this.doomIfEmpty(flight);
  }

  private doomIfEmpty(flight: ModelFlight): void {
    if (flight.aboard.length > 0 || flight.settled || !flight.read) return;
    flight.keyed = false;
    flight.aborted ??= 'AbandonedError';
  }

  private end(flight: ModelFlight, ok: boolean): void {
    if (flight.ended) return;
    flight.ended = true;
    if (flight.settled) return;
    const lingerMs = ok && flight.keyed && this.now < flight.joinableUntil ? flight.limits.lingerMs! : 0;
    flight.keyed &&= lingerMs > 0;
    this.answer(flight, ok, errorOf(flight.id));
    if (lingerMs > 0) flight.joinableUntil = this.now + lingerMs;
  }

  private answer(flight: ModelFlight, ok: boolean, error: string): void {
    flight.settled = true;
    if (!ok) this.counts.failures++;
    for (const caller of flight.aboard) this.answers[caller.index] = ok ? success(caller) : { error };
    flight.aboard = [];
  }

  private in(ms: number, fire: () => void): void {
    this.timers.push({ at: this.now + ms, fire });
  }
}

function success({ call, role, flight }: ModelCaller): Answer {
  const value = valueOf(flight.id);
  if (call.how === 'run') return { value };
  return { value: { ok: true, value, shared: role === 'follower' || flight.joined > 1, role } };
}
