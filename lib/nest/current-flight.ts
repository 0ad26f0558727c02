import { AsyncLocalStorage } from 'node:async_hooks';
import { SingleFlightError } from '../core/errors.js';
import type { Flight } from '../core/flight.js';

/** `currentFlight()` was called where no flight is current. */
export class NoCurrentFlightError extends SingleFlightError {
  constructor() {
    super(
      'NoCurrentFlightError',
      'ERR_SINGLEFLIGHT_NO_CURRENT_FLIGHT',
      'currentFlight() was called outside of a decorated method or wrapped function, or after its first await. ' +
        'Call it at the top: const { signal } = currentFlight(); In run(), do() and doChan() the flight is the ' +
        "function's argument: run(key, ({ signal }) => …). A controller's handler takes @FlightSignal() instead, or " +
        'forRoot({ http: { currentFlight: true } }) lets all of them call it.',
    );
  }
}

// The flight whose function's synchronous part is running; written by `enterFlight` alone.
let current: Flight | undefined;

/**
 * The flights of handlers; undefined within a function that has one of its own. Made for the first app that wants it: as
 * long as there is one, every async call of the process costs more.
 */
let ofHandlers: AsyncLocalStorage<Flight | undefined> | undefined;

/**
 * The flight that the decorated method or wrapped function around it is: its key, and the signal that aborts when
 * nobody waits any more. Only until the function's first `await`: take it at the top.
 *
 * With `forRoot({ http: { currentFlight: true } })` also in a handler behind the interceptor, and in what that calls, at
 * any time: the flight of its requests, or one of its own where a request goes alone.
 *
 * @throws NoCurrentFlightError anywhere else
 *
 * @example
 * ```ts
 * import { currentFlight, SingleFlight } from 'nestjs-singleflight';
 *
 * class Rates {
 *   @SingleFlight((currency: string) => currency)
 *   async load(currency: string): Promise<unknown> {
 *     const { signal } = currentFlight();
 *     const response = await fetch(`http://localhost/rates/${currency}`, { signal });
 *     return response.json();
 *   }
 * }
 * ```
 */
export function currentFlight(): Flight {
  const flight = current ?? ofHandlers?.getStore();
  if (flight === undefined) throw new NoCurrentFlightError();
  return flight;
}

/** Calls a function of which `flight` is the current one. */
export function enterFlight<R>(flight: Flight, fn: (...args: never[]) => R, self: unknown, args: unknown[]): R {
  const outer = current;
  current = flight;
  try {
    // After its first `await` it has none, and not the one of the handler around it.
    return ofHandlers === undefined
      ? (Reflect.apply(fn, self, args) as R)
      : ofHandlers.run(undefined, () => Reflect.apply(fn, self, args) as R);
  } finally {
    current = outer;
  }
}

/** Calls what runs a handler, of which `flight` is the current one to its end. */
export function enterHandler<R>(flight: Flight, run: () => R): R {
  return (ofHandlers ??= new AsyncLocalStorage()).run(flight, run);
}
