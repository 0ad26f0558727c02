import {
  Inject,
  Injectable,
  Optional,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { from, lastValueFrom, mergeMap, Observable, toArray } from 'rxjs';
import { HttpFlights } from './http-flights.js';
import { routeKey, type HttpRequest } from './http-key.js';
import type { Route } from './route.js';
import type { SingleFlightRegistry } from './single-flight.registry.js';
import { singleUseKind } from './single-use.js';
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
 * Always alone: other methods, handlers with `@Res()`, `@Next()` or `@Sse()`, transports other than HTTP. A stream,
 * StreamableFile or Response is not shared: whoever had joined runs the handler too, and for 30 seconds the route's
 * requests go alone.
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
    if (context.getType() !== 'http') return next.handle();
    const request = context.switchToHttp().getRequest<HttpRequest>();
    if (request.method !== 'GET' && request.method !== 'HEAD') return next.handle();
    // Inside itself, when it stands before both the app and the controller: it would wait for itself.
    if (this.flights.aboard.has(request)) return next.handle();
    const route = this.flights.routeOf(context);
    const key = this.flights.enabled && !route.alone ? routeKey(request, route, context) : undefined;
    if (key !== undefined) return this.coalesced(request, route, key, next);
    this.flights.countBypass(request);
    return next.handle();
  }

  private coalesced(request: object, route: Route, key: string, next: CallHandler): Observable<unknown> {
    const { aboard, group } = this.flights;
    return new Observable((subscriber) => {
      aboard.add(request);
      let led = false;
      const answer = group.run(key, () => {
        led = true;
        return lastValueFrom(next.handle().pipe(toArray()));
      });
      // A promise and no shared Observable: what comes next runs in this request's own async context.
      from(answer)
        .pipe(
          mergeMap((values) => {
            const shareable = values.every((value) => singleUseKind(value) === undefined);
            if (!shareable) route.restAlone();
            return led || shareable ? from(values) : next.handle();
          }),
        )
        .subscribe(subscriber);
      return () => aboard.delete(request);
    });
  }
}
