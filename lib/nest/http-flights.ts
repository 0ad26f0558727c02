import type { ExecutionContext } from '@nestjs/common';
import { Group } from '../core/group.js';
import { NEST_DEFAULTS } from './module-options.js';
import { Route } from './route.js';
import type { SingleFlightRegistry } from './single-flight.registry.js';
import { weakEntry } from './weak-entry.js';

/** The name of the group whose flights are requests: `forFeature({ name: 'http', … })` sets its limits. */
const HTTP_GROUP = 'http';

/** What all interceptors of one app share: its flights, its routes, and the requests that are aboard. */
export class HttpFlights {
  /** Requests that have boarded and are not answered yet; written by the interceptor. */
  readonly aboard = new WeakSet();
  readonly group: Group;
  /** Requests that were let through alone; written by {@link countBypass}. */
  private readonly bypassed = new WeakSet();
  /** By app, controller class and handler: two handlers of one path are two routes. */
  private readonly routes = new WeakMap<object, WeakMap<object, WeakMap<object, Route>>>();

  /** The flights of an app; without one, of a lone interceptor. */
  static of(registry: SingleFlightRegistry | undefined): HttpFlights {
    if (registry === undefined) return new HttpFlights(undefined);
    return weakEntry(flightsOf, registry, () => new HttpFlights(registry));
  }

  private constructor(private readonly registry: SingleFlightRegistry | undefined) {
    this.group = registry?.service(HTTP_GROUP).group ?? new Group({ ...NEST_DEFAULTS, name: HTTP_GROUP });
  }

  get enabled(): boolean {
    return this.registry?.enabled ?? true;
  }

  /** Counts a request once, however often the interceptor stands before it. */
  countBypass(request: object): void {
    if (this.bypassed.has(request)) return;
    this.bypassed.add(request);
    this.group.countBypass();
  }

  routeOf(context: ExecutionContext): Route {
    const controller = context.getClass();
    const handler = context.getHandler();
    const isHttp = context.getType() === 'http';
    const { app, server } = isHttp ? context.switchToHttp().getRequest<{ app?: object; server?: object }>() : {};
    // A lone interceptor, `new` in a decorator say, may stand in several apps: Express names its app, Fastify its server.
    const ofApp = weakEntry(this.routes, app ?? server ?? this, () => new WeakMap<object, WeakMap<object, Route>>());
    const ofController = weakEntry(ofApp, controller, () => new WeakMap<object, Route>());
    return weakEntry(ofController, handler, () => new Route(controller, handler, this.registry?.http ?? {}, isHttp));
  }
}

const flightsOf = new WeakMap<object, HttpFlights>();
