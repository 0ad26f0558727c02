import 'reflect-metadata';
import { RequestMethod } from '@nestjs/common';
import { requireFleet, type FleetHost } from './fleet-name.js';
import { noIdentity, type SingleFlightHttpOptions } from './module-options.js';
import { methodsOf, routeArgumentsOf } from './route-arguments.js';
import { KEY, SHARE, type StatedShare } from './share.decorators.js';

interface Controller {
  readonly name: string;
}

/**
 * Looks at what a controller and its handlers state for the interceptor.
 *
 * @param warn is told of what is stated where nothing is ever coalesced
 * @throws InvalidOptionError when `'user'` is stated and nobody says who asks, or a flight of a fleet that the app has not
 */
export function checkStated(
  controller: Controller,
  http: SingleFlightHttpOptions,
  app: FleetHost,
  warn: (message: string) => void,
): void {
  const check = (place: object, name: string): void => {
    const stated = Reflect.getMetadata(SHARE, place) as StatedShare | undefined;
    if (stated?.share === 'user' && http.identity === undefined) throw noIdentity(name);
    requireFleet(app, stated?.fleet, `@SingleFlightShare on ${name}`);
  };
  check(controller, controller.name);
  const seen = new Set<string>();
  for (const [methodName, method] of methodsOf(controller)) {
    const name = `${controller.name}.${methodName}`;
    check(method, name);
    // One that a subclass replaces is no route.
    if (seen.has(methodName)) continue;
    seen.add(methodName);
    const decorator = decoratorOn(method);
    const reason = decorator && reasonToGoAlone(controller, methodName, method);
    if (reason !== undefined) warn(`@${decorator ?? ''} on ${name} has no effect: ${reason}`);
  }
}

function decoratorOn(method: object): string | undefined {
  if (Reflect.hasMetadata(SHARE, method)) return 'SingleFlightShare';
  return Reflect.hasMetadata(KEY, method) ? 'SingleFlightKey' : undefined;
}

const COALESCED = [RequestMethod.GET, RequestMethod.HEAD, RequestMethod.ALL];

/** Why none of a route's requests can ever be coalesced, if that is so, and what to do. */
function reasonToGoAlone(controller: object, methodName: string, method: object): string | undefined {
  // Nest keeps it so in all versions from 10 to 12. Handlers of other transports have none.
  const requestMethod = Reflect.getMetadata('method', method) as RequestMethod | undefined;
  if (requestMethod === undefined) return undefined;
  if (!COALESCED.includes(requestMethod)) {
    const verb = RequestMethod[requestMethod];
    return `${verb} requests are never coalesced, only GET and HEAD are. Take it away.`;
  }
  const { sse, answersItself, passthrough, session } = routeArgumentsOf(controller, methodName);
  if (sse) return 'an @Sse() handler sends each client events of its own. Take it away.';
  if (answersItself) {
    return 'its handler answers through @Res() or @Next(), which nobody else gets. Return the value, or use @Res({ passthrough: true }).';
  }
  const share = (Reflect.getMetadata(SHARE, method) as StatedShare | undefined)?.share;
  const byHand = Reflect.hasMetadata(KEY, method) || share === 'public';
  if (!(passthrough || session) || byHand) return undefined;
  return (
    `a handler that takes @Res({ passthrough: true }) or @Session() may answer its own client, so that under '${share ?? 'client'}' ` +
    "its requests go alone. State 'public', or a @SingleFlightKey of what the answer depends on, if everybody with that may have it."
  );
}
