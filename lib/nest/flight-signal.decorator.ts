import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Flight } from '../core/flight.js';
import { watchClient } from './disconnect.js';
import { nodeResponseOf, type HttpResponse } from './http-exchange.js';
import { flightLedBy, markReached } from './travelling.js';

/** The flight that each call over another transport than HTTP leads, by what tells it from others. */
export const flightOf = new WeakMap<object, Flight<unknown>>();

/** The signals of requests that lead no flight. */
const ownSignals = new WeakMap<object, AbortSignal>();

/**
 * Gives a handler the signal that aborts when nobody waits for its answer any more: where the interceptor has coalesced
 * requests, when the last of their clients has gone away; for a request that goes alone, when its own client has. A
 * handler that takes it says that it can be stopped, and its key is free as soon as it is.
 *
 * Over transports that do not tell whether a caller has gone, a call that goes alone has a signal that never aborts.
 *
 * @example
 * ```ts
 * import { Controller, Get, UseInterceptors } from '@nestjs/common';
 * import { FlightSignal, SingleFlightInterceptor } from 'nestjs-singleflight';
 *
 * @Controller('reports')
 * @UseInterceptors(SingleFlightInterceptor)
 * class ReportsController {
 *   @Get()
 *   async all(@FlightSignal() signal: AbortSignal): Promise<unknown> {
 *     const response = await fetch('http://localhost/reports', { signal });
 *     return response.json();
 *   }
 * }
 * ```
 */
export const FlightSignal = createParamDecorator((_data: unknown, context: ExecutionContext): AbortSignal => {
  const signal = signalOf(context);
  if (context.getType() === 'http') markReached(context.getArgByIndex<object>(0));
  return signal;
});

/** The flight that a call leads; undefined where it goes alone. */
export function flightLedIn(context: ExecutionContext): Flight<unknown> | undefined {
  const call = callOf(context);
  return call === undefined ? undefined : (flightLedBy(call) ?? flightOf.get(call));
}

export function signalOf(context: ExecutionContext): AbortSignal {
  return flightLedIn(context)?.signal ?? ownSignal(callOf(context), context);
}

/** The object that stands for one call, whatever its transport; none where a message is nothing but a value. */
export function callOf(context: ExecutionContext): object | undefined {
  switch (context.getType<string>()) {
    case 'http':
      return context.switchToHttp().getRequest<object>();
    case 'graphql':
      return objectOrNone(context.getArgByIndex(3));
    case 'rpc':
      return objectOrNone(context.switchToRpc().getContext());
    default:
      return objectOrNone(context.switchToWs().getData());
  }
}

function ownSignal(call: object | undefined, context: ExecutionContext): AbortSignal {
  const known = call === undefined ? undefined : ownSignals.get(call);
  if (known !== undefined) return known;
  const controller = new AbortController();
  if (call !== undefined) ownSignals.set(call, controller.signal);
  if (context.getType() === 'http') {
    const response = context.switchToHttp().getResponse<HttpResponse>();
    watchClient({
      node: nodeResponseOf(response),
      over: false,
      onClose: undefined,
      disconnected: () => {
        controller.abort();
      },
    });
  }
  return controller.signal;
}

function objectOrNone(value: unknown): object | undefined {
  return typeof value === 'object' && value !== null ? value : undefined;
}
