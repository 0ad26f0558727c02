import { getEventListeners } from 'node:events';
import { jest } from '@jest/globals';
import type { Flight } from '../../lib/core/flight.js';
import { Group } from '../../lib/core/group.js';
import type { GroupOptions } from '../../lib/core/options.js';
import { turn } from '../support/turns.js';
import { Functions } from './functions.js';
import { Log, type CallerLog, type FlightLog } from './log.js';
import { name } from './name.js';
import { KEYS, keysOf, reasonOf, SIGNALS, type CallStep, type End, type GroupStep } from './steps.js';

/** Groups, driven through the steps that their model goes through; all that happens is written down. */
export class Driven {
  readonly groups: readonly Group<unknown>[];
  readonly closed: boolean[];
  readonly functions: Functions;
  readonly log: Log;
  private readonly controllers = Array.from({ length: SIGNALS }, () => new AbortController());
  private readonly calling: CallerLog[] = [];
  /** How many actions are under way, one inside the other. */
  private depth = 0;

  constructor(groups: readonly GroupStep[]) {
    this.log = new Log(groups);
    this.functions = new Functions(this.log, this);
    this.groups = groups.map((options, index) => name.run(`group ${index}`, () => this.groupOf(options, index)));
    this.closed = groups.map(() => false);
  }

  // ---- What a program does

  call(path: string, call: CallStep, { guard }: { readonly guard?: FlightLog | undefined } = {}): Promise<unknown> {
    return this.act(() => {
      const inside = this.functions.around;
      const caller = this.log.caller({ path, call, keys: keysOf(call), inside, guard });
      return name.run(path, () => {
        const answer = this.invoke(caller);
        void this.hear(caller, answer);
        return answer;
      });
    });
  }

  abort(signal: number): void {
    const controller = this.controllers[signal]!;
    if (controller.signal.aborted) return;
    const reason = { name: reasonOf(signal) };
    this.act(() => {
      this.log.aborts.set(signal, { mark: this.log.mark(), reason });
      controller.abort(reason);
    });
  }

  forget(group: number, key: number): boolean {
    return this.act(() => {
      this.log.forgotten(group, key);
      return this.groups[group]!.forget(KEYS[key]);
    });
  }

  forgetAll(group: number): number {
    return this.act(() => {
      KEYS.forEach((_, key) => this.log.forgotten(group, key));
      return this.groups[group]!.forgetAll();
    });
  }

  settle(path: string, end: End): void {
    this.act(() => {
      this.functions.end(path, end);
    });
  }

  read(path: string): void {
    this.act(() => {
      this.functions.signalOf(path);
    });
  }

  close(group: number, graceMs: number): void {
    this.log.timed = true;
    this.act(() => {
      if (!this.log.closes.has(group)) this.log.closes.set(group, { mark: this.log.mark(), graceMs });
      void this.groups[group]!.close({ graceMs }).then(() => {
        this.closed[group] = true;
      });
    });
  }

  /** One millisecond, when everybody who is awake has run. */
  pass(): void {
    this.act(() => {
      this.log.tick(() => {
        jest.advanceTimersByTime(1);
      });
    });
  }

  async wake(): Promise<void> {
    await turn();
    this.look();
  }

  /** Looks at what costs something: timers that nobody needs, and listeners. */
  look(): void {
    const { log } = this;
    if (!log.timed) {
      // What reads the clock once a turn puts it away in the next.
      jest.advanceTimersByTime(0);
      log.idleTimers = Math.max(log.idleTimers, jest.getTimerCount());
    }
    for (const { signal } of this.controllers) {
      const listeners = getEventListeners(signal, 'abort').length;
      log.listeners.most = Math.max(log.listeners.most, listeners);
      log.listeners.guarded += listeners;
    }
  }

  /** To be called when everything has ended. */
  end(unhandled: readonly unknown[]): Log {
    this.log.unhandled.push(...unhandled);
    jest.advanceTimersByTime(0);
    this.log.remains = {
      timers: jest.getTimerCount(),
      listeners: this.controllers.flatMap(({ signal }) => getEventListeners(signal, 'abort')).length,
      sizes: this.groups.reduce((sum, { size }) => sum + size, 0),
      inFlight: this.groups.flatMap((group) => group.inFlight()).length,
    };
    return this.log;
  }

  // ---- Calls

  private groupOf(options: GroupStep, index: number): Group<unknown> {
    const { limits, ...others } = options;
    if (Object.keys(limits).length > 0) this.log.timed = true;
    const made: GroupOptions = {
      ...limits,
      ...others,
      name: `group ${index}`,
      observer: {
        reject: ({ error }) => {
          this.calling.at(-1)!.refused = { error };
        },
      },
    };
    return new Group<unknown>(made);
  }

  private invoke(caller: CallerLog): Promise<unknown> {
    const { call, keys, guard } = caller;
    const group = this.groups[call.group]!;
    const signal =
      guard === undefined ? this.controllers[call.signal ?? -1]?.signal : this.functions.signalOf(guard.path);
    const options = {
      ...call.limits,
      ...(signal !== undefined && { signal }),
      ...(call.waitTimeoutMs !== undefined && { waitTimeoutMs: call.waitTimeoutMs }),
    };
    if (call.waitTimeoutMs !== undefined || Object.keys(call.limits).length > 0) this.log.timed = true;
    // The path without options is one of its own.
    const given = Object.keys(options).length === 0 ? undefined : options;
    this.calling.push(caller);
    try {
      if (call.how !== 'doMany') {
        return group[call.how](KEYS[keys[0]!], (flight) => this.functions.execute(caller, [keys[0]!], flight), given);
      }
      const load = (missing: readonly unknown[], flight: Flight<unknown>): Promise<ReadonlyMap<unknown, unknown>> =>
        this.functions.execute(
          caller,
          missing.map((key) => KEYS.indexOf(key)),
          flight,
        ) as never;
      return group.doMany(
        call.keys.map((key) => KEYS[key]),
        load,
        given,
      );
    } finally {
      this.calling.pop();
    }
  }

  private async hear(caller: CallerLog, promise: Promise<unknown>): Promise<void> {
    try {
      const value = await promise;
      caller.answers.push({ ok: true, value, mark: this.log.mark(), context: name.getStore() });
    } catch (error) {
      caller.answers.push({ ok: false, error, mark: this.log.mark(), context: name.getStore() });
      const { path, call, guard } = caller;
      if (call.retries > 0) void this.call(`${path}+`, { ...call, retries: call.retries - 1 }, { guard });
    }
  }

  /** What is done from inside of something else belongs to that step. */
  private act<R>(action: () => R): R {
    if (this.depth++ === 0) this.log.next();
    try {
      return action();
    } finally {
      this.depth--;
    }
  }
}
