import type { ExecutionContext } from '@nestjs/common';
import { Group } from '../core/group.js';
import type { AppFleet } from './app-fleet.js';
import { describingText, NEST_DEFAULTS } from './module-options.js';
import type { RequestKey } from './request-key.js';
import { Route } from './route.js';
import type { SingleFlightRegistry } from './single-flight.registry.js';
import { weakEntry } from './weak-entry.js';

/** The name of the group whose flights are requests: `forFeature({ name: 'http', … })` sets its limits. */
const HTTP_GROUP = 'http';

/** Requests are known by a key that shows nothing of them, calls over other transports by a text. */
export type GroupKey = RequestKey | string;

/** What all interceptors of one app share: its flights and its routes. */
export class HttpFlights {
  readonly group: Group<GroupKey>;
  /** By handler, and there of each controller class: subclasses inherit handlers. */
  private readonly routes = new WeakMap<object, Route[]>();
  /** Of a lone interceptor, `new` in a decorator say, which may stand in several apps. */
  private readonly ofApps = new WeakMap<object, HttpFlights>();

  /** The flights of an app; without one, of a lone interceptor. */
  static of(registry: SingleFlightRegistry | undefined): HttpFlights {
    if (registry === undefined) return new HttpFlights(undefined);
    return weakEntry(flightsOf, registry, () => new HttpFlights(registry));
  }

  private constructor(
    private readonly registry: SingleFlightRegistry | undefined,
    group?: Group<GroupKey>,
  ) {
    this.group =
      group ??
      (registry?.service(HTTP_GROUP).group as Group<GroupKey> | undefined) ??
      new Group({ ...NEST_DEFAULTS, describeKey: describingText(), name: HTTP_GROUP });
  }

  get enabled(): boolean {
    return this.registry?.enabled ?? true;
  }

  /** Whether handlers may ask for the current flight. */
  get tellsHandlers(): boolean {
    return this.registry?.http.currentFlight === true;
  }

  /** The app's part in its fleet, where it has one. */
  get fleet(): AppFleet | undefined {
    return this.registry?.fleet;
  }

  routeOf(context: ExecutionContext): Route {
    const controller = context.getClass();
    const handler = context.getHandler();
    const known = this.ofApp(context).routes;
    const routes = known.get(handler);
    if (routes !== undefined) for (const route of routes) if (route.controller === controller) return route;
    const made = new Route(controller, handler, this.registry?.http ?? {}, context.getType() === 'http');
    known.set(handler, [...(routes ?? []), made]);
    return made;
  }

  /** Two apps in one process are two sets of routes, even with one interceptor. */
  private ofApp(context: ExecutionContext): HttpFlights {
    if (this.registry !== undefined || context.getType() !== 'http') return this;
    // Express names its app, Fastify its server.
    const { app, server } = context.getArgByIndex<{ app?: object; server?: object }>(0);
    const place = app ?? server;
    return place === undefined ? this : weakEntry(this.ofApps, place, () => new HttpFlights(undefined, this.group));
  }
}

const flightsOf = new WeakMap<object, HttpFlights>();
