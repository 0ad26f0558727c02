import 'reflect-metadata';
import type { HttpShare, SingleFlightHttpOptions } from './module-options.js';
import { routeArgumentsOf } from './route-arguments.js';
import { KEY, SHARE, SKIP, type ContextKeyFunction, type StatedShare } from './share.decorators.js';

/** After an answer that could not be shared a route's requests go alone for this long. */
const ALONE_FOR_MS = 30_000;
const DEFAULT_VARY = ['accept', 'accept-language'];

/** What the interceptor knows of one handler of one controller class. */
export class Route {
  private readonly neverShared: boolean;
  readonly keyFn: ContextKeyFunction | undefined;
  readonly share: HttpShare;
  readonly vary: readonly string[];
  /** For errors. */
  readonly name: string;
  /** Tells it apart from every other route in the process. */
  readonly id: string;
  /** Written when an answer turns out not to be shareable. */
  private aloneUntil = 0;

  constructor(
    controller: { readonly name: string },
    handler: { readonly name: string },
    http: SingleFlightHttpOptions,
  ) {
    // A share that the handler states replaces its class's key too.
    const speaker = [KEY, SHARE].some((key) => Reflect.hasMetadata(key, handler)) ? handler : controller;
    const stated = Reflect.getMetadata(SHARE, speaker) as StatedShare | undefined;
    this.keyFn = Reflect.getMetadata(KEY, speaker) as ContextKeyFunction | undefined;
    this.share = stated?.share ?? http.share ?? 'client';
    this.vary = stated?.vary ?? http.vary ?? DEFAULT_VARY;
    const byHand = this.keyFn !== undefined || this.share === 'public';
    const methodName = methodNameOf(controller, handler);
    const route = routeArgumentsOf(controller, methodName ?? '');
    this.neverShared =
      [handler, controller].some((place) => Reflect.getMetadata(SKIP, place) === true) ||
      // A function that the class does not know: nobody can tell whether it answers by itself.
      methodName === undefined ||
      route.sse ||
      route.answersItself ||
      // Followers would lack the status and headers that the handler sets on its own response.
      route.passthrough ||
      (route.session && !byHand);
    this.name = `${controller.name}.${handler.name}`;
    this.id = String(++routes);
  }

  /** Whether its requests go alone, whatever is stated: what the handler returns is not all that the client gets. */
  get alone(): boolean {
    return this.neverShared || (this.aloneUntil !== 0 && this.aloneUntil > performance.now());
  }

  /** An answer could not be shared, so the next ones can probably not either. */
  restAlone(): void {
    this.aloneUntil = performance.now() + ALONE_FOR_MS;
  }
}

/** How many routes were seen: no two have the same id. */
let routes = 0;

/**
 * The handler's own name may differ from its method's: another decorator may have replaced the function. Tracing tools
 * put a function of the same name in its place.
 */
function methodNameOf(controller: object, handler: { readonly name: string }): string | undefined {
  const { prototype } = controller as { prototype: object };
  for (let level: object | null = prototype; level !== null; level = Object.getPrototypeOf(level) as object | null) {
    for (const name of Object.getOwnPropertyNames(level)) {
      if (Object.getOwnPropertyDescriptor(level, name)?.value === handler) return name;
    }
  }
  return handler.name in prototype ? handler.name : undefined;
}
