import { getEventListeners } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import type { Flight } from '../../lib/core/flight.js';
import { Group } from '../../lib/core/group.js';
import type { FlightInfo } from '../../lib/core/stats.js';
import { deferred, type Deferred } from '../support/deferred.js';
import { fakeTime } from '../support/fake-time.js';
import {
  errorOf,
  GroupModel,
  innerCall,
  reasonOf,
  valueOf,
  type Answer,
  type CallStep,
  type Limits,
  type Step,
} from '../support/group-model.js';
import { thenableOf } from '../support/returns.js';
import { microtasks, turn } from '../support/turns.js';

const SIGNALS = 3;

const keys = fc.constantFrom('a', 'b');
const signals = fc.nat({ max: SIGNALS - 1 });
const ms = fc.integer({ min: 1, max: 6 });
const limits: fc.Arbitrary<Limits> = fc.record(
  { joinWindowMs: ms, flightTimeoutMs: ms, lingerMs: ms },
  { requiredKeys: [] },
);
const sometimes = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(one, { nil: undefined });

const call: fc.Arbitrary<CallStep> = fc.record({
  step: fc.constant('call' as const),
  key: keys,
  how: fc.constantFrom('run' as const, 'do' as const),
  signal: sometimes(signals),
  waitTimeoutMs: sometimes(ms),
  limits: fc.oneof({ arbitrary: fc.constant({}), weight: 3 }, limits),
  returns: fc.constantFrom(...(['promise', 'promise', 'promise', 'thenable', 'value', 'throw'] as const)),
  reads: fc.constantFrom('never' as const, 'first' as const, 'last' as const),
  inside: fc.constantFrom(...(['nothing', 'nothing', 'nothing', 'call', 'forget', 'abort'] as const)),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: call },
  { weight: 2, arbitrary: fc.record({ step: fc.constant('abort' as const), signal: signals }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant('forget' as const), key: keys }) },
  { weight: 1, arbitrary: fc.constant({ step: 'forget all' as const }) },
  { weight: 6, arbitrary: fc.record({ step: fc.constant('settle' as const), flight: fc.nat(), ok: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant('read' as const), flight: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ step: fc.constant('pass' as const), ms }) },
  { weight: 6, arbitrary: fc.constant({ step: 'wake' as const }) },
);

/** A group, driven through the steps that its model goes through. */
class Driven {
  readonly group: Group;
  readonly answers: Answer[] = [];
  readonly flights: {
    readonly flight: Flight;
    readonly work: Deferred<string>;
    readonly call: CallStep;
    read: boolean;
  }[] = [];
  readonly controllers = Array.from({ length: SIGNALS }, () => new AbortController());

  constructor(options: Limits) {
    this.group = new Group({ ...options, detectDeadlocks: false });
  }

  call(made: CallStep): void {
    const index = this.answers.push('pending') - 1;
    const options = {
      ...made.limits,
      ...(made.signal !== undefined && { signal: this.controllers[made.signal]!.signal }),
      ...(made.waitTimeoutMs !== undefined && { waitTimeoutMs: made.waitTimeoutMs }),
    };
    // The path without options is one of its own.
    const given = Object.keys(options).length === 0 ? undefined : options;
    const answer: Promise<unknown> = this.group[made.how](made.key, (flight) => this.execute(flight, made), given);
    answer.then(
      (value) => this.answer(index, { value }),
      (error: unknown) => this.answer(index, { error: typeof error === 'string' ? error : (error as Error).name }),
    );
  }

  read(id: number): AbortSignal {
    this.flights[id]!.read = true;
    return this.flights[id]!.flight.signal;
  }

  settle(id: number, ok: boolean): void {
    const { work } = this.flights[id]!;
    if (ok) work.resolve(valueOf(id));
    else work.reject(errorOf(id));
  }

  private execute(flight: Flight, made: CallStep): string | PromiseLike<string> {
    const work = deferred<string>();
    work.promise.catch(() => undefined);
    const id = this.flights.push({ flight, work, call: made, read: false }) - 1;
    if (made.reads === 'first') this.read(id);
    if (made.inside === 'call') this.call(innerCall(made));
    if (made.inside === 'forget') this.group.forget(made.key);
    if (made.inside === 'abort' && made.signal !== undefined)
      this.controllers[made.signal]!.abort(reasonOf(made.signal));
    if (made.reads === 'last') this.read(id);
    if (made.returns === 'throw') throw errorOf(id);
    if (made.returns === 'value') return valueOf(id);
    return made.returns === 'promise' ? work.promise : thenableOf(work.promise);
  }

  private answer(index: number, answer: Answer): void {
    // Nobody is answered twice.
    expect(this.answers[index]).toBe('pending');
    this.answers[index] = answer;
  }
}

function take(one: Step, model: GroupModel, driven: Driven): void {
  switch (one.step) {
    case 'call':
      model.call(one);
      driven.call(one);
      return;
    case 'abort':
      model.abort(one.signal);
      driven.controllers[one.signal]!.abort(reasonOf(one.signal));
      return;
    case 'forget':
      expect(driven.group.forget(one.key)).toBe(model.forget(one.key));
      return;
    case 'forget all':
      expect(driven.group.forgetAll()).toBe(model.forgetAll());
      return;
    case 'settle':
    case 'read': {
      if (model.flights.length === 0) return;
      const id = one.flight % model.flights.length;
      if (one.step === 'read') {
        model.read(id);
        driven.read(id);
        return;
      }
      model.settle(id, one.ok);
      driven.settle(id, one.ok);
      return;
    }
    case 'pass':
      for (let passed = 0; passed < one.ms; passed++) {
        model.passMs();
        jest.advanceTimersByTime(1);
      }
      return;
    case 'wake':
  }
}

/** Lets everybody wake, and compares all that can be seen from outside. */
async function compare(model: GroupModel, driven: Driven): Promise<void> {
  model.wake();
  await microtasks(12);
  const { group, flights } = driven;
  const seen = {
    answers: driven.answers,
    size: group.size,
    stats: group.stats(),
    inFlight: inOrder(group.inFlight()),
    signals: flights.map(({ flight, read }) => read && flight.signal.aborted && (flight.signal.reason as Error).name),
  };
  const promised = {
    answers: model.answers,
    size: model.size,
    stats: model.stats(),
    inFlight: inOrder(model.inFlight()),
    signals: model.flights.map(({ aborted, read }) => read && (aborted ?? false)),
  };
  // Asked first because it is quicker than the assertion, which is there to print the difference.
  if (!isDeepStrictEqual(seen, promised)) expect(seen).toEqual(promised);
}

/** Oldest first, and those of one age by whatever else tells them apart. */
function inOrder(list: readonly FlightInfo[]): FlightInfo[] {
  const inAge = [...list].sort((one, other) => other.ageMs - one.ageMs);
  if (list.some(({ ageMs }, index) => ageMs !== inAge[index]!.ageMs)) throw new Error('Not oldest first.');
  return inAge.sort(
    (one, other) => other.ageMs - one.ageMs || JSON.stringify(one).localeCompare(JSON.stringify(other)),
  );
}

describe('A group does what its model does', () => {
  fakeTime();

  it('in a thousand random programs', async () => {
    await fc.assert(
      fc.asyncProperty(
        limits,
        fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }),
        async (options, program) => {
          const [model, driven] = [new GroupModel(options), new Driven(options)];
          for (const one of program) {
            take(one, model, driven);
            if (one.step === 'wake' || one.step === 'pass') await compare(model, driven);
          }
          await compare(model, driven);
          await landAll(model, driven);
          // A long search for the smallest program that fails lets others have their turn.
          await turn();
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

/** When every function has ended and every result has lingered, nothing is left of it all. */
async function landAll(model: GroupModel, driven: Driven): Promise<void> {
  model.flights.forEach(({ id }) => {
    take({ step: 'settle', flight: id, ok: true }, model, driven);
  });
  await compare(model, driven);
  take({ step: 'pass', ms: 20 }, model, driven);
  await compare(model, driven);
  expect(driven.answers).not.toContain('pending');
  expect(driven.group.size).toBe(0);
  expect(driven.group.inFlight()).toEqual([]);
  // What was called above has looked at the clock once more.
  jest.advanceTimersByTime(0);
  expect(jest.getTimerCount()).toBe(0);
  for (const { signal } of driven.controllers) expect(getEventListeners(signal, 'abort')).toHaveLength(0);
}
