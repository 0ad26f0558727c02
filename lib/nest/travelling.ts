import type { Flight } from '../core/flight.js';
import type { Before } from './replay.js';

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
  /** Whether the handler that it leads has begun, as far as is known: nothing stands between. Written by {@link markReached}. */
  reached: boolean;
  /** Its response before the first handler ran for it. */
  readonly initial: Before | undefined;
}

/** On the request itself: weak maps of requests would be gone through at every collection. */
const ABOARD = Symbol('nestjs-singleflight:aboard');
const BYPASSED = Symbol('nestjs-singleflight:bypassed');

interface Marked {
  [ABOARD]?: Aboard;
  /** On which route. */
  [BYPASSED]?: object;
}

export function aboardOf(request: object): Aboard | undefined {
  return (request as Marked)[ABOARD];
}

/**
 * It has boarded, or leads. A request may board again, after a time limit outside: who leads for it stays known until the
 * handler has ended, which may ask for its flight at any time.
 */
export function markAboard(request: object, aboard: Aboard): void {
  const known = aboardOf(request);
  if (aboard.leading || known?.leading !== true) markRunning(request, aboard);
}

/** It has its handler run, for everybody or for itself. */
export function markRunning(request: object, aboard: Aboard): void {
  (request as Marked)[ABOARD] = aboard;
}

/**
 * Whether a request is on its way through a flight: it has boarded and is not answered yet, or its handler runs on, before
 * which the interceptor may stand once more. Where it does not, because the handler has begun, and nobody can join, because
 * it is being stopped say, the request is tried again: it boards anew.
 */
export function isAboard(request: object): boolean {
  const aboard = aboardOf(request);
  return aboard !== undefined && (!aboard.over || aboard.joinable || (aboard.leading && !aboard.reached));
}

/** The flight that a request leads, as its handler asks for it; one that is tried again meanwhile, and goes alone, has none. */
export function flightLedBy(request: object): Flight<unknown> | undefined {
  const aboard = aboardOf(request);
  return aboard === undefined || (aboard.over && aboard.reached) ? undefined : aboard.flight;
}

/** The handler of a request has begun: its parameters are made, behind all interceptors. */
export function markReached(request: object): void {
  const aboard = aboardOf(request);
  if (aboard !== undefined) aboard.reached = true;
}

/** It is let through alone, and stays so: where the interceptor stands once more, it would meet those who are further out. */
export function markBypassed(request: object, route: object): void {
  (request as Marked)[BYPASSED] = route;
}

export function isBypassed(request: object, route: object): boolean {
  return (request as Marked)[BYPASSED] === route;
}
