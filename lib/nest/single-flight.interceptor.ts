import {
  Inject,
  Injectable,
  Optional,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Observable } from 'rxjs';
import type { Seat } from '../core/callers.js';
import type { Flight } from '../core/flight.js';
import { encodeKey } from '../core/key.js';
import { boardToLeave } from '../rx/do-chan.js';
import { boarding, landed, type Landed } from '../rx/observables.js';
import { callOf, flightOf } from './flight-signal.decorator.js';
import { withFlight } from './handler-flight.js';
import { answeredAlone } from './http-errors.js';
import type { HttpRequest, HttpResponse } from './http-exchange.js';
import { HttpFlights, type GroupKey } from './http-flights.js';
import { Passage } from './passage.js';
import { digestOf } from './request-key.js';
import { requestParts } from './request-parts.js';
import type { Route } from './route.js';
import type { SingleFlightRegistry } from './single-flight.registry.js';
import { SINGLE_FLIGHT_REGISTRY } from './tokens.js';
import { isAboard, isBypassed, markBypassed } from './travelling.js';

/**
 * Coalesces concurrent GET and HEAD requests of a route, on Express and Fastify: the first runs the handler, the others
 * wait and get its value, or its error.
 *
 * What stands outside of it (middleware, guards, outer interceptors) runs for every request; what stands inside (inner
 * interceptors, pipes, the handler) runs once. Unless more is stated, with `@SingleFlightShare('public')` or
 * `@SingleFlightKey`, only requests that are identical in every header, address and host are merged, and those that
 * could still belong to different people go alone. Where more is stated, it is the developer who says that everybody
 * with the same key may have the same answer.
 *
 * Status and headers that the leader's handler gave its response are given to its followers' too. A client that goes
 * away leaves the flight. Limits, wait timeouts and, where flights of the fleet fail then, an engine that is down are
 * answered 503 with Retry-After, flight timeouts 504.
 *
 * Always alone: other methods, handlers with `@Res()`, `@Next()` or `@Sse()`. What cannot be shared (a stream, a
 * StreamableFile, a Response, an answer that sets a cookie or a status that is no success) goes to the leader: whoever
 * had joined runs the handler too, and for 30 seconds requests for its URL, or after a stream all of the route's, go alone.
 * Over other transports (GraphQL queries, messages, WebSockets) calls are coalesced only where `@SingleFlightKey` makes
 * their key.
 *
 * @example
 * ```ts
 * import { Controller, Get, Param, UseInterceptors } from '@nestjs/common';
 * import { SingleFlightInterceptor } from 'nestjs-singleflight';
 *
 * @Controller('products')
 * @UseInterceptors(SingleFlightInterceptor)
 * class ProductsController {
 *   @Get(':id')
 *   async find(@Param('id') id: string): Promise<string> {
 *     return `product ${id}`;
 *   }
 * }
 * ```
 */
@Injectable()
export class SingleFlightInterceptor implements NestInterceptor {
  private readonly flights: HttpFlights;

  constructor(@Optional() @Inject(SINGLE_FLIGHT_REGISTRY) registry?: SingleFlightRegistry) {
    this.flights = HttpFlights.of(registry);
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const handler = this.flights.tellsHandlers ? withFlight(context, next) : next;
    return context.getType() === 'http'
      ? this.interceptRequest(context, handler)
      : this.interceptCall(context, handler);
  }

  private interceptRequest(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    // By index: `switchToHttp` makes an object of functions for every call.
    const request = context.getArgByIndex<HttpRequest>(0);
    const response = context.getArgByIndex<HttpResponse>(1);
    const { method } = request;
    if (method !== 'GET' && method !== 'HEAD') return answeredAlone(next, response);
    // Inside itself, when it stands before both the app and the controller: it would wait for itself.
    if (isAboard(request)) return next.handle();
    const route = this.flights.routeOf(context);
    if (isBypassed(request, route)) return answeredAlone(next, response);
    const parts = this.mayShare(request, route) ? requestParts(request, route, context) : undefined;
    if (parts === undefined) {
      markBypassed(request, route);
      this.flights.group.countBypass();
      return answeredAlone(next, response);
    }
    return new Observable((subscriber) =>
      new Passage(this.flights, route, request, response, next).travel(parts, subscriber),
    );
  }

  private mayShare({ url, originalUrl = url }: HttpRequest, route: Route): boolean {
    return this.flights.enabled && !route.alone && !route.isAloneAt(originalUrl);
  }

  /** A call over another transport: coalesced where its handler has a key by hand. */
  private interceptCall(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const route = this.flights.routeOf(context);
    if (route.keyFn === undefined || route.alone || !this.flights.enabled || writes(context)) return next.handle();
    // Inside itself, when it stands before both the app and the handler: it would wait for itself.
    if (boarded.has(context)) return next.handle();
    const key = callKey(route, context);
    const { group } = this.flights;
    if (key === undefined) {
      group.countBypass();
      return next.handle();
    }
    return boarding((): Seat<Landed<unknown>> => {
      boarded.add(context);
      const lead = (flight: Flight<GroupKey>): Promise<Landed<unknown>> => {
        const call = callOf(context);
        if (call !== undefined) flightOf.set(call, flight);
        return landed(next.handle(), flight, () => group.place(key));
      };
      return boardToLeave<Landed<unknown>, GroupKey>(group, key, lead, route.options);
    });
  }
}

/** The key of a call over another transport, which only a key by hand can make; undefined when it goes alone. */
function callKey(route: Route, context: ExecutionContext): string | undefined {
  const key = route.keyFn?.(context);
  if (key === undefined || key === null) return undefined;
  const encoded = encodeKey(key, `The key function of ${route.name} returned`);
  return `${context.getType().toUpperCase()} ${route.name} #${digestOf([route.id, context.getType<string>(), encoded])}`;
}

/** A GraphQL operation that is not a query: it changes something, or it does not end. */
function writes(context: ExecutionContext): boolean {
  if (context.getType<string>() !== 'graphql') return false;
  const info = context.getArgByIndex<{ operation?: { operation?: string } } | undefined>(3);
  return info?.operation?.operation !== 'query';
}

/**
 * The calls over other transports than HTTP that have boarded, for good: one that is tried again goes alone, because nobody
 * can tell it from one that meets the interceptor once more. By context: Nest makes one for a call, for all its interceptors.
 */
const boarded = new WeakSet<ExecutionContext>();
