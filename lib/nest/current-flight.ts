import { SingleFlightError } from '../core/errors.js';
import type { Flight } from '../core/flight.js';

/** `currentFlight()` was called where no flight is current. */
export class NoCurrentFlightError extends SingleFlightError {
  constructor() {
    super(
      'NoCurrentFlightError',
      'ERR_SINGLEFLIGHT_NO_CURRENT_FLIGHT',
      'currentFlight() was called outside of a decorated method or wrapped function, or after its first await. ' +
        "Call it at the top: const { signal } = currentFlight(); A controller's handler takes @FlightSignal() instead.",
    );
  }
}

// The flight whose function's synchronous part is running; written by `enterFlight` alone.
let current: Flight | undefined;

/**
 * The flight that the decorated method or wrapped function around it is: its key, and the signal that aborts when
 * nobody waits any more. Only until the function's first `await`: take it at the top.
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
  if (current === undefined) throw new NoCurrentFlightError();
  return current;
}

/** Calls a function of which `flight` is the current one. */
export function enterFlight<R>(flight: Flight, fn: (...args: never[]) => R, self: unknown, args: unknown[]): R {
  const outer = current;
  current = flight;
  try {
    return Reflect.apply(fn, self, args) as R;
  } finally {
    current = outer;
  }
}
