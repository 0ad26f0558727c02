import type { Flight } from '../core/flight.js';

/** A request that has boarded, as its own handler's parameters and the interceptor itself meet it again. */
export interface Aboard {
  /** Whether nobody waits for it any more. */
  readonly over: boolean;
  /** Whether its handler runs, for everybody: with nobody waiting for it, too. */
  readonly leading: boolean;
  /** Whether others may still join that. */
  readonly joinable: boolean;
  /** The flight that it leads, if it does. */
  readonly flight: Flight<unknown> | undefined;
}

/** On the request itself: weak maps of requests would be gone through at every collection. */
const ABOARD = Symbol('nestjs-singleflight:aboard');
const BYPASSED = Symbol('nestjs-singleflight:bypassed');

interface Marked {
  [ABOARD]?: Aboard;
  /** On which route. */
  [BYPASSED]?: object;
}

/**
 * It has boarded, or leads. A request may board again, after a time limit outside: who leads for it stays known until the
 * handler has ended, which may ask for its flight at any time.
 */
export function markAboard(request: object, aboard: Aboard): void {
  const known = (request as Marked)[ABOARD];
  if (aboard.leading || known?.leading !== true) (request as Marked)[ABOARD] = aboard;
}

/**
 * Whether a request is on its way through a flight: it has boarded and is not answered yet, or its handler runs on for
 * others, who may still join. Where they cannot, because it is being stopped say, it boards anew.
 */
export function isAboard(request: object): boolean {
  const aboard = (request as Marked)[ABOARD];
  return aboard !== undefined && (!aboard.over || aboard.joinable);
}

/** The flight that a request leads, or has led. */
export function flightLedBy(request: object): Flight<unknown> | undefined {
  return (request as Marked)[ABOARD]?.flight;
}

/** It is let through alone, and stays so: where the interceptor stands once more, it would meet those who are further out. */
export function markBypassed(request: object, route: object): void {
  (request as Marked)[BYPASSED] = route;
}

export function isBypassed(request: object, route: object): boolean {
  return (request as Marked)[BYPASSED] === route;
}
