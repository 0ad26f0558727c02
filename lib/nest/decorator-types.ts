import type { Observable } from 'rxjs';
import type { FlightKey, FlightKeyPart } from '../core/key.js';
import type { Isolation } from '../core/isolate.js';
import type { FlightOptions } from '../core/options.js';
import type { FleetCallOptions } from './fleet-name.js';

/**
 * Makes the decorator of a method: the key function takes the method's arguments, and calls with equal keys share
 * one flight.
 *
 * TypeScript cannot infer the key function's parameters from the method below it. Annotate them, and they are checked
 * against the method's; or name the method's type, and they are inferred. A parameter whose type is a type parameter of
 * the class is `unknown` to the key function.
 *
 * @example
 * ```ts
 * import { SingleFlight } from 'nestjs-singleflight';
 *
 * class Users {
 *   @SingleFlight((id: string) => id)
 *   async find(id: string, locale: string): Promise<string> {
 *     return `${id} in ${locale}`;
 *   }
 *
 *   @SingleFlight<Users['load']>((id, locale) => [id, locale])
 *   async load(id: string, locale: string): Promise<string> {
 *     return `${id} in ${locale}`;
 *   }
 * }
 * ```
 */
export interface SingleFlightDecoratorFactory {
  <A extends readonly unknown[]>(
    key: (...args: A) => KeyResult,
    options?: SingleFlightOptions,
  ): SingleFlightDecorator<A>;
  <M extends AsyncMethod = never>(
    key: (...args: Parameters<M>) => KeyResult,
    options?: SingleFlightOptions,
  ): SingleFlightDecorator<Parameters<M>>;
  /** For what makes no key: it decorates nothing, and the compiler prints why. What is `any` comes here too. */
  <A extends readonly unknown[], R>(
    key: (...args: A) => R,
    options?: SingleFlightOptions,
  ): [R] extends [KeyResult] ? SingleFlightDecorator<A> : RefusedDecorator<KeyRefusal<R>>;
}

/** What a key function returns: the key, or `undefined` or `null` for a call that is not to be coalesced. */
export type KeyResult = FlightKey | undefined | null;

/** What may be set for one decorated method, on top of what its group and the module set. */
export interface SingleFlightOptions extends FlightOptions, FleetCallOptions {
  /** In milliseconds: a caller that has waited this long leaves with a `WaitTimeoutError`. Default: no limit. */
  waitTimeoutMs?: number | undefined;
  /** How callers are kept from changing each other's result. Default: what the group or the module says, else `'none'`. */
  isolate?: Isolation | undefined;
  /**
   * The name of the group, from the module, that gives this method its limits, statistics and name. It does not make
   * two methods meet. Default: the module's own group.
   */
  group?: string | undefined;
  /**
   * Whether each instance has flights of its own, or all instances of the class in one app share theirs. Default:
   * `'instance'`.
   */
  scope?: 'instance' | 'class' | undefined;
}

/** A method that can be coalesced: it returns a Promise, another thenable, or an Observable. */
export type AsyncMethod = (...args: never[]) => AsyncResult;

/** What a coalesced method returns. */
export type AsyncResult = PromiseLike<unknown> | Observable<unknown>;

/**
 * Decorates a method that takes `A` and returns a Promise or an Observable, with TC39 decorators and with
 * `experimentalDecorators`.
 */
export interface SingleFlightDecorator<A extends readonly unknown[]> {
  // What is no method has a context of another kind, which says so better than the method's type.
  <M>(method: M & Fits<A, M, unknown>, context: ClassMethodDecoratorContext<never>): M;
  // The legacy signature stays last: of several that fail, TypeScript 7 explains only the last one.
  <M>(target: object, property: string | symbol, descriptor: TypedPropertyDescriptor<M> & Fits<A, M>): void;
}

/** Decorates nothing: what it asks of a method is the sentence that the compiler prints. */
export interface RefusedDecorator<Sentence> {
  <M>(method: M & Sentence, context: ClassMethodDecoratorContext<never>): M;
  <M>(target: object, property: string | symbol, descriptor: TypedPropertyDescriptor<M> & Sentence): void;
}

/** Why what a key function returns is no key. */
export type KeyRefusal<R> =
  unknown extends PartOf<R>
    ? KeyIsUnknown
    : [R] extends [PromiseLike<unknown>]
      ? KeyIsPromised
      : // Nothing else is wrong with it.
        [PartOf<R>] extends [FlightKeyPart | undefined]
        ? KeyHoldsUndefined
        : NoKey;

/** What an array holds, nested as deep as it may be; what is no array holds itself. */
type PartOf<R> = R extends readonly (infer P)[] ? PartOf<P> : R;

/** What the compiler prints when the key function's parameters have no types. */
export interface KeyIsUnknown extends Impossible {
  readonly 'annotate the parameters of the key function, as in (id: string) => id': never;
}

/** What the compiler prints when callers who lack a value would share one flight. */
export interface KeyHoldsUndefined extends Impossible {
  readonly 'an array that is a key must not hold undefined: write ?? null where having none is a value of its own': never;
}

/** What the compiler prints when the key function is async. */
export interface KeyIsPromised extends Impossible {
  readonly 'the key function must return the key itself, not a Promise of it': never;
}

/** What the compiler prints when the key function returns an object or a symbol. */
export interface NoKey extends Impossible {
  readonly 'the key function must return a string, a number, or an array of them': never;
}

/** Asks nothing of a method that fits a key function of the parameters `A`, and the impossible of any other. */
export type Fits<A extends readonly unknown[], M, Otherwise = NotAMethod> = M extends (
  ...args: infer P extends readonly unknown[]
) => infer R
  ? ((...args: A) => void) extends (...args: P) => void
    ? [R] extends [AsyncResult]
      ? unknown
      : MethodIsNotAsync
    : KeyTakesOtherParameters
  : Otherwise;

/** What the compiler prints when the key function asks for what the method is not called with. */
export interface KeyTakesOtherParameters extends Impossible {
  readonly 'the key function must take the parameters of the method it decorates': never;
}

/** What the compiler prints when there is nothing to wait for. */
export interface MethodIsNotAsync extends Impossible {
  readonly 'the method must return a Promise: make it async': never;
}

/** What the compiler prints above an accessor. */
export interface NotAMethod extends Impossible {
  readonly 'only a method can be decorated': never;
}

/** What no method is; it can be called, because the compiler names a function's missing property only then. */
export type Impossible = (...args: never[]) => unknown;
