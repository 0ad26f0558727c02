import { InvalidOptionError, type ErrorPlace } from '../core/errors.js';
import { checkNames, type Where } from '../core/options.js';
import { structuredCodec, type Codec } from './codec.js';
import type { FlightEngine } from './engine.js';
import type { ErrorClass } from './error-codec.js';

/** What a fleet is made with: the same in every process of it, but for the engine, which each process has its own of. */
export interface FleetOptions {
  /** Whose flights they are: two apps on one engine never meet. */
  app: string;
  /** Two releases whose results do not fit are two versions, and never meet. Default: `''`. */
  version?: string | undefined;
  /** What the processes have in common. */
  engine: FlightEngine;
  /**
   * How long a process leads before it has to say that it is still there, in milliseconds, and so how long the others
   * wait for one that has died. Default: 10,000.
   */
  leaseMs?: number | undefined;
  /** How long a result is kept for those who waited and missed the push, in milliseconds. Default: two leases. */
  retainMs?: number | undefined;
  /**
   * How long a process may lead one flight, in milliseconds; then others take over, while its own callers still get its
   * result. Default: the flight's `joinWindowMs`, or 30,000 where that is none.
   */
  maxRunMs?: number | undefined;
  /** How long the engine has for an answer, in milliseconds. Default: 1,000. */
  operationTimeoutMs?: number | undefined;
  /** How long the engine may be silent while somebody waits for it before it counts as down, in milliseconds. Default: 500. */
  degradeAfterMs?: number | undefined;
  /** While the engine is down: run functions once per process, or reject with the engine's error. Default: `'local'`. */
  whenDown?: 'local' | 'fail' | undefined;
  /** How results travel. Default: {@link structuredCodec}. */
  codec?: Codec | undefined;
  /** Classes of errors that arrive as themselves. The language's own, and this library's, need not be listed. */
  errors?: readonly ErrorClass[] | undefined;
  /** Where the jitter of a takeover comes from, from 0 to below 1: for tests. Default: `Math.random`. */
  random?: (() => number) | undefined;
}

export const FLEET_OPTIONS = [
  ...['app', 'version', 'engine', 'leaseMs', 'retainMs', 'maxRunMs', 'operationTimeoutMs', 'degradeAfterMs'],
  ...['whenDown', 'codec', 'errors', 'random'],
] as const;

/** A fleet's options with every default filled in. */
export interface FleetLimits {
  readonly leaseMs: number;
  readonly retainMs: number;
  readonly maxRunMs: number | undefined;
  readonly operationTimeoutMs: number;
  readonly degradeAfterMs: number;
  readonly whenDown: 'local' | 'fail';
  readonly random: () => number;
}

const MAX_TIMER_MS = 2 ** 31 - 1;
const VERBS = ['start', 'join', 'renew', 'complete', 'abandon', 'forget', 'stop'] as const;

/** @throws InvalidOptionError when an option is unknown or its value is not allowed */
export function fleetLimitsOf(options: FleetOptions, place: Where): FleetLimits & { readonly codec: Codec } {
  checkNames(options, FLEET_OPTIONS, place);
  checkNamed('app', options.app, place);
  if (options.version !== undefined && typeof options.version !== 'string') {
    throw InvalidOptionError.value('version', options.version, 'a string', place());
  }
  const { minLeaseMs } = checkEngine(options.engine, place).limits;
  const { leaseMs = 10_000, degradeAfterMs = 500, operationTimeoutMs = 1_000, maxRunMs } = options;
  checkDuration('leaseMs', leaseMs, Math.max(1, minLeaseMs), place);
  const { retainMs = leaseMs * 2 } = options;
  // Those who have missed the push ask for the result when the lease is over.
  checkDuration('retainMs', retainMs, leaseMs, place);
  if (maxRunMs !== undefined) checkDuration('maxRunMs', maxRunMs, Math.max(1, minLeaseMs), place);
  checkDuration('operationTimeoutMs', operationTimeoutMs, 1, place);
  checkDuration('degradeAfterMs', degradeAfterMs, 1, place);
  checkOthers(options, place);
  const { whenDown = 'local', codec = structuredCodec(), random = Math.random } = options;
  return { leaseMs, retainMs, maxRunMs, operationTimeoutMs, degradeAfterMs, whenDown, codec, random };
}

/** @throws InvalidOptionError for anything but a string that is not empty */
export function checkNamed(option: string, value: unknown, place: Where): void {
  if (typeof value === 'string' && value !== '') return;
  throw InvalidOptionError.value(option, value, 'a string that is not empty, the same in every process', place());
}

function checkEngine(engine: unknown, place: Where): FlightEngine {
  const found = engine as Partial<FlightEngine> | null | undefined;
  const limits = found?.limits as Partial<FlightEngine['limits']> | undefined;
  const isEngine =
    typeof found === 'object' &&
    VERBS.every((verb) => typeof found?.[verb] === 'function') &&
    typeof limits?.minLeaseMs === 'number' &&
    typeof limits.maxPayloadBytes === 'number';
  if (isEngine) return found as FlightEngine;
  const wrapped = wrapperFor(found);
  const allowed = `a FlightEngine, such as a RedisEngine${wrapped === undefined ? '' : `. Wrap it: ${wrapped}`}`;
  throw InvalidOptionError.value('engine', engine, allowed, place());
}

/** What makes an engine of a client that came instead of one. */
function wrapperFor(client: object | null | undefined): string | undefined {
  if (typeof client !== 'object' || client === null) return undefined;
  const has = (...methods: string[]): boolean =>
    methods.every((method) => typeof (client as Record<string, unknown>)[method] === 'function');
  if (has('duplicate', 'sendCommand')) return 'new RedisEngine({ client })';
  return has('query', 'connect') ? 'new PostgresEngine({ pool })' : undefined;
}

function checkDuration(option: string, value: unknown, least: number, place: Where): void {
  if (typeof value === 'number' && value >= least && value <= MAX_TIMER_MS) return;
  throw InvalidOptionError.value(option, value, `a number of milliseconds from ${least} to ${MAX_TIMER_MS}`, place());
}

function checkOthers({ whenDown, codec, errors, random }: FleetOptions, place: () => ErrorPlace): void {
  if (whenDown !== undefined && !['local', 'fail'].includes(whenDown)) {
    throw InvalidOptionError.value('whenDown', whenDown, "'local' or 'fail'", place());
  }
  const { name, encode, decode } = (codec ?? {}) as Partial<Codec>;
  const isCodec = typeof name === 'string' && typeof encode === 'function' && typeof decode === 'function';
  if (codec !== undefined && !(isCodec && Buffer.byteLength(name) < 256)) {
    const allowed = 'a codec: an object with a name of less than 256 bytes, and the functions encode and decode';
    throw InvalidOptionError.value('codec', codec, allowed, place());
  }
  if (errors !== undefined && !Array.isArray(errors)) {
    throw InvalidOptionError.value('errors', errors, 'an array of { class, properties }', place());
  }
  if (random !== undefined && typeof random !== 'function') {
    throw InvalidOptionError.value('random', random, 'a function that returns a number from 0 to below 1', place());
  }
}
