import { InvalidOptionError, type ErrorPlace } from './errors.js';
import { handOutOf, type HandOut, type Isolation } from './isolate.js';
import type { FlightObserver } from './observer.js';

/** What one caller asks for itself; it changes nothing for the others. */
export interface CallOptions {
  /** Leave when it aborts, rejecting with its reason. Already aborted: the call is refused before joining or starting. */
  signal?: AbortSignal | undefined;
  /** Leave after this many milliseconds, rejecting with `WaitTimeoutError`. Default: none. */
  waitTimeoutMs?: number | undefined;
}

/** What holds for a flight; the caller who starts it decides, those who join take it as it is. */
export interface FlightOptions {
  /**
   * A flight older than this many milliseconds is not joined any more: the next caller starts a new one, and the old
   * one goes on adrift. Default: `Infinity`, as in Go (30,000 in the Nest module).
   */
  joinWindowMs?: number | undefined;
  /**
   * After this many milliseconds the flight settles with `FlightTimeoutError`, its key is free, and then its signal
   * aborts; what the function does later changes nothing. Default: `Infinity`.
   */
  flightTimeoutMs?: number | undefined;
  /** For this many milliseconds after a success late callers still get its result. Default: 0. */
  lingerMs?: number | undefined;
}

/** What a {@link Group} is made with; its flight options hold for every flight that is started without its own. */
export interface GroupOptions extends FlightOptions {
  /** How errors, events and metrics call the group. Default: `'default'`. */
  name?: string | undefined;
  /**
   * How callers are kept from changing each other's result. Copies are made when the flight settles; a lone caller gets
   * the original, unless the result lingers. Default: `'none'`, everybody gets the same one.
   */
  isolate?: Isolation | undefined;
  /** How many functions may run at a time, those adrift counted; one more: `TooManyFlightsError`. Default: `Infinity`. */
  maxFlights?: number | undefined;
  /** How many callers may follow one flight at a time; one more: `TooManyFollowersError`. Default: `Infinity`. */
  maxFollowers?: number | undefined;
  /**
   * In whose async context functions run: that of the caller who started the flight, or the one in which the group was
   * made. Default: `'caller'`.
   */
  context?: 'caller' | 'group' | undefined;
  /**
   * Whether a call that would wait for itself is refused with a `DeadlockError`. It costs an AsyncLocalStorage. Default:
   * true, unless NODE_ENV is `production`.
   */
  detectDeadlocks?: boolean | undefined;
  /** How errors, listings and events print a key. Default: its first 64 characters. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the keys are of whichever type the group's are
  describeKey?: ((key: any) => string) | undefined;
  /** Who is told of starts, joins, ends. Default: `node:diagnostics_channel`, under `nestjs-singleflight:flight:*`. */
  observer?: FlightObserver | undefined;
}

/** What {@link Group.close} takes. */
export interface CloseOptions {
  /** How long to wait for flights under way, in milliseconds; 0: not at all. Default: 5,000. */
  graceMs?: number | undefined;
}

export const DEFAULT_GRACE_MS = 5_000;

/** A flight's options with every default filled in. */
export interface FlightLimits {
  readonly joinWindowMs: number;
  readonly flightTimeoutMs: number;
  readonly lingerMs: number;
  /** How its result is handed out; undefined: everybody gets the same one. */
  readonly handOut: HandOut | undefined;
}

const NO_LIMITS: FlightLimits = {
  joinWindowMs: Infinity,
  flightTimeoutMs: Infinity,
  lingerMs: 0,
  handOut: undefined,
};
// Node's timers hold 32 bits; a longer delay would fire at once.
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Where an option was given: asked only when there is an error to make. */
export type Where = () => ErrorPlace;

export const FLIGHT_OPTIONS = ['joinWindowMs', 'flightTimeoutMs', 'lingerMs'] as const;
export const CALL_OPTIONS = ['signal', 'waitTimeoutMs', ...FLIGHT_OPTIONS] as const;
export const GROUP_OPTIONS = [
  'name',
  ...FLIGHT_OPTIONS,
  'isolate',
  'maxFlights',
  'maxFollowers',
  'context',
  'detectDeadlocks',
  'describeKey',
  'observer',
] as const;

const OF_EACH_CALL = 'It is given to each call.';
/** What is no option of a group, and where it is one. */
const ELSEWHERE = { waitTimeoutMs: OF_EACH_CALL, signal: OF_EACH_CALL };

/**
 * @param place where they were given
 * @param elsewhere as for {@link checkNames}
 * @throws InvalidOptionError when an option is unknown or its value is not allowed
 */
export function checkGroupOptions(
  options: GroupOptions,
  place: Where = () => placeOf(options, 'new Group'),
  elsewhere: Readonly<Record<string, string>> = ELSEWHERE,
): void {
  checkNames(options, GROUP_OPTIONS, place, elsewhere);
  const { name, describeKey, observer } = options;
  if (name !== undefined && (typeof name !== 'string' || name === '')) {
    throw InvalidOptionError.value('name', name, 'a string that is not empty', place());
  }
  if (describeKey !== undefined && typeof describeKey !== 'function') {
    throw InvalidOptionError.value('describeKey', describeKey, 'a function from a key to a string', place());
  }
  if (observer !== undefined && (typeof observer !== 'object' || (observer as unknown) === null)) {
    throw InvalidOptionError.value(
      'observer',
      observer,
      'an object with a method for each event it wants to hear',
      place(),
    );
  }
  checkBounds(options, place);
  checkIsolation(options.isolate, place);
  checkFlightValues(options, place);
}

/** The group that is being made, if what came as its options has a name; else what makes it. */
export function placeOf(options: unknown, site: string): ErrorPlace {
  const { name } = (typeof options === 'object' && options !== null ? options : {}) as { name?: unknown };
  return typeof name === 'string' && name !== '' ? { group: name } : { site };
}

/** @throws InvalidOptionError when an option is unknown or its value is not allowed */
export function checkCallOptions(options: CallOptions & FlightOptions, place: () => ErrorPlace): void {
  checkNames(options, CALL_OPTIONS, place);
  const { signal, waitTimeoutMs } = options;
  if (signal !== undefined && !isAbortSignal(signal)) {
    throw InvalidOptionError.value('signal', signal, 'an AbortSignal', place());
  }
  checkTimeout('waitTimeoutMs', waitTimeoutMs, place);
  checkFlightValues(options, place);
}

/** @throws InvalidOptionError when an option is unknown or its value is not allowed */
export function checkCloseOptions(options: CloseOptions, place: Where): void {
  checkNames(options, ['graceMs'], place);
  checkDuration('graceMs', options.graceMs, place);
}

/** The limits of a flight: what its first caller said, else what the group says, else none. */
export function limitsOf(
  { joinWindowMs, flightTimeoutMs, lingerMs }: FlightOptions,
  isolate: Isolation | undefined,
  defaults: FlightLimits = NO_LIMITS,
): FlightLimits {
  if (joinWindowMs === undefined && flightTimeoutMs === undefined && lingerMs === undefined && isolate === undefined) {
    return defaults;
  }
  return {
    joinWindowMs: joinWindowMs ?? defaults.joinWindowMs,
    flightTimeoutMs: flightTimeoutMs ?? defaults.flightTimeoutMs,
    lingerMs: lingerMs ?? defaults.lingerMs,
    handOut: isolate === undefined ? defaults.handOut : handOutOf(isolate),
  };
}

/**
 * @param elsewhere of names that are no options here, a sentence that says where they are
 * @throws InvalidOptionError when `options` is no object, or has a name that is not among the known ones
 */
export function checkNames(
  options: object,
  known: readonly string[],
  place: Where,
  elsewhere: Readonly<Record<string, string>> = {},
): void {
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw InvalidOptionError.value('options', options, 'an object', place());
  }
  for (const name in options) {
    if (known.includes(name)) continue;
    throw InvalidOptionError.unknown(
      name,
      known,
      place(),
      Object.hasOwn(elsewhere, name) ? elsewhere[name] : undefined,
    );
  }
}

/** @throws InvalidOptionError when there is no such isolation */
export function checkIsolation(isolate: unknown, place: Where): void {
  if (isolate === undefined || typeof isolate === 'function') return;
  if (isolate === 'none' || isolate === 'freeze' || isolate === 'clone') return;
  throw InvalidOptionError.value(
    'isolate',
    isolate,
    "'none', 'freeze', 'clone', or a function that copies a result",
    place(),
  );
}

function checkBounds(options: GroupOptions, place: Where): void {
  const { maxFlights, maxFollowers, context, detectDeadlocks } = options;
  checkCount('maxFlights', maxFlights, 1, place);
  checkCount('maxFollowers', maxFollowers, 0, place);
  if (context !== undefined && !['caller', 'group'].includes(context)) {
    throw InvalidOptionError.value('context', context, "'caller' or 'group'", place());
  }
  if (detectDeadlocks !== undefined && typeof detectDeadlocks !== 'boolean') {
    throw InvalidOptionError.value('detectDeadlocks', detectDeadlocks, 'true or false', place());
  }
}

function checkCount(option: string, value: unknown, least: number, place: Where): void {
  if (value === undefined || value === Infinity || (Number.isInteger(value) && (value as number) >= least)) return;
  throw InvalidOptionError.value(option, value, `a whole number from ${least}, or Infinity for none`, place());
}

function checkFlightValues({ joinWindowMs, flightTimeoutMs, lingerMs }: FlightOptions, place: Where): void {
  if (joinWindowMs !== undefined && !(typeof joinWindowMs === 'number' && joinWindowMs > 0)) {
    throw InvalidOptionError.value(
      'joinWindowMs',
      joinWindowMs,
      'a number of milliseconds above 0, or Infinity',
      place(),
    );
  }
  checkTimeout('flightTimeoutMs', flightTimeoutMs, place);
  checkDuration('lingerMs', lingerMs, place);
}

function checkDuration(option: string, value: unknown, place: Where): void {
  if (value === undefined || (typeof value === 'number' && value >= 0 && value <= MAX_TIMER_MS)) return;
  throw InvalidOptionError.value(option, value, `a number of milliseconds from 0 to ${MAX_TIMER_MS}`, place());
}

function checkTimeout(option: string, value: unknown, place: Where): void {
  if (value === undefined || value === Infinity) return;
  if (typeof value === 'number' && value > 0 && value <= MAX_TIMER_MS) return;
  const allowed = `a number of milliseconds above 0 and at most ${MAX_TIMER_MS}, or Infinity for none`;
  throw InvalidOptionError.value(option, value, allowed, place());
}

function isAbortSignal(value: unknown): value is AbortSignal {
  // By shape: a signal may come from another realm, as it does under Jest.
  const signal = value as Partial<AbortSignal> | null;
  return (
    typeof signal === 'object' && typeof signal?.aborted === 'boolean' && typeof signal.addEventListener === 'function'
  );
}
