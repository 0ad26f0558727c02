import 'reflect-metadata';
import { Inject, Optional } from '@nestjs/common';
import { isObservable, type Observable } from 'rxjs';
import { InvalidOptionError } from '../core/errors.js';
import { Group } from '../core/group.js';
import type { GroupOptions } from '../core/options.js';
import type { KeyResult, SingleFlightOptions } from './decorator-types.js';
import { requireFleet, type FleetHost } from './fleet-name.js';
import { MethodFlights, newNamespace, type KeyedFunction } from './method-flights.js';
import { NEST_DEFAULTS } from './module-options.js';
import { checkRoute } from './route-arguments.js';
import { SINGLE_FLIGHT_HOST } from './tokens.js';
import { weakEntry } from './weak-entry.js';

/** A method of any kind, with its arguments. */
export type AnyMethod = (...args: unknown[]) => unknown;
export type AnyKeyFunction = (...args: unknown[]) => KeyResult;

/** What a method returns: not known before it was called once, unless it is declared. */
type MethodKind = 'promise' | 'observable' | undefined;

/** What a decorated method asks of its app. */
export interface DecorationHost extends FleetHost {
  /** A group with the app's defaults. */
  group(name: string, options?: GroupOptions): Group;
  /** @throws InvalidOptionError when no group was named so */
  requireGroup(name: string, method: string): { readonly group: Group };
  /** Whether an instance belongs to one request or tenant. */
  isPerRequest(instance: object): boolean;
}

/** One decorated method, in all its instances. */
export class Decoration {
  /** The flights of each instance. */
  private readonly ofInstance = new WeakMap<object, MethodFlights>();
  /** The flights of each class in each app, for `scope: 'class'`. */
  private readonly ofClass = new WeakMap<object, WeakMap<object, MethodFlights>>();

  constructor(
    readonly methodName: string | symbol,
    readonly method: AnyMethod,
    readonly keyFn: AnyKeyFunction,
    readonly options: SingleFlightOptions,
    /** Written again when the first call has shown what is not declared. */
    private kind: MethodKind,
  ) {}

  /** A call of the decorated method. */
  call(self: unknown, args: unknown[]): unknown {
    // Without an instance there is nobody whose calls it could be coalesced with.
    if ((typeof self !== 'object' || self === null) && typeof self !== 'function') {
      return Reflect.apply(this.method, self, args);
    }
    const flights = this.flightsOf(self);
    if (this.kind === 'promise') return flights.run(this as KeyedFunction<Promise<unknown>>, self, args);
    if (this.kind === 'observable') return flights.observe(this as KeyedFunction<Observable<unknown>>, self, args);
    return this.callUnknown(flights, self, args);
  }

  flightsOf(instance: object): MethodFlights {
    // No closure is made for a call whose instance is known.
    return this.ofInstance.get(instance) ?? weakEntry(this.ofInstance, instance, () => this.findFlights(instance));
  }

  /** Makes the key of these arguments lead to nothing. */
  forget(instance: object, args: unknown[]): boolean {
    return this.flightsOf(instance).forget(Reflect.apply(this.keyFn, instance, args));
  }

  /** As {@link forget}, in every process of the fleet. */
  forgetEverywhere(instance: object, args: unknown[]): Promise<boolean> {
    return this.flightsOf(instance).forgetEverywhere(Reflect.apply(this.keyFn, instance, args));
  }

  describe(owner: object): string {
    return `${nameOfOwner(owner)}.${String(this.methodName)}`;
  }

  /** The first call of a method that does not say what it returns. */
  private callUnknown(flights: MethodFlights, self: object, args: unknown[]): unknown {
    // Its function may run in another process, or later: what it returns is not known before it must be.
    if (this.options.fleet !== undefined) return flights.run(this.promised(self), self, args);
    let source: Observable<unknown> | undefined;
    const keys: KeyResult[] = [];
    const keyFn: AnyKeyFunction = (...given) => (keys[0] = Reflect.apply(this.keyFn, self, given));
    const method = (...given: unknown[]): unknown => {
      const returned = Reflect.apply(this.method, self, given);
      if (isObservable(returned)) source = returned;
      else this.kind = 'promise';
      // The Observable is nobody's result: it is subscribed to below, by whoever subscribes.
      return source === undefined ? returned : undefined;
    };
    const promise = flights.run({ keyFn, method: method as () => Promise<unknown> }, self, args);
    if (source === undefined) return promise;
    this.kind = 'observable';
    // With `lingerMs` the flight that came to nothing is still there, and would be taken for the answer.
    for (const key of keys) flights.forget(key);
    const first = (...given: unknown[]): Observable<unknown> => {
      const observable = source ?? (Reflect.apply(this.method, self, given) as Observable<unknown>);
      source = undefined;
      return observable;
    };
    return flights.observe({ keyFn: this.keyFn, method: first }, self, args);
  }

  private promised(self: object): KeyedFunction<PromiseLike<unknown>> {
    const method = (...given: unknown[]): PromiseLike<unknown> => {
      const returned = Reflect.apply(this.method, self, given);
      if (!isObservable(returned)) return returned as PromiseLike<unknown>;
      throw new InvalidOptionError(
        `@SingleFlight on ${this.describe(self)}: it returns an Observable and has a name in the fleet, but does not ` +
          'declare what it returns. Write the type Observable behind its parameters.',
      );
    };
    return { keyFn: this.keyFn, method };
  }

  private findFlights(instance: object): MethodFlights {
    checkRoute(typeof instance === 'function' ? instance : instance.constructor, this.methodName);
    const registry = registries.get(instance);
    if (registry === undefined || this.options.scope !== 'class') return this.makeFlights(instance, registry);
    const ofClass = weakEntry(this.ofClass, registry, () => new WeakMap<object, MethodFlights>());
    return weakEntry(ofClass, instance.constructor, () => this.makeFlights(instance, registry));
  }

  private makeFlights(instance: object, registry: DecorationHost | undefined): MethodFlights {
    const name = this.describe(instance);
    const { waitTimeoutMs, group, scope, isolate, fleet: flightName, ...limits } = this.options;
    // An instance that Nest did not make belongs to no app, and so to no fleet.
    const fleet = registry && requireFleet(registry, flightName, `@SingleFlight on ${name}`);
    const common = {
      killSwitch: registry ?? ALWAYS_ON,
      keySource: `The key function of ${name} returned`,
      alone: registry?.isPerRequest(instance),
      shared: fleet === undefined || flightName === undefined ? undefined : { fleet, name: flightName },
    };
    if (group !== undefined && registry !== undefined) {
      const shared = registry.requireGroup(group, name).group;
      // A group of many methods: this one's limits go with its calls, and its keys under a name of its own.
      const namespace = newNamespace(name);
      const options = orNone({ waitTimeoutMs, ...limits });
      return new MethodFlights({ ...common, group: shared, namespace, isolate, options });
    }
    const groupOptions = isolate === undefined ? limits : { ...limits, isolate };
    const own = registry?.group(name, groupOptions) ?? new Group({ ...NEST_DEFAULTS, ...groupOptions, name });
    return new MethodFlights({ ...common, group: own, options: orNone({ waitTimeoutMs }) });
  }
}

const ALWAYS_ON = { enabled: true };
/** The app of each instance that Nest has made. */
const registries = new WeakMap<object, DecorationHost>();
/** The decorated methods of each prototype. */
const decorations = new WeakMap<object, Map<string | symbol, Decoration>>();

/** Remembers a decorated method of a prototype (or class, when static), and has Nest hand its app to the instances. */
export function registerDecoration(target: object, decoration: Decoration): void {
  const own = ownDecorations(target);
  if (own.has(decoration.methodName)) {
    throw new InvalidOptionError(
      `@SingleFlight stands twice on ${decoration.describe(target)}. One call would wait for itself: remove one.`,
    );
  }
  own.set(decoration.methodName, decoration);
  if (typeof target !== 'function') injectRegistry(target);
}

/** As {@link registerDecoration}, for decorators that learn of the class only from an instance. */
export function registerOnInstance(instance: object, decoration: Decoration): void {
  const target = typeof instance === 'function' ? instance : (Object.getPrototypeOf(instance) as object);
  const own = ownDecorations(target);
  own.set(decoration.methodName, decoration);
}

function ownDecorations(target: object): Map<string | symbol, Decoration> {
  return weakEntry(decorations, target, () => new Map<string | symbol, Decoration>());
}

/** The decorated methods that an instance of a prototype has, inherited ones included, the nearest of each name. */
export function decorationsOf(prototype: object | null | undefined): Decoration[] {
  const found = new Map<string | symbol, Decoration>();
  for (let level = prototype; level; level = Object.getPrototypeOf(level) as object | null) {
    for (const [name, decoration] of decorations.get(level) ?? []) if (!found.has(name)) found.set(name, decoration);
  }
  return [...found.values()];
}

/** The name of a class, or of an instance's class. */
export function nameOfOwner(owner: object): string {
  return typeof owner === 'function' ? owner.name : owner.constructor.name;
}

/** Property injection: it reaches singletons, transient and REQUEST-scoped providers alike, and is silent outside Nest. */
function injectRegistry(prototype: object): void {
  if (SINGLE_FLIGHT_HOST in prototype) return;
  // A setter, so that instances get no property of their own that printing or comparing them would show.
  Object.defineProperty(prototype, SINGLE_FLIGHT_HOST, {
    configurable: true,
    set(this: object, registry: DecorationHost) {
      registries.set(this, registry);
    },
  });
  Inject(SINGLE_FLIGHT_HOST)(prototype, SINGLE_FLIGHT_HOST);
  Optional()(prototype, SINGLE_FLIGHT_HOST);
}

function orNone<O extends object>(options: O): O | undefined {
  return Object.values(options).every((value) => value === undefined) ? undefined : options;
}
