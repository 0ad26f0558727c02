import 'reflect-metadata';
import { InvalidOptionError } from '../core/errors.js';

// Nest keeps these for itself; they are the same in all versions from 10 to 12.
const ROUTE_ARGUMENTS = '__routeArguments__';
const PASSTHROUGH = '__responsePassthrough__';
const SSE = '__sse__';
/** The HTTP method of a handler. */
const METHOD = 'method';
const RESPONSE = 1;
const NEXT = 2;
const SESSION = 7;

/** How a handler comes by its response and its session. */
export interface RouteArguments {
  /** It answers by itself, through `@Res()` or `@Next()`: its return value is not what the client gets. */
  readonly answersItself: boolean;
  /** It sets status or headers through `@Res({ passthrough: true })`. */
  readonly passthrough: boolean;
  /** It reads or writes the client's session. */
  readonly session: boolean;
  /** It sends events, one by one. */
  readonly sse: boolean;
}

export function routeArgumentsOf(controller: object, methodName: string | symbol): RouteArguments {
  const read = (key: string): unknown => Reflect.getMetadata(key, controller, methodName);
  // The kind stands before the colon. Parameter decorators of the user's begin with an id that is no kind.
  const kinds = Object.keys(read(ROUTE_ARGUMENTS) ?? {}).filter((key) => /^\d+:\d+$/.test(key));
  const has = (kind: number): boolean => kinds.some((key) => key.startsWith(`${kind}:`));
  const passthrough = read(PASSTHROUGH) === true;
  const handler = handlerOf(controller, methodName);
  return {
    answersItself: (has(RESPONSE) || has(NEXT)) && !passthrough,
    passthrough,
    session: has(SESSION),
    sse: handler !== undefined && Reflect.getMetadata(SSE, handler) === true,
  };
}

/** @throws InvalidOptionError for a handler whose return value is not what its client gets */
export function checkRoute(controller: { readonly name: string }, methodName: string | symbol): void {
  const handler = handlerOf(controller, methodName);
  // A resolver's or gateway's arguments have numbers that mean others there: `@Context()` has that of `@Res()`.
  if (handler === undefined || !Reflect.hasMetadata(METHOD, handler)) return;
  const { answersItself, sse } = routeArgumentsOf(controller, methodName);
  const method = `${controller.name}.${String(methodName)}`;
  if (sse) {
    throw new InvalidOptionError(
      `@SingleFlight on ${method}: an @Sse() handler sends a stream of events, which callers cannot share. ` +
        'Decorate the service method that loads the data instead.',
    );
  }
  if (answersItself) {
    throw new InvalidOptionError(
      `@SingleFlight on ${method}: it answers through @Res() or @Next(), so callers who join would never be answered. ` +
        'Return the value, or decorate the service method that loads the data instead.',
    );
  }
}

/** The methods of a class and of those that it extends, by name, from the nearest on. */
export function* methodsOf(controller: object): Generator<[name: string, method: object]> {
  const { prototype } = controller as { prototype: object };
  for (let level: object | null = prototype; level !== null; level = Object.getPrototypeOf(level) as object | null) {
    for (const name of Object.getOwnPropertyNames(level)) {
      const method: unknown = Object.getOwnPropertyDescriptor(level, name)?.value;
      if (typeof method === 'function') yield [name, method];
    }
  }
}

function handlerOf(controller: object, methodName: string | symbol): object | undefined {
  const { prototype } = controller as { prototype?: Record<string | symbol, unknown> };
  const handler = prototype?.[methodName];
  return typeof handler === 'function' ? handler : undefined;
}
