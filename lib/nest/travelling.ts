import type { Flight } from '../core/flight.js';

/** A request that has boarded, as its own handler's parameters and the interceptor itself meet it again. */
export interface Aboard {
  /** Whether nobody waits for it any more. */
  readonly over: boolean;
  /** Whether its handler runs, for everybody: with nobody waiting for it, too. */
  readonly leading: boolean;
  /** The flight that it leads, if it does. */
  readonly flight: Flight<unknown> | undefined;
}

/** On the request itself: weak maps of requests would be gone through at every collection. */
const ABOARD = Symbol('nestjs-singleflight:aboard');
const BYPASSED = Symbol('nestjs-singleflight:bypassed');

interface Marked {
  [ABOARD]?: Aboard;
  [BYPASSED]?: true;
}

export function markAboard(request: object, aboard: Aboard): void {
  (request as Marked)[ABOARD] = aboard;
}

/** Whether a request has boarded and is not answered yet, or its handler still runs. */
export function isAboard(request: object): boolean {
  const aboard = (request as Marked)[ABOARD];
  return aboard !== undefined && (!aboard.over || aboard.leading);
}

/** The flight that a request leads, or has led. */
export function flightLedBy(request: object): Flight<unknown> | undefined {
  return (request as Marked)[ABOARD]?.flight;
}

/** Whether a request is let through alone for the first time: the interceptor may stand before it more than once. */
export function markBypassed(request: object): boolean {
  if ((request as Marked)[BYPASSED] === true) return false;
  (request as Marked)[BYPASSED] = true;
  return true;
}
