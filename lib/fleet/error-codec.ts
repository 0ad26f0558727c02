import { types } from 'node:util';
import { isOwnClass } from '../core/copy.js';
import {
  AbandonedError,
  DeadlockError,
  FlightTimeoutError,
  GroupClosedError,
  InvalidKeyError,
  InvalidOptionError,
  NoResultError,
  TooManyFlightsError,
  TooManyFollowersError,
  UnshareableResultError,
  WaitTimeoutError,
  type ErrorPlace,
} from '../core/errors.js';
import { structuredCodec } from './codec.js';
import {
  EngineTimeoutError,
  EngineUnavailableError,
  LeaseLostError,
  PayloadTooLargeError,
  RemoteError,
} from './errors.js';

/** A class of errors that arrive in other processes as themselves. */
export interface ErrorClass {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the constructor is never called
  readonly class: abstract new (...parameters: any) => Error;
  /** What of it is carried, besides name, message and code. */
  readonly properties?: readonly string[];
}

/** The language's own errors, which arrive as themselves. */
const BUILT_IN = new Map<string, ErrorConstructor>(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((one) => [one.name, one]),
);
const OWN_FACTS = ['group', 'describedKey'];
/** This library's: a function may have failed with that of another group. */
const LIBRARY: readonly ErrorClass[] = [
  ...[AbandonedError, GroupClosedError, InvalidKeyError, InvalidOptionError, NoResultError].map((one) => ({
    class: one,
  })),
  { class: DeadlockError, properties: ['chain'] },
  { class: FlightTimeoutError, properties: ['flightTimeoutMs'] },
  { class: WaitTimeoutError, properties: ['waitTimeoutMs'] },
  { class: TooManyFlightsError, properties: ['maxFlights'] },
  { class: TooManyFollowersError, properties: ['maxFollowers'] },
  { class: UnshareableResultError, properties: ['what', 'isolate', 'obstacle'] },
  { class: EngineUnavailableError, properties: ['engine'] },
  { class: EngineTimeoutError, properties: ['engine', 'operation', 'timeoutMs'] },
  { class: PayloadTooLargeError, properties: ['engine', 'bytes', 'maxPayloadBytes'] },
  { class: LeaseLostError, properties: ['fence'] },
  { class: RemoteError, properties: ['remoteName', 'remoteMessage', 'remoteCode'] },
].map(({ class: one, ...rest }) => ({
  class: one,
  properties: [...OWN_FACTS, ...('properties' in rest ? rest.properties : [])],
}));
/** How deep the errors of an AggregateError may be nested. */
const MAX_DEPTH = 8;

/** An error as it travels: data only. */
interface ErrorData {
  readonly kind: 'built-in' | 'aggregate' | 'registered' | 'other';
  /** The name of the class by which it is made again. */
  readonly class: string;
  readonly name: string;
  readonly message: string;
  readonly code?: string | number;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly errors?: readonly ErrorData[];
}

/** Whether what was thrown is an error at all, of whichever realm. */
export function isError(thrown: unknown): thrown is Error {
  return types.isNativeError(thrown) || thrown instanceof Error;
}

/**
 * How errors travel: name, message and code; of registered classes, and their subclasses, the listed properties too; no
 * stack. An error of any other class arrives as a `RemoteError`. Nothing is made by the name of a constructor that is
 * not registered, and no constructor of a registered class runs.
 */
export class ErrorCodec {
  private readonly byPrototype = new Map<object, ErrorClass>();
  private readonly byName = new Map<string, ErrorClass>();
  private readonly data = structuredCodec();

  /** @throws InvalidOptionError when what is registered is no class of errors, or two have one name */
  constructor(
    classes: readonly ErrorClass[],
    private readonly place: ErrorPlace = {},
  ) {
    for (const one of [...LIBRARY, ...classes]) this.register(one);
  }

  /** @throws whatever reading the error throws, or UnshareableResultError for a property that cannot be carried */
  encode(error: Error, place: () => ErrorPlace): Uint8Array {
    return this.data.encode(this.dataOf(error, 0), place);
  }

  /** @throws for what is no error that {@link encode} has encoded */
  decode(bytes: Uint8Array, place: ErrorPlace): Error {
    return this.revive(this.data.decode(bytes), place, 0);
  }

  private register(one: ErrorClass): void {
    if (typeof one.class !== 'function' || !((one.class.prototype as unknown) instanceof Error)) {
      throw InvalidOptionError.value(
        'errors',
        one.class,
        'an array of { class, properties }, each with a class of errors',
        this.place,
      );
    }
    if (this.byName.has(one.class.name)) {
      throw InvalidOptionError.value('errors', one.class.name, 'of classes with different names', this.place);
    }
    this.byName.set(one.class.name, one);
    this.byPrototype.set(one.class.prototype as object, one);
  }

  private dataOf(error: Error, depth: number): ErrorData {
    const { name, message, code } = error as { name: unknown; message: unknown; code?: unknown };
    const facts = {
      name: String(name),
      message: String(message),
      ...(typeof code === 'string' || typeof code === 'number' ? { code } : undefined),
    };
    const prototype = Object.getPrototypeOf(error) as object | null;
    for (const builtIn of BUILT_IN.keys()) {
      if (isOwnClass(prototype, builtIn)) return { kind: 'built-in', class: builtIn, ...facts };
    }
    if (isOwnClass(prototype, 'AggregateError') && depth < MAX_DEPTH) {
      const errors = (error as AggregateError).errors.map((one) => this.dataOf(asError(one), depth + 1));
      return { kind: 'aggregate', class: 'AggregateError', ...facts, errors };
    }
    const registered = this.registeredFor(prototype);
    if (registered === undefined) {
      return { kind: 'other', class: 'RemoteError', ...facts, name: tellingName(error, name) };
    }
    return { kind: 'registered', class: registered.class.name, ...facts, properties: propertiesOf(error, registered) };
  }

  /** The class, or the nearest above it, that is registered. */
  private registeredFor(prototype: object | null): ErrorClass | undefined {
    for (let at = prototype; at !== null; at = Object.getPrototypeOf(at) as object | null) {
      const found = this.byPrototype.get(at);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  private revive(came: unknown, place: ErrorPlace, depth: number): Error {
    const data = checked(came, depth);
    const { name, message, code } = data;
    switch (data.kind) {
      case 'other':
        return new RemoteError(place, name, message, code);
      case 'aggregate': {
        const errors = (data.errors as readonly unknown[]).map((one) => this.revive(one, place, depth + 1));
        return finished(new AggregateError(errors, message), data);
      }
      case 'built-in': {
        const builtIn = BUILT_IN.get(data.class);
        if (builtIn === undefined) throw new TypeError('It is no error of the language.');
        return finished(new builtIn(message), data);
      }
      case 'registered': {
        const registered = this.byName.get(data.class);
        if (registered === undefined) return new RemoteError(place, name, message, code);
        return finished(instanceOf(registered, data), data);
      }
    }
  }
}

/** The listed properties; of a `cause` that is an error no more than its message. */
function propertiesOf(error: Error, { properties = [] }: ErrorClass): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const property of properties) {
    if (!(property in error)) continue;
    const value = (error as unknown as Record<string, unknown>)[property];
    found[property] = property === 'cause' && isError(value) ? new Error(value.message) : value;
  }
  return found;
}

/** The name of an error that arrives as no more than it: its class's, where it was given none of its own. */
function tellingName({ constructor }: Error, name: unknown): string {
  const className: unknown = typeof constructor === 'function' ? constructor.name : undefined;
  return name === 'Error' && typeof className === 'string' && className !== '' ? className : String(name);
}

function asError(thrown: unknown): Error {
  return isError(thrown) ? thrown : new Error(String(thrown));
}

/** An error of a registered class, without its constructor having run. */
function instanceOf({ class: one, properties = [] }: ErrorClass, data: ErrorData): Error {
  const error = new Error(data.message);
  Object.setPrototypeOf(error, one.prototype as object);
  for (const property of properties) {
    const { properties: came = {} } = data;
    if (Object.hasOwn(came, property)) define(error, property, came[property], property !== 'cause');
  }
  return error;
}

function finished(error: Error, { name, code, message }: ErrorData): Error {
  if (error.name !== name) define(error, 'name', name, false);
  if (code !== undefined) define(error, 'code', code, true);
  // It would show where it was made again, which helps nobody.
  define(error, 'stack', `${name}: ${message}\n    at another process of the fleet`, false);
  return error;
}

function define(error: Error, property: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(error, property, { value, enumerable, configurable: true, writable: true });
}

/** Checks what came from outside. */
function checked(came: unknown, depth: number): ErrorData {
  const data = came as Partial<Record<keyof ErrorData, unknown>> | null;
  const isData =
    depth <= MAX_DEPTH &&
    typeof data === 'object' &&
    data !== null &&
    ['built-in', 'aggregate', 'registered', 'other'].includes(data.kind as string) &&
    [data.class, data.name, data.message].every((text) => typeof text === 'string') &&
    (data.code === undefined || typeof data.code === 'string' || typeof data.code === 'number') &&
    (data.properties === undefined || (typeof data.properties === 'object' && data.properties !== null)) &&
    (data.kind === 'aggregate') === Array.isArray(data.errors);
  if (!isData) throw new TypeError('It is no error of a fleet.');
  return data as unknown as ErrorData;
}
