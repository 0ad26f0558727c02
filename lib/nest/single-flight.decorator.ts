import 'reflect-metadata';
import { InvalidKeyError, InvalidOptionError, type ErrorPlace } from '../core/errors.js';
import { inspect } from '../core/inspect.js';
import { checkCallOptions, checkIsolation, checkNames, FLIGHT_OPTIONS } from '../core/options.js';
import type { FlightInfo } from '../core/stats.js';
import { checkNamed } from '../fleet/options.js';
import {
  Decoration,
  decorationsOf,
  nameOfOwner,
  registerDecoration,
  registerOnInstance,
  type AnyKeyFunction,
  type AnyMethod,
} from './decoration.js';
import type { KeyResult, SingleFlightDecoratorFactory, SingleFlightOptions } from './decorator-types.js';

export const DECORATOR_OPTIONS = ['waitTimeoutMs', ...FLIGHT_OPTIONS, 'isolate', 'group', 'scope', 'fleet'] as const;

/**
 * Coalesces concurrent calls of a method: while one call for a key is in flight, the others wait and get its result.
 *
 * Flights are per instance and method. In a provider that is made per request nothing is coalesced: what such a method
 * reads from its request is not in the key. The method returns a Promise or an Observable; the Observable stays cold.
 *
 * @param keyFn makes the key of the method's arguments; `undefined` or `null`: do not coalesce this call
 * @throws InvalidOptionError, when the class is defined, for a bad option, a second `@SingleFlight` or no method
 *
 * @example
 * ```ts
 * import { Injectable } from '@nestjs/common';
 * import { SingleFlight } from 'nestjs-singleflight';
 *
 * @Injectable()
 * class Products {
 *   @SingleFlight((id: number, locale: string) => [id, locale])
 *   async find(id: number, locale: string): Promise<string> {
 *     return `product ${id} in ${locale}`;
 *   }
 * }
 * ```
 */
export const SingleFlight: SingleFlightDecoratorFactory = (
  keyFn: (...args: never[]) => KeyResult,
  options: SingleFlightOptions = {},
) => {
  if (typeof keyFn !== 'function') {
    throw new InvalidKeyError(
      `@SingleFlight needs a function from the method's arguments to a key, not ${inspect(keyFn)}. ` +
        'Write @SingleFlight((id: string) => id).',
    );
  }
  const decorate = (...place: DecoratorArguments): unknown =>
    isTc39(place)
      ? decorateTc39(keyFn as AnyKeyFunction, options, ...place)
      : decorateLegacy(keyFn as AnyKeyFunction, options, ...place);
  // Of what kind it is says the overload that was called.
  return decorate as never;
};

/** What can be done about the flights of one decorated method of one instance. */
export interface DecoratedFlights<A extends unknown[]> {
  /** Makes the key of these arguments lead to nothing; true if there was something to forget. */
  forget(...args: A): boolean;
  /** With a name in the fleet: in every process, and before this resolves. To be awaited after a write. */
  forgetEverywhere(...args: A): Promise<boolean>;
  /** The flights whose function is running, oldest first. */
  inFlight(): FlightInfo[];
}

/**
 * Reaches the flights of a decorated method, to forget one after a write.
 *
 * @throws InvalidOptionError when the method is not decorated
 *
 * @example
 * ```ts
 * import { SingleFlight, singleFlightOf } from 'nestjs-singleflight';
 *
 * class Products {
 *   @SingleFlight((id: number) => id)
 *   async find(id: number): Promise<string> {
 *     return `product ${id}`;
 *   }
 *
 *   async rename(id: number, name: string): Promise<void> {
 *     console.log(`renaming ${id} to ${name}`);
 *     singleFlightOf(this, 'find').forget(id);
 *   }
 * }
 * ```
 */
export function singleFlightOf<T extends object, M extends keyof T>(
  instance: InstanceOf<T>,
  method: M,
): DecoratedFlights<T[M] extends (...args: infer A) => unknown ? A : never> {
  const start = typeof instance === 'function' ? instance : (Object.getPrototypeOf(instance) as object);
  const decoration = decorationsOf(start).find(({ methodName }) => methodName === method);
  if (decoration === undefined) {
    throw new InvalidOptionError(
      `${nameOfOwner(instance)}.${String(method)} is not decorated with @SingleFlight, so it has no flights.`,
    );
  }
  return {
    forget: (...args) => decoration.forget(instance, args),
    forgetEverywhere: async (...args) => decoration.forgetEverywhere(instance, args),
    inFlight: () => decoration.flightsOf(instance).inFlight(),
  };
}

/**
 * Any object, whose methods are looked up one by one: `this` alone would stay a type parameter, of whose methods the
 * parameters are not known.
 */
type InstanceOf<T> = object | { readonly [K in keyof T]: T[K] };

type LegacyArguments = [target: object, property: string | symbol, descriptor?: PropertyDescriptor];
type Tc39Arguments = [method: AnyMethod, context: ClassMethodDecoratorContext<object>];
type DecoratorArguments = LegacyArguments | Tc39Arguments;

function isTc39(place: DecoratorArguments): place is Tc39Arguments {
  return typeof place[1] === 'object' && 'kind' in place[1];
}

function decorateLegacy(
  keyFn: AnyKeyFunction,
  options: SingleFlightOptions,
  target: object,
  property: string | symbol,
  descriptor?: PropertyDescriptor,
): PropertyDescriptor {
  const method = descriptor?.value as unknown;
  if (descriptor === undefined || typeof method !== 'function') throw notAMethod(String(property));
  checkOptions(options, `${nameOfOwner(target)}.${String(property)}`);
  const declared: unknown = Reflect.getMetadata('design:returntype', target, property);
  const decoration = new Decoration(
    property,
    method as AnyMethod,
    keyFn,
    options,
    kindOf(method as AnyMethod, declared),
  );
  registerDecoration(target, decoration);
  descriptor.value = wrapperOf(method as AnyMethod, decoration);
  return descriptor;
}

function decorateTc39(
  keyFn: AnyKeyFunction,
  options: SingleFlightOptions,
  method: AnyMethod,
  context: ClassMethodDecoratorContext<object>,
): AnyMethod {
  // A decorated class, say: the types forbid it, JavaScript does not.
  if ((context.kind as string) !== 'method') throw notAMethod(String(context.name));
  if (wrappers.has(method)) {
    throw new InvalidOptionError(
      `@SingleFlight stands twice on ${String(context.name)}. One call would wait for itself: remove one.`,
    );
  }
  // The class has no name that is known by now.
  checkOptions(options, String(context.name));
  const decoration = new Decoration(context.name, method, keyFn, options, kindOf(method, undefined));
  context.addInitializer(function () {
    registerOnInstance(this, decoration);
  });
  return wrapperOf(method, decoration);
}

/** The functions that {@link SingleFlight} has made. */
const wrappers = new WeakSet<AnyMethod>();

/**
 * A function that passes for the method: its name, its length and whatever else was put on it, because other decorators
 * and libraries look at these; and its metadata, so that `@Get()` and its like work above it and below it. Not a Proxy,
 * through which a call takes three times as long.
 */
function wrapperOf(method: AnyMethod, decoration: Decoration): AnyMethod {
  // A method, as what it replaces: it cannot be called with `new`.
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is put onto the class in a moment
  const { wrapper } = {
    wrapper(this: unknown, ...args: unknown[]): unknown {
      return decoration.call(this, args);
    },
  };
  Object.defineProperties(wrapper, Object.getOwnPropertyDescriptors(method));
  for (const key of Reflect.getOwnMetadataKeys(method) as unknown[]) {
    Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, method), wrapper);
  }
  wrappers.add(wrapper);
  return wrapper;
}

function kindOf(method: AnyMethod, declared: unknown): 'promise' | 'observable' | undefined {
  if (declared === Promise || method.constructor.name === 'AsyncFunction') return 'promise';
  return typeof declared === 'function' && declared.name === 'Observable' ? 'observable' : undefined;
}

function checkOptions(options: SingleFlightOptions, method: string): void {
  const place = (): ErrorPlace => ({ site: `@SingleFlight on ${method}` });
  checkNames(options, DECORATOR_OPTIONS, place);
  const { group, scope, isolate, fleet, ...call } = options;
  if (fleet !== undefined) checkNamed('fleet', fleet, place);
  checkCallOptions(call, place);
  checkIsolation(isolate, place);
  if (group !== undefined && (typeof group !== 'string' || group === '')) {
    throw InvalidOptionError.value('group', group, "a group's name", place());
  }
  if (scope !== undefined && !['instance', 'class'].includes(scope)) {
    throw InvalidOptionError.value('scope', scope, "'instance' or 'class'", place());
  }
}

function notAMethod(name: string): InvalidOptionError {
  return new InvalidOptionError(
    `@SingleFlight stands on '${name}', which is not a method. Only a method can be decorated.`,
  );
}
