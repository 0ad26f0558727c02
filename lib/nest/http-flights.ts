import type { ExecutionContext } from '@nestjs/common';
import { Group } from '../core/group.js';
import { NEST_DEFAULTS } from './module-options.js';
import { Route } from './route.js';
import type { SingleFlightRegistry } from './single-flight.registry.js';

/** The name of the group whose flights are requests: `forFeature({ name: 'http', … })` sets its limits. */
const HTTP_GROUP = 'http';

/** What all interceptors of one app share: its flights, its routes, and the requests that are aboard. */
export class HttpFlights {
  /** Requests that have boarded and are not answered yet; written by the interceptor. */
  readonly aboard = new WeakSet();
  readonly group: Group;
  /** By controller class and handler: two handlers of one path are two routes. */
  private readonly routes = new WeakMap<object, WeakMap<object, Route>>();

  /** The flights of an app; without one, of a lone interceptor. */
  static of(registry: SingleFlightRegistry | undefined): HttpFlights {
    if (registry === undefined) return new HttpFlights(undefined);
    let flights = ofApp.get(registry);
    if (flights === undefined) ofApp.set(registry, (flights = new HttpFlights(registry)));
    return flights;
  }

  private constructor(private readonly registry: SingleFlightRegistry | undefined) {
    this.group = registry?.service(HTTP_GROUP).group ?? new Group({ ...NEST_DEFAULTS, name: HTTP_GROUP });
  }

  get enabled(): boolean {
    return this.registry?.enabled ?? true;
  }

  routeOf(context: ExecutionContext): Route {
    const controller = context.getClass();
    const handler = context.getHandler();
    let ofController = this.routes.get(controller);
    if (ofController === undefined) this.routes.set(controller, (ofController = new WeakMap<object, Route>()));
    let route = ofController.get(handler);
    if (route === undefined)
      ofController.set(handler, (route = new Route(controller, handler, this.registry?.http ?? {})));
    return route;
  }
}

const ofApp = new WeakMap<SingleFlightRegistry, HttpFlights>();
