import type { ExecutionContext } from '@nestjs/common';
import { InvalidOptionError, type ErrorPlace } from '../core/errors.js';
import { fleetLimitsOf, type FleetOptions } from '../fleet/options.js';
import { FLEET_PLACE } from './app-fleet.js';
import { describeKeyByDefault, type FlightKey } from '../core/key.js';
import { checkCallOptions, checkGroupOptions, checkNames, GROUP_OPTIONS, type GroupOptions } from '../core/options.js';

/** What differs in Nest from the core's defaults: one hung call cannot take its key out of service. */
export const NEST_DEFAULTS = { joinWindowMs: 30_000 } as const satisfies GroupOptions;

/** Who may share an answer over HTTP: see `SingleFlightInterceptor`. */
export type HttpShare = 'client' | 'user' | 'public';

/** What holds for every route that the interceptor stands before, unless the route says otherwise. */
export interface SingleFlightHttpOptions {
  /** Who may share an answer. Default: `'client'`, only identical requests of one client. */
  share?: HttpShare | undefined;
  /**
   * Who asks, for `'user'`: a key that no two people have in common, such as `[tenant, user.id]`; `undefined`: the request
   * goes alone. It is asked for every request, after the guards.
   */
  identity?: ((context: ExecutionContext) => FlightKey | undefined) | undefined;
  /** With `'user'` and `'public'`, the request headers on which an answer depends. Default: `accept`, `accept-language`. */
  vary?: readonly string[] | undefined;
  /**
   * A request that has waited this long, in milliseconds, is answered 503, the one whose handler runs too; the handler
   * runs on for the others. Default: none.
   */
  waitTimeoutMs?: number | undefined;
  /**
   * Whether handlers, over every transport, may call `currentFlight()`. Default: false, because it takes an
   * `AsyncLocalStorage`, which every async call of the process pays for; `@FlightSignal()` costs nothing.
   */
  currentFlight?: boolean | undefined;
}

/** What `SingleFlightModule.forRoot` takes: the defaults of every group in the app, and what holds for the app itself. */
export interface SingleFlightModuleOptions extends GroupOptions {
  /** The kill switch, as the app starts; `SingleFlightService.enabled` moves it later. Default: true. */
  enabled?: boolean | undefined;
  http?: SingleFlightHttpOptions | undefined;
  /** The processes that share the flights which have a name, and what they have in common. Default: none. */
  fleet?: FleetOptions | undefined;
}

export const MODULE_OPTIONS = [...GROUP_OPTIONS, 'enabled', 'http', 'fleet'] as const;
export const HTTP_OPTIONS = ['share', 'identity', 'vary', 'waitTimeoutMs', 'currentFlight'] as const;

const FOR_ROOT: ErrorPlace = { site: 'forRoot' };

/** What is no option of a group, and where in an app it is one. */
export const ELSEWHERE = {
  waitTimeoutMs: 'It is given to a call, to @SingleFlight, to wrap, or to forRoot({ http }).',
  signal: 'It is given to a call.',
};

/** @throws InvalidOptionError when an option is unknown or its value is not allowed */
export function checkModuleOptions(options: SingleFlightModuleOptions): void {
  checkNames(options, MODULE_OPTIONS, () => FOR_ROOT, ELSEWHERE);
  const { enabled, http, fleet, ...group } = options;
  checkGroupOptions(group, () => FOR_ROOT);
  if (fleet !== undefined) fleetLimitsOf(fleet, () => FLEET_PLACE);
  if (enabled !== undefined && typeof enabled !== 'boolean') {
    throw InvalidOptionError.value('enabled', enabled, 'true or false', FOR_ROOT);
  }
  if (http === undefined) return;
  checkHttpOptions(http, 'forRoot({ http })');
  if (http.share === 'user' && http.identity === undefined) throw noIdentity("forRoot({ http: { share: 'user' } })");
}

/** Somebody shares per `'user'`, and nothing says who asks. */
export function noIdentity(place: string): InvalidOptionError {
  return new InvalidOptionError(
    `${place} shares answers per 'user', and nothing says who asks. ` +
      'Give forRoot({ http: { identity: (context) => … } }), a function that returns a key of the user.',
  );
}

/**
 * @param site where they stand, such as `@SingleFlightShare`
 * @throws InvalidOptionError when an option is unknown or its value is not allowed
 */
export function checkHttpOptions(http: SingleFlightHttpOptions, site: string): void {
  const place = (): ErrorPlace => ({ site });
  checkNames(http, HTTP_OPTIONS, place);
  const { share, identity, vary, waitTimeoutMs, currentFlight } = http;
  const wrong = (option: string, value: unknown, allowed: string): InvalidOptionError =>
    InvalidOptionError.value(option, value, allowed, place());
  checkCallOptions({ waitTimeoutMs }, place);
  if (share !== undefined && !['client', 'user', 'public'].includes(share)) {
    throw wrong('share', share, "'client', 'user' or 'public'");
  }
  if (identity !== undefined && typeof identity !== 'function') {
    throw wrong('identity', identity, 'a function from an execution context to a key');
  }
  if (currentFlight !== undefined && typeof currentFlight !== 'boolean') {
    throw wrong('currentFlight', currentFlight, 'true or false');
  }
  if (vary !== undefined && !Array.isArray(vary)) throw wrong('vary', vary, 'an array of header names');
  for (const name of vary ?? []) {
    // `*` would be taken for a header that nobody sends, and everybody would share.
    if (typeof name !== 'string' || !/^[\w!#$%&'+.^`|~-]+$/.test(name)) {
      throw wrong('vary', name, 'an array of header names, each without blanks and none of them *');
    }
  }
}

/** How a group prints its keys, where some are objects that print as a text: as if they were that text. */
export function describingText(describeKey: (key: string) => string = describeKeyByDefault): (key: unknown) => string {
  return (key) => describeKey(String(key));
}
