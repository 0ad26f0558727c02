import {
  Inject,
  Injectable,
  Optional,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { catchError, Observable, throwError } from 'rxjs';
import type { Seat } from '../core/callers.js';
import type { Flight } from '../core/flight.js';
import { boardToLeave } from '../rx/do-chan.js';
import { boarding, landed, type Landed } from '../rx/observables.js';
import { callOf, flightOf } from './flight-signal.decorator.js';
import { httpError } from './http-errors.js';
import type { HttpRequest, HttpResponse } from './http-exchange.js';
import { HttpFlights } from './http-flights.js';
import { callKey, routeKey } from './http-key.js';
import { Passage } from './passage.js';
import type { SingleFlightRegistry } from './single-flight.registry.js';
import { SINGLE_FLIGHT_REGISTRY } from './tokens.js';

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
 * away leaves the flight. Limits and wait timeouts are answered 503 with Retry-After, flight timeouts 504.
 *
 * Always alone: other methods, handlers with `@Res()`, `@Next()` or `@Sse()`. What cannot be shared (a stream, a
 * StreamableFile, a Response, an answer that sets a cookie or a status that is no success) goes to the leader: whoever
 * had joined runs the handler too, and for 30 seconds the route's requests go alone. Over other transports (GraphQL
 * queries, messages, WebSockets) calls are coalesced only where `@SingleFlightKey` makes their key.
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
    return context.getType() === 'http' ? this.interceptRequest(context, next) : this.interceptCall(context, next);
  }

  private interceptRequest(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<HttpRequest>();
    const response = context.switchToHttp().getResponse<HttpResponse>();
    if (request.method !== 'GET' && request.method !== 'HEAD') return answered(next, response);
    // Inside itself, when it stands before both the app and the controller: it would wait for itself.
    if (this.flights.aboard.has(request)) return next.handle();
    const route = this.flights.routeOf(context);
    const key = this.flights.enabled && !route.alone ? routeKey(request, route, context) : undefined;
    if (key === undefined) {
      this.flights.countBypass(request);
      return answered(next, response);
    }
    return new Observable((subscriber) => {
      const passage = new Passage(this.flights, route, request, response, next);
      return passage.travel(key, subscriber);
    });
  }

  /** A call over another transport: coalesced where its handler has a key by hand. */
  private interceptCall(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const route = this.flights.routeOf(context);
    if (route.keyFn === undefined || route.alone || !this.flights.enabled || writes(context)) return next.handle();
    const key = callKey(route, context);
    const { group } = this.flights;
    if (key === undefined) {
      group.countBypass();
      return next.handle();
    }
    return boarding((): Seat<Landed<unknown>> => {
      const lead = (flight: Flight): Promise<Landed<unknown>> => {
        const call = callOf(context);
        if (call !== undefined) flightOf.set(call, flight);
        return landed(next.handle(), flight, () => group.place(key));
      };
      return boardToLeave(group, key, lead, route.options);
    });
  }
}

/** The handler's own answer, for a request that goes alone. */
function answered(next: CallHandler, response: HttpResponse): Observable<unknown> {
  return next.handle().pipe(catchError((error: unknown) => throwError(() => httpError(error, response))));
}

/** A GraphQL operation that is not a query: it changes something, or it does not end. */
function writes(context: ExecutionContext): boolean {
  if (context.getType<string>() !== 'graphql') return false;
  const info = context.getArgByIndex<{ operation?: { operation?: string } } | undefined>(3);
  return info?.operation?.operation !== 'query';
}
