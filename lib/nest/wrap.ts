import { InvalidOptionError } from '../core/errors.js';
import type { Group } from '../core/group.js';
import { checkCallOptions, checkNames, FLIGHT_OPTIONS, type FlightOptions } from '../core/options.js';
import type { KeyResult } from './decorator-types.js';
import { requireFleet, splitFleet, type FleetCallOptions, type FleetHost } from './fleet-name.js';
import { MethodFlights, newNamespace } from './method-flights.js';

/** What may be set for a wrapped function, on top of what its group sets. */
export interface WrapOptions extends FlightOptions, FleetCallOptions {
  /** In milliseconds: a caller that has waited this long leaves with a `WaitTimeoutError`. Default: no limit. */
  waitTimeoutMs?: number | undefined;
}

/** A function whose concurrent calls with equal keys share one execution. */
export type Wrapped<A extends unknown[], T> = ((...args: A) => Promise<T>) & {
  /** Makes the key of these arguments lead to nothing; true if there was something to forget. */
  forget(...args: A): boolean;
  /** With a name in the fleet: in every process, and before this resolves. To be awaited after a write. */
  forgetEverywhere(...args: A): Promise<boolean>;
};

const OPTIONS = ['waitTimeoutMs', 'fleet', ...FLIGHT_OPTIONS] as const;

/**
 * Wraps a function in flights of a group; two wrapped functions never meet, whatever their keys.
 *
 * @throws InvalidOptionError when an option is unknown or its value is not allowed, or where there is no function
 */
export function wrapFunction<A extends unknown[], T>(
  group: Group,
  app: FleetHost,
  fn: (...args: A) => PromiseLike<T>,
  keyFn: (...args: A) => KeyResult,
  options?: WrapOptions,
): Wrapped<A, T> {
  const place = { group: group.name };
  if (typeof fn !== 'function') throw InvalidOptionError.value('fn', fn, 'a function', place);
  if (typeof keyFn !== 'function') {
    throw InvalidOptionError.value('keyFn', keyFn, 'a function from the arguments of `fn` to a key', place);
  }
  if (options !== undefined) {
    // Not a signal: it is one caller's, and these options are for all.
    checkNames(options, OPTIONS, () => place);
  }
  const [fleetName, limits] = splitFleet(options);
  if (limits !== undefined) checkCallOptions(limits, () => place);
  const fleet = requireFleet(app, fleetName, `wrap of the group '${group.name}'`);
  const name = fn.name === '' ? 'wrapped' : fn.name;
  const flights = new MethodFlights({
    group,
    namespace: newNamespace(name),
    killSwitch: app,
    options: limits,
    shared: fleet === undefined || fleetName === undefined ? undefined : { fleet, name: fleetName },
    keySource: { sentence: `The key function of ${name} returned`, group: group.name },
  });
  const keyed = { method: fn, keyFn };
  const call = function (this: unknown, ...args: A): Promise<T> {
    return flights.run(keyed, this, args);
  };
  Object.defineProperty(call, 'name', { value: fn.name, configurable: true });
  return Object.assign(call, {
    forget: (...args: A) => flights.forget(keyFn(...args)),
    forgetEverywhere: async (...args: A) => flights.forgetEverywhere(keyFn(...args)),
  });
}
