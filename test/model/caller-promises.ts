import { before, hold, nameOf, type Ask, type History, type Outcome } from './history.js';
import type { AnswerLog, CallerLog } from './log.js';
import { KEYS } from './steps.js';

/** Each call is answered, once and in time, and no rejection is left unhandled. */
export function everybodySettles({ log, asks }: History): number {
  hold(log.unhandled.length === 0, () => `rejections went unhandled: ${log.unhandled.map(String).join()}`);
  for (const { path, call, made, answers, refused } of log.callers) {
    hold(answers.length === 1, () => `${path} was answered ${answers.length} times`);
    const [answer] = answers as [AnswerLog];
    const late = answer.mark.at > made.at + (call.waitTimeoutMs ?? Infinity);
    hold(!late, () => `${path} had to wait for longer than it would`);
    if (refused === undefined) continue;
    hold(!answer.ok && answer.error === refused.error, () => `${path} was refused, and had another answer`);
  }
  for (const { caller, flight } of asks) {
    if (caller.keys.length > 1 || flight === undefined) continue;
    const limit = flight.started.at + (flight.limits.flightTimeoutMs ?? Infinity);
    const late = caller.answers[0]!.mark.at > Math.max(limit, caller.made.at);
    hold(!late, () => `${caller.path} had to wait for ${flight.path}, which had timed out`);
  }
  return log.callers.length;
}

/** Who leaves is told why; all others get what their flights ended with, whoever has left. */
export function nobodyIsSpecial(history: History): number {
  let checked = 0;
  const { log } = history;
  for (const caller of log.callers) {
    const { path, call, made, answers, refused } = caller;
    const [answer] = answers as [AnswerLog];
    const abort = log.aborts.get(call.signal ?? -1);
    if (refused !== undefined) {
      if (!before(abort?.mark, made)) continue;
      checked++;
      hold(!answer.ok && answer.error === abort!.reason, () => `${path} was not told why it was refused`);
      continue;
    }
    if (history.left(caller) !== undefined) continue;
    const asks = history.asks.filter((ask) => ask.caller === caller);
    const stayed = asks.some(({ flight }) => history.isUnsettled(flight!, abort?.mark)) && before(made, abort!.mark);
    hold(!stayed || caller.guard !== undefined, () => `${path} was to leave, and did not`);
    if (asks.some(({ flight }) => history.asksOf(flight!).some((other) => history.left(other.caller)))) checked++;
    const fates = asks.map((ask) => fatesOf(history, ask));
    const right = call.how === 'doMany' ? isOfAll(caller, fates, answer) : fates[0]!.some((fate) => is(fate, answer));
    hold(right, () => `${path} was not told how its flights had ended, but ${said(answer)}`);
  }
  return checked;
}

/** A name stands for an error that the library makes. */
type Fate = Outcome | { readonly ok: false; readonly error: unknown; readonly named: string };

/** What one who stays may be told of a key: mostly there is one right answer. */
function fatesOf(history: History, { caller, key, flight }: Ask): Fate[] {
  const cut = history.cutOf(flight!);
  const own = history.outcome(flight!, key);
  const fates: Fate[] = own === undefined ? [] : [own];
  if (cut === undefined) return fates;
  const { call, guard } = caller;
  // One who cannot leave may hold the function's own promise, which nobody else can answer.
  const bound = guard === undefined && call.signal === undefined && call.waitTimeoutMs === undefined;
  const short: Fate = { ok: false, error: undefined, named: cut.error };
  return bound && call.how !== 'doMany' && cut.error === 'GroupClosedError' ? [...fates, short] : [short];
}

function is(fate: Fate, answer: AnswerLog): boolean {
  if (fate.ok || answer.ok) return fate.ok && answer.ok && valueOf(answer.value) === fate.value;
  const named = 'named' in fate ? fate.named : fate.error;
  return nameOf(answer.error) === named || (!('named' in fate) && answer.error === fate.error);
}

/** The error of the first key that failed, or the values of all that are not absent. */
function isOfAll({ keys }: CallerLog, fates: Fate[][], answer: AnswerLog): boolean {
  const ends = fates.map(([fate]) => fate!);
  const failed = ends.find((fate) => !fate.ok && !('absent' in fate));
  if (failed !== undefined) return is(failed, answer);
  const values = ends.flatMap((fate, index) => (fate.ok ? [[KEYS[keys[index]!], fate.value]] : []));
  return answer.ok && JSON.stringify([...(answer.value as Map<unknown, unknown>)]) === JSON.stringify(values);
}

/** What `run` resolves to, and `do` holds. */
function valueOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? (value as { value: unknown }).value : value;
}

function said(answer: AnswerLog): string {
  return answer.ok ? String(valueOf(answer.value)) : String(nameOf(answer.error) ?? answer.error);
}

/** All callers of a flight that failed get the very same error, which is the function's own if that ended by itself. */
export function errorsTravel(history: History): number {
  let checked = 0;
  for (const flight of history.log.flights) {
    for (const key of flight.keys) {
      const closed = history.cutOf(flight)?.error === 'GroupClosedError';
      const own = flight.ended?.ok === false ? [flight.ended.error] : [];
      const errors = history.stayed(flight, key).flatMap((answer) => (answer.ok ? [] : [answer.error]));
      if (errors.length > 1) checked++;
      // Those who hold the function's own promise are told by the function when the group is closed.
      const others = closed ? errors.filter((error) => !own.includes(error)) : errors;
      hold(new Set(others).size <= 1, () => `the callers of ${flight.path} got different errors`);
      if (history.cutOf(flight) !== undefined || own.length === 0) continue;
      hold(
        errors.every((error) => error === own[0]),
        () => `the callers of ${flight.path} got another error than its own`,
      );
    }
  }
  return checked;
}

/** Each caller wakes in its own async context; a function runs in that of its caller, or of the group. */
export function ownContext({ log }: History): number {
  for (const { path, answers } of log.callers) {
    for (const { context } of answers) hold(context === path, () => `${path} woke as ${String(context)}`);
  }
  for (const { path, group, contexts } of log.flights) {
    const expected = log.groups[group]!.context === 'group' ? `group ${group}` : path;
    for (const context of contexts) hold(context === expected, () => `${path} ran as ${String(context)}`);
  }
  return log.callers.length;
}

/** Whatever a caller is given comes from a flight of its own group, for its own key. */
export function keysNeverCollide({ log }: History): number {
  const flights = new Map(log.flights.map((flight) => [flight.path, flight]));
  let checked = 0;
  for (const { path, call, keys, answers } of log.callers) {
    for (const answer of answers) {
      if (!answer.ok) continue;
      const given = answer.value instanceof Map ? [...answer.value] : [[KEYS[keys[0]!], valueOf(answer.value)]];
      for (const [asked, value] of given) {
        const [, its, key] = /^(\w+\+*\w*)\/(\d)/.exec(String(value)) ?? [];
        const right = flights.get(its ?? '')?.group === call.group && KEYS[Number(key)] === asked;
        hold(right, () => `${path} asked for key ${KEYS.indexOf(asked)} and got ${String(value)}`);
        checked++;
      }
    }
  }
  return checked;
}

/** Nothing is left in the end, one listener serves all calls of a signal, and without time limits there is no timer. */
export function idleCostsNothing({ log }: History): number {
  const { remains, listeners, idleTimers } = log;
  const left = JSON.stringify(remains);
  hold(left === '{"timers":0,"listeners":0,"sizes":0,"inFlight":0}', () => `this is left: ${left}`);
  hold(listeners.most <= 1, () => `one signal had ${listeners.most} listeners`);
  hold(idleTimers === 0, () => `there were ${idleTimers} timers without a time limit`);
  return listeners.guarded;
}
