import fc from 'fast-check';
import {
  KEYS,
  SIGNALS,
  type CallStep,
  type End,
  type GroupStep,
  type InnerStep,
  type Limits,
  type Step,
  type Work,
} from './steps.js';

const { MODEL_PROGRAMS, MODEL_SEED } = process.env;
/** How many random programs each property goes through. */
export const PROGRAMS = Number(MODEL_PROGRAMS ?? 1_000);
/** What they are drawn from: printed when one fails, and always for a run whose size was asked for. */
export const SEED = MODEL_SEED === undefined ? (Date.now() ^ (Math.random() * 2 ** 32)) | 0 : Number(MODEL_SEED);
/** A search for the smallest program that fails takes a while. */
export const TIMEOUT_MS = 120_000 + 30 * PROGRAMS;

/** Says, for a run whose size was asked for, what could be repeated, and how often each promise had to hold. */
export function report(what: string, exercised: ReadonlyMap<string, number>): void {
  if (MODEL_PROGRAMS === undefined) return;
  const times = [...exercised].map(([promise, count]) => `  ${promise}: ${count}\n`).join('');
  process.stdout.write(`${what}: ${PROGRAMS} programs, MODEL_SEED=${SEED}; had something to check:\n${times}`);
}

/** One time in so many. */
const sometimes = <T>(one: fc.Arbitrary<T>, inSoMany: number): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: inSoMany - 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: one });
// The higher a group or key, the rarer: callers are to meet.
const group = fc.constantFrom(0, 0, 0, 0, 1, 1, 2);
const key = fc.oneof(
  { weight: 8, arbitrary: fc.constant(0) },
  { weight: 3, arbitrary: fc.constant(1) },
  { weight: 1, arbitrary: fc.nat({ max: KEYS.length - 1 }) },
);
const signal = fc.nat({ max: SIGNALS - 1 });
// All time limits are even, graces odd: when a grace is over, nothing else happens in that millisecond.
const ms = fc.integer({ min: 1, max: 4 }).map((half) => 2 * half);
const graceMs = ms.map((even) => even - 1);
const end = fc.constantFrom<End>('value', 'value', 'value', 'error', 'error', 'undefined', '0');
const limits: fc.Arbitrary<Limits> = fc.record(
  { joinWindowMs: ms, flightTimeoutMs: ms, lingerMs: ms },
  { requiredKeys: [] },
);

const groupStep: fc.Arbitrary<GroupStep> = fc.record({
  limits: fc.oneof({ arbitrary: fc.constant({}), weight: 2 }, limits),
  maxFlights: sometimes(fc.integer({ min: 1, max: 4 }), 4),
  maxFollowers: sometimes(fc.nat({ max: 2 }), 4),
  detectDeadlocks: fc.constantFrom(true, true, false),
  context: fc.constantFrom('caller', 'caller', 'group'),
  isolate: fc.constantFrom('none', 'none', 'clone'),
});
/** Two groups at least; the plain path has one of its own. */
export const groups: fc.Arbitrary<GroupStep[]> = fc.tuple(groupStep, groupStep).map(([one, other]) => [
  one,
  other,
  {
    limits: {},
    maxFlights: undefined,
    maxFollowers: undefined,
    detectDeadlocks: false,
    context: 'caller',
    isolate: 'none',
  },
]);

const how = fc.constantFrom<CallStep['how']>('run', 'run', 'run', 'do', 'do', 'doMany', 'doMany');
const { work } = fc.letrec<{ work: Work; inner: InnerStep }>((tie) => ({
  work: fc.record({
    returns: fc.constantFrom<Work['returns']>(
      ...(['promise', 'promise', 'promise', 'thenable', 'value', 'throw', 'nested', 'nested', 'nested'] as const),
    ),
    reads: fc.constantFrom('never', 'first', 'last'),
    inside: fc.constantFrom<Work['inside']>('nothing', 'nothing', 'nothing', 'nothing', 'call', 'forget', 'abort'),
    onAbort: fc.constantFrom('nothing', 'call'),
    inner: fc.option(tie('inner'), { nil: undefined, depthSize: 'small', maxDepth: 3, freq: 5 }),
    loads: fc.constantFrom<Work['loads']>('all', 'all', 'all', 'but one', 'one more', 'no map'),
    ends: end,
  }),
  inner: fc.record({
    group,
    how,
    above: fc.constantFrom(0, 0, 0, 1, 2),
    passesSignal: fc.constantFrom(false, false, true),
    work: tie('work'),
  }),
}));

const call: fc.Arbitrary<CallStep> = fc.record({
  step: fc.constant('call'),
  group,
  how,
  keys: fc.array(key, { maxLength: 4 }).chain((others) => key.map((first) => [first, ...others])),
  signal: sometimes(signal, 3),
  waitTimeoutMs: sometimes(ms, 5),
  limits: fc.oneof({ arbitrary: fc.constant({}), weight: 5 }, limits),
  work,
  retries: fc.constant(0),
});
/** A call for no key at all. */
const callForNothing = call.map((made): CallStep => ({ ...made, how: 'doMany', keys: [] }));

const abort = fc.record({ step: fc.constant('abort' as const), signal });
const forget = fc.record({ step: fc.constant('forget' as const), group, key });
const forgetAll = fc.record({ step: fc.constant('forget all' as const), group });
const close = fc.record({ step: fc.constant('close' as const), group, graceMs });
const read = fc.record({ step: fc.constant('read' as const), flight: fc.nat() });
const pass = fc.record({ step: fc.constant('pass' as const), ms });
const settle = fc.record({ step: fc.constant('settle' as const), flight: fc.nat(), end });
const wake = fc.constant({ step: 'wake' as const });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 60, arbitrary: call },
  { weight: 1, arbitrary: callForNothing },
  { weight: 8, arbitrary: abort },
  { weight: 10, arbitrary: forget },
  { weight: 2, arbitrary: forgetAll },
  { weight: 1, arbitrary: close },
  { weight: 20, arbitrary: settle },
  { weight: 10, arbitrary: read },
  { weight: 12, arbitrary: pass },
  { weight: 20, arbitrary: wake },
);
export const program: fc.Arbitrary<Step[]> = fc.array(step, { minLength: 1, maxLength: 60, size: 'max' });

/** For the scheduler: several actors, each with its own steps; functions end when it says so. */
const act: fc.Arbitrary<Step> = fc.oneof(
  { weight: 40, arbitrary: fc.tuple(call, fc.nat({ max: 2 })).map(([made, retries]) => ({ ...made, retries })) },
  { weight: 8, arbitrary: abort },
  { weight: 10, arbitrary: forget },
  { weight: 2, arbitrary: forgetAll },
  { weight: 1, arbitrary: close },
  { weight: 6, arbitrary: read },
  { weight: 10, arbitrary: pass },
);
export const actors: fc.Arbitrary<Step[][]> = fc.array(fc.array(act, { minLength: 1, maxLength: 12, size: 'max' }), {
  minLength: 2,
  maxLength: 4,
  size: 'max',
});
