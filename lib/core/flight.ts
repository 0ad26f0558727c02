import type { Execution } from './adopt.js';
import type { Waiting } from './deadlock.js';
import type { SingleFlightError } from './errors.js';
import type { FlightLimits } from './options.js';
import type { Success } from './result.js';
import { SmallSet } from './small-set.js';
import { Stop } from './stop.js';

/** What a function is handed: the flight that it is. */
export interface Flight<K = string> {
  /** The key that the flight was started for. */
  readonly key: K;
  /**
   * Aborts when nobody waits for the result any more (`AbandonedError`) or the flight timed out
   * (`FlightTimeoutError`). It is made when it is first read, and reading it says that the function can be stopped: a
   * flight whose signal was never read runs to its end.
   */
  readonly signal: AbortSignal;
  /** Set when the flight leads a fleet: higher than that of every earlier leader of the key. */
  readonly fence?: bigint;
}

/** What a call runs when it starts a flight. A thenable it returns (a query builder, say) is adopted once. */
export type FlightFunction<T, K = string> = (flight: Flight<K>) => T | PromiseLike<T>;

/** Somebody aboard who can leave, and is told on its own when the flight settles. */
export interface Passenger {
  settle(ok: boolean, outcome: unknown): void;
}

/** What a flight tells its group. */
export interface FlightHost<K> {
  /** The function has ended. */
  ended(flight: FlightRecord<K>, ok: boolean, outcome: unknown): void;
  /** Nobody is aboard, and the function can be stopped. */
  doom(flight: FlightRecord<K>): void;
  /** Another process has forgotten it. */
  forgottenElsewhere(flight: FlightRecord<K>): void;
}

/** Who flies a flight whose function does not run here, or not yet: it decides when nobody aboard is the end of it. */
export interface Pilot {
  /** Nobody is aboard. */
  emptied(): void;
  /** Somebody is aboard again. */
  boarded(): void;
  /** The flight is over for its callers, because of this. */
  abort(reason: SingleFlightError): void;
}

/** One execution of a function for a key, from its start until it settles, and who is aboard. */
export class FlightRecord<K> implements Flight<K>, Execution {
  /**
   * What callers who cannot leave are handed: the function's own promise where that will do. Written once, by the group
   * when the function has returned, or by {@link outcome} when somebody asks before.
   */
  promise: Promise<unknown> | undefined = undefined;
  /** Callers who ever joined, the leader first. Written by the group. */
  joined = 1;
  /** Callers who left before it settled. Written by the group. */
  left = 0;
  /** Whether its key leads to it: true exactly while the group's map holds it. Written by the group. */
  keyed = false;
  /** Whether the counters leave it out. Written by the group, before the function is called. */
  uncounted = false;
  /** Whether its callers have an answer. Written once, by {@link settle}. */
  settled = false;
  /** Whether its function has ended, which a timed-out flight's may do long after it settled. Written by the group. */
  ended = false;
  /**
   * Until when it can be joined, on the clock of {@link startedAt}; undefined: for as long as it is there. Written by
   * the group, again when it lingers.
   */
  joinableUntil: number | undefined;
  /** Whom its function waits for, where deadlocks are looked for. Written by the group, before the function is called. */
  waiting: Waiting | undefined = undefined;
  /** What few flights need: made when the first of it is. */
  private extras: FlightExtras | undefined = undefined;

  constructor(
    private readonly host: FlightHost<K>,
    readonly key: K,
    readonly limits: FlightLimits,
    readonly startedAt: number,
  ) {
    this.joinableUntil = limits.joinWindowMs === Infinity ? undefined : startedAt + limits.joinWindowMs;
  }

  get aboard(): number {
    return this.joined - this.left;
  }

  /** Whether at least two callers have joined, those who left counted. */
  get shared(): boolean {
    return this.joined > 1;
  }

  get signal(): AbortSignal {
    const stop = this.stop();
    const { signal } = stop;
    this.doomIfEmpty();
    return signal;
  }

  /** Aborts the signal, now or when it is first read. */
  abort(reason: SingleFlightError): void {
    if (this.batch !== undefined) this.batch.abortIfOver(reason);
    else if (this.extras?.pilot !== undefined) this.extras.pilot.abort(reason);
    else this.stop().abort(reason);
  }

  /** From now on somebody else decides whether it goes on with nobody aboard. */
  handOver(pilot: Pilot): void {
    this.extra().pilot = pilot;
    if (this.aboard === 0) pilot.emptied();
  }

  /** Its pilot ends it, with nobody aboard: the key is free, then the pilot is told to abort. */
  doom(): void {
    if (this.aboard === 0 && !this.settled) this.host.doom(this);
  }

  /** The key leads to it no more, because another process has forgotten it. */
  forgottenElsewhere(): void {
    this.host.forgottenElsewhere(this);
  }

  end(ok: boolean, outcome: unknown): void {
    this.host.ended(this, ok, outcome);
  }

  /** What a caller who cannot leave waits for. */
  outcome(): Promise<unknown> {
    return this.promise ?? this.defer();
  }

  /** A lingering result, as one more caller gets it. */
  lingering(): Promise<unknown> {
    const share = this.extras?.share;
    return share === undefined
      ? this.outcome()
      : new Promise((resolve) => {
          resolve(share());
        });
  }

  /** The outcome as followers get it: once it has passed `check`, which runs once for all of them. */
  checkedOutcome(check: (value: unknown, key: K) => unknown): Promise<unknown> {
    const extras = this.extra();
    return (extras.checked ??= handled(this.outcome().then((value) => check(value, this.key))));
  }

  /** The success as followers get it: one object for all of them, so that a thousand do not make a thousand. */
  success(): Promise<Success<unknown>> {
    const extras = this.extra();
    return (extras.success ??= handled(
      this.outcome().then((value) => Object.freeze({ ok: true, value, shared: true, role: 'follower' })),
    ));
  }

  /** A caller who can leave comes aboard. */
  board(caller: Passenger): void {
    (this.extra().callers ??= new SmallSet()).add(caller);
  }

  /** A caller who can leave does; false when there is nothing to leave: the flight has settled. */
  disembark(caller: Passenger): boolean {
    if (this.extras?.callers?.delete(caller) !== true) return false;
    this.left++;
    if (this.aboard === 0) this.extras.timer?.unref();
    return true;
  }

  /** One more caller; who gets a lingering result is not counted, the flight is over. */
  join(): void {
    if (this.settled) return;
    // A timeout keeps the process alive as long as somebody waits for it.
    if (this.joined++ !== this.left) return;
    this.extras?.timer?.ref();
    this.extras?.pilot?.boarded();
  }

  /** Dooms the flight if nobody is aboard and its function can be stopped. */
  doomIfEmpty(): void {
    if (this.aboard > 0 || this.settled) return;
    if (this.batch !== undefined) this.batch.doomIfEmpty();
    else if (this.extras?.pilot !== undefined) this.extras.pilot.emptied();
    else if (this.extras?.stop?.possible === true) this.host.doom(this);
  }

  /** Whether its function ran in another process, which has told how it ended. Written by its pilot, before it settles. */
  get elsewhere(): boolean {
    return this.extras?.elsewhere === true;
  }

  set elsewhere(elsewhere: boolean) {
    this.extra().elsewhere = elsewhere;
  }

  /** The function that loads this key among others. */
  get batch(): BatchOf | undefined {
    return this.extras?.batch;
  }

  /** It is one of those that one function loads. */
  enlist(batch: BatchOf): void {
    this.extra().batch = batch;
  }

  /** Whether the function that loads it among others came back without it. Written by the group, before it settles. */
  get absent(): boolean {
    return this.extras?.absent === true;
  }

  set absent(absent: boolean) {
    this.extra().absent = absent;
  }

  /** Calls back unless the flight settles within its `flightTimeoutMs`. */
  limit(onTimeout: () => void): void {
    const timer = setTimeout(onTimeout, this.limits.flightTimeoutMs);
    if (this.aboard === 0) timer.unref();
    this.extra().timer = timer;
  }

  /**
   * Answers everybody aboard, now that the key is free.
   *
   * @param share what each of them gets of a success, where that is not the very same thing
   */
  settle(ok: boolean, outcome: unknown, share?: () => unknown): void {
    this.settled = true;
    const { extras } = this;
    if (extras !== undefined) {
      if (extras.timer !== undefined) clearTimeout(extras.timer);
      if (ok) extras.resolve?.(outcome);
      else extras.reject?.(outcome);
      extras.share = share;
      extras.callers?.forEach((caller) => {
        if (ok && share !== undefined) settleWith(caller, share);
        else caller.settle(ok, outcome);
      });
      extras.callers = undefined;
    }
    // None so far: the function was over at once, or everybody aboard could leave.
    this.promise ??= ok ? Promise.resolve(outcome) : handled(Promise.reject(outcome));
  }

  /** From now on, for `lingerMs`, late callers get the result. */
  linger(onOver: () => void): void {
    const { lingerMs } = this.limits;
    this.joinableUntil = performance.now() + lingerMs;
    this.extra().timer = setTimeout(onOver, lingerMs).unref();
  }

  endLinger(): void {
    if (this.settled) clearTimeout(this.extras?.timer);
  }

  private defer(): Promise<unknown> {
    const extras = this.extra();
    this.promise = handled(
      new Promise((resolve, reject) => {
        extras.resolve = resolve;
        extras.reject = reject;
      }),
    );
    return this.promise;
  }

  private stop(): Stop {
    return (this.extra().stop ??= new Stop());
  }

  private extra(): FlightExtras {
    return (this.extras ??= new FlightExtras());
  }
}

/** A function that loads many keys, as one of their flights sees it. */
export interface BatchOf {
  /** Whether one of its keys leads to it. */
  readonly keyed: boolean;
  /** Whether the counters know that it failed. Written by the group. */
  failed: boolean;
  doomIfEmpty(): void;
  abortIfOver(reason: SingleFlightError): void;
}

class FlightExtras {
  /** Made when the function first reads its signal, or when that would abort. */
  stop: Stop | undefined = undefined;
  /** Settle `promise` where it is not the function's own. */
  resolve: ((value: unknown) => void) | undefined = undefined;
  reject: ((error: unknown) => void) | undefined = undefined;
  /** Makes each caller's share of a result that is isolated; stays while it lingers. */
  share: (() => unknown) | undefined = undefined;
  /** The function that loads this key among others. */
  batch: BatchOf | undefined = undefined;
  /** Whether that came back without this key. */
  absent = false;
  /** Whether its function ran in another process. */
  elsewhere = false;
  /** Who flies it, where that is not the group. */
  pilot: Pilot | undefined = undefined;
  /** The outcome behind a check, shared by the followers who asked for it. */
  checked: Promise<unknown> | undefined = undefined;
  /** The outcome as `do` tells it, shared by its followers. */
  success: Promise<Success<unknown>> | undefined = undefined;
  /** Those aboard who can leave; each one removes itself when it does. */
  callers: SmallSet<Passenger> | undefined = undefined;
  /** Runs while a flight with a time limit has not settled, and while a settled one lingers. */
  timer: NodeJS.Timeout | undefined = undefined;
}

function settleWith(caller: Passenger, share: () => unknown): void {
  try {
    caller.settle(true, share());
  } catch (error) {
    caller.settle(false, error);
  }
}

/** A promise whose rejection need not be handled: there may be nobody aboard to do it. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

function ignore(): void {
  // Whoever is aboard is told by the promise itself.
}

/**
 * V8 drops the shape of a class of which it finds no instance left, and with it all code that was compiled for it: the
 * first calls after a full collection would take four times as long. So one of each stays.
 */
export const keptFlight = new FlightRecord(
  { ended: ignore, doom: ignore, forgottenElsewhere: ignore },
  undefined,
  { joinWindowMs: Infinity, flightTimeoutMs: Infinity, lingerMs: 0, handOut: undefined },
  0,
);
keptFlight.board({ settle: ignore });
