import type { Flight } from '../../lib/core/flight.js';
import { deferred, type Deferred } from '../support/deferred.js';
import type { CallerLog, FlightLog, Log } from './log.js';
import { name } from './name.js';
import {
  abortCall,
  abortOf,
  errorOf,
  innerCall,
  innerOf,
  insideCall,
  insideOf,
  KEYS,
  loadedOf,
  valueOf,
  type CallStep,
  type End,
} from './steps.js';

/** Whom functions ask to do what they do besides. */
interface Actor {
  call(path: string, call: CallStep, from?: { readonly guard?: FlightLog | undefined }): Promise<unknown>;
  abort(signal: number): void;
  forget(group: number, key: number): boolean;
}

interface Running {
  readonly log: FlightLog;
  readonly flight: Flight<unknown>;
  readonly work: Deferred<unknown>;
}

/** The functions that groups call: they do what their work says, end by hand, and write down what they see. */
export class Functions {
  /** Called when a function has started whose promise is to be settled. */
  onPending: ((path: string, end: End) => void) | undefined = undefined;
  /** By the path of the flight, in the order of their start. */
  private readonly running = new Map<string, Running>();
  private readonly executing: FlightLog[] = [];

  constructor(
    private readonly log: Log,
    private readonly actor: Actor,
  ) {}

  get paths(): string[] {
    return [...this.running.keys()];
  }

  /** The flight in whose function, before it returns, all of this happens. */
  get around(): FlightLog | undefined {
    return this.executing.at(-1);
  }

  /** Reads the signal of a flight, which says that its function can be stopped. */
  signalOf(path: string): AbortSignal {
    const running = this.running.get(path)!;
    this.read(running);
    return running.flight.signal;
  }

  end(path: string, end: End): void {
    const { log, work } = this.running.get(path)!;
    if (end === 'value') work.resolve(this.result(log));
    else work.reject(end === 'error' ? failureOf(path) : end === '0' ? 0 : undefined);
  }

  /** What a group calls. */
  execute(caller: CallerLog, keys: readonly number[], flight: Flight<unknown>): unknown {
    const log = this.log.flight(caller, keys, name.getStore());
    const running = { log, flight, work: deferred<unknown>() };
    // Not every function waits for it.
    running.work.promise.catch(() => undefined);
    this.running.set(log.path, running);
    this.executing.push(log);
    try {
      return this.work(running);
    } finally {
      this.executing.pop();
    }
  }

  private work(running: Running): unknown {
    const { log, work } = running;
    const { path, group, keys, caller } = log;
    const { reads, inside, returns, ends } = caller.call.work;
    if (reads === 'first') this.read(running);
    if (inside === 'call') void this.actor.call(insideOf(path), insideCall(group, keys[0]!));
    if (inside === 'forget') this.actor.forget(group, keys[0]!);
    if (inside === 'abort') this.actor.abort(0);
    if (reads === 'last') this.read(running);
    if (returns === 'throw' || returns === 'value') return this.over(log, returns);
    const inner = returns === 'nested' ? innerCall(caller.call.work, keys) : undefined;
    if (inner !== undefined) return this.recorded(log, this.nest(running, inner));
    this.onPending?.(path, ends);
    if (returns !== 'thenable') return this.recorded(log, work.promise);
    return this.thenable(log, work.promise);
  }

  private async nest(running: Running, inner: CallStep): Promise<unknown> {
    const { log } = running;
    const guard = log.caller.call.work.inner?.passesSignal === true ? log : undefined;
    if (guard !== undefined) this.read(running);
    try {
      return this.result(log, textOf(inner, await this.actor.call(innerOf(log.path), inner, { guard })));
    } finally {
      log.contexts.push(name.getStore());
    }
  }

  /** What a function returns, with its end written down before anybody else is called back. */
  private recorded(log: FlightLog, promise: Promise<unknown>): Promise<unknown> {
    const end = this.endOf(log);
    promise.then(end.onValue, end.onError);
    return promise;
  }

  /** What a function returns that returns no promise. */
  private thenable(log: FlightLog, promise: Promise<unknown>): PromiseLike<unknown> {
    const end = this.endOf(log);
    return {
      then: (onValue, onError) =>
        promise.then(
          (value) => {
            end.onValue(value);
            return onValue!(value);
          },
          (error: unknown) => {
            end.onError(error);
            return onError!(error);
          },
        ),
    };
  }

  private endOf(log: FlightLog): { onValue: (value: unknown) => void; onError: (error: unknown) => void } {
    return {
      onValue: (value) => {
        this.log.ended(log, { ok: true, value });
      },
      onError: (error) => {
        this.log.ended(log, { ok: false, error });
      },
    };
  }

  /** Ends at once. */
  private over(log: FlightLog, returns: 'throw' | 'value'): unknown {
    const [value, error] = [this.result(log), failureOf(log.path)];
    log.over = this.log.ended(log, returns === 'value' ? { ok: true, value } : { ok: false, error });
    if (returns === 'throw') throw error;
    return value;
  }

  private result({ path, keys, caller }: FlightLog, inner?: string): unknown {
    const { call } = caller;
    if (call.how !== 'doMany') return valueOf(path, keys[0]!, inner);
    const loaded = loadedOf(call.work, path, keys, inner);
    return loaded === undefined ? 'no map' : new Map(loaded.map(([key, value]) => [KEYS[key], value]));
  }

  private read({ log, flight }: Running): void {
    if (log.read !== undefined) return;
    log.read = this.log.mark();
    const { signal } = flight;
    const aborted = (): void => {
      log.aborted = { mark: this.log.mark(), reason: signal.reason as unknown };
    };
    if (signal.aborted) {
      aborted();
      return;
    }
    signal.addEventListener('abort', () => {
      aborted();
      const { path, group, keys, caller } = log;
      if (caller.call.work.onAbort === 'call') void this.actor.call(abortOf(path), abortCall(group, keys[0]!));
    });
  }
}

/** The one error of a flight, with its label for a name. */
function failureOf(path: string): Error {
  const label = errorOf(path);
  return Object.assign(new Error(label), { name: label });
}

/** What came of a call that a function waited for, as a part of its own value. */
function textOf({ how }: CallStep, answer: unknown): string {
  if (how === 'run') return answer as string;
  if (how === 'do') return (answer as { value: string }).value;
  return [...(answer as Map<unknown, string>)].map(([key, value]) => [KEYS.indexOf(key), value]).join();
}
