import type { GroupModel, ModelCaller, ModelFlight, Outcome } from './group-model.js';
import { loadedOf, valueOf, type Answer } from './steps.js';

/** How a function ended; `inner` is what came of the call that it waited for. */
export type FunctionEnd =
  { readonly ok: true; readonly inner?: string } | { readonly ok: false; readonly error: string };

export function canLeave({ guard, call }: ModelCaller): boolean {
  return guard !== undefined || call.waitTimeoutMs !== undefined;
}

/** Why a call is refused before it has joined or started anything, if it is. */
export function refusalOf(
  caller: ModelCaller,
  group: GroupModel,
  executing: ModelFlight | undefined,
): string | undefined {
  const { maxFlights = Infinity, maxFollowers = Infinity, detectDeadlocks } = group.options;
  const found = [...caller.outcomes.keys()].map((key) => group.find(key));
  if (found.includes(undefined)) {
    if (group.closing !== 'open') return 'GroupClosedError';
    if (group.running().length >= maxFlights) return 'TooManyFlightsError';
  }
  for (const part of found) {
    if (part === undefined || part.outcome !== undefined) continue;
    if (part.aboard.length > maxFollowers) return 'TooManyFollowersError';
    if (detectDeadlocks && !canLeave(caller) && part.flight === executing) return 'DeadlockError';
  }
  return undefined;
}

/** A flight for the keys that its caller found nothing for. */
export function newFlight(
  { path, call }: ModelCaller,
  group: GroupModel,
  keys: readonly number[],
  now: number,
): ModelFlight {
  const limits = { ...group.options.limits, ...call.limits };
  const flight: ModelFlight = {
    path,
    group,
    batch: call.how === 'doMany',
    work: call.work,
    startedAt: now,
    limits,
    parts: [],
    read: false,
    listening: false,
    ended: false,
    failed: false,
    aborted: undefined,
  };
  const joinableUntil = now + (limits.joinWindowMs ?? Infinity);
  const part = { flight, joinableUntil, joined: 0, keyed: true, outcome: undefined };
  flight.parts = keys.map((key) => ({ ...part, key, aboard: [] }));
  return flight;
}

/** What the end of a function is to each of its keys. */
export function outcomesOf({ path, batch, work, parts }: ModelFlight, end: FunctionEnd): Outcome[] {
  const keys = parts.map(({ key }) => key);
  if (!end.ok) return keys.map(() => end);
  if (!batch) return keys.map((key) => ({ ok: true, value: valueOf(path, key, end.inner) }));
  const loaded = loadedOf(work, path, keys, end.inner);
  if (loaded === undefined) return keys.map(() => ({ ok: false, error: 'InvalidOptionError' }));
  const values = new Map(loaded);
  return keys.map((key): Outcome => {
    const value = values.get(key);
    return value === undefined ? { ok: false, error: 'NoResultError', absent: true } : { ok: true, value };
  });
}

/** What a caller is told all of whose keys have an outcome, and how a value reads where it becomes a part of another. */
export function answerOf({ call, role, part, outcomes }: ModelCaller): [Exclude<Answer, 'pending'>, string?] {
  const ends = [...outcomes].map(([key, outcome]) => [key, outcome!] as const);
  if (call.how !== 'doMany') {
    const outcome = ends[0]![1];
    if (!outcome.ok) return [{ error: outcome.error }];
    const { value } = outcome;
    const shared = role === 'follower' || part!.joined > 1;
    return [{ value: call.how === 'run' ? value : { ok: true, value, shared, role } }, value];
  }
  for (const [, outcome] of ends) if (!outcome.ok && outcome.absent !== true) return [{ error: outcome.error }];
  const values = ends.flatMap(([key, outcome]) => (outcome.ok ? [[key, outcome.value]] : []));
  return [{ value: values }, values.join()];
}
