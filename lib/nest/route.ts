import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import type { CallOptions } from '../core/options.js';
import { noIdentity, type HttpShare, type SingleFlightHttpOptions } from './module-options.js';
import { Unshared } from '../fleet/unshared.js';
import { Overlaps } from './overlaps.js';
import { RequestKeys } from './request-key.js';
import { methodsOf, routeArgumentsOf } from './route-arguments.js';
import { KEY, SHARE, SKIP, type ContextKeyFunction, type StatedShare } from './share.decorators.js';

/** After an answer that could not be shared a route's requests go alone for this long. */
const ALONE_FOR_MS = 30_000;
const DEFAULT_VARY = ['accept', 'accept-language'];

/** What the interceptor knows of one handler of one controller class. */
export class Route {
  private readonly neverShared: boolean;
  /** Whether its handler writes to its client's response itself. */
  readonly passthrough: boolean;
  readonly keyFn: ContextKeyFunction | undefined;
  readonly share: HttpShare;
  readonly identity: SingleFlightHttpOptions['identity'];
  /** In small letters, as Node has them. */
  readonly vary: readonly string[];
  /** The name of its flights in the app's fleet, where it states one. */
  readonly fleet: string | undefined;
  /** Of which version it is, where it states one: a header may tell routes of one address apart. */
  readonly version: string | undefined;
  /** What its requests ask for as callers. */
  readonly options: CallOptions | undefined;
  /** Whether its requests overlap and never merge; gone once that is known. Written by the interceptor. */
  overlaps: Overlaps | undefined;
  /** What tells its requests under way apart. */
  readonly keys = new RequestKeys();
  /** For errors. */
  readonly name: string;
  /** Tells it apart from every other route in the process. */
  readonly id: string;
  /** Written when its answers turn out to be of a kind that cannot be shared. */
  private aloneUntil = 0;
  /** The URLs whose last answer could not be shared. */
  private readonly unshared = new Unshared();
  /** Whether somebody was told why its requests go alone. Written once. */
  private told = false;
  private readonly logger = new Logger('SingleFlight');

  constructor(
    readonly controller: { readonly name: string },
    handler: { readonly name: string },
    http: SingleFlightHttpOptions,
    /** Over another transport there is no response to write to. */
    isHttp = true,
  ) {
    // A share that the handler states replaces its class's key too.
    const speaker = [KEY, SHARE].some((key) => Reflect.hasMetadata(key, handler)) ? handler : controller;
    const stated = Reflect.getMetadata(SHARE, speaker) as StatedShare | undefined;
    this.keyFn = Reflect.getMetadata(KEY, speaker) as ContextKeyFunction | undefined;
    this.share = stated?.share ?? http.share ?? 'client';
    this.vary = (stated?.vary ?? http.vary ?? DEFAULT_VARY).map((name) => name.toLowerCase());
    this.identity = http.identity;
    this.fleet = stated?.fleet;
    this.version = versionOf(handler) ?? versionOf(controller);
    this.options = http.waitTimeoutMs === undefined ? undefined : { waitTimeoutMs: http.waitTimeoutMs };
    const byHandKey = this.keyFn !== undefined;
    const byHand = byHandKey || this.share === 'public';
    const methodName = methodNameOf(controller, handler);
    const route = routeArgumentsOf(controller, methodName ?? '');
    this.passthrough = route.passthrough;
    this.neverShared =
      [handler, controller].some((place) => Reflect.getMetadata(SKIP, place) === true) ||
      // A function that the class does not know: nobody can tell whether it answers by itself.
      methodName === undefined ||
      (isHttp && (route.sse || route.answersItself)) ||
      // It writes to its own client's response or session, and nobody has said that all may have the same answer.
      (isHttp && (route.passthrough || route.session) && !byHand);
    this.name = `${controller.name}.${handler.name}`;
    if (this.share === 'user' && this.keyFn === undefined && this.identity === undefined) throw noIdentity(this.name);
    this.overlaps = byHandKey || this.neverShared ? undefined : new Overlaps(this);
    this.id = String(++routes);
  }

  /** Whether its requests go alone, whatever is stated: what the handler returns is not all that the client gets. */
  get alone(): boolean {
    return this.neverShared || (this.aloneUntil !== 0 && this.aloneUntil > performance.now());
  }

  /** Whether those for one URL do. */
  isAloneAt(url: string): boolean {
    return this.unshared.size > 0 && this.unshared.has(url);
  }

  /** An answer can be read only once, so the next ones can probably not be shared either. */
  restAlone(): void {
    this.aloneUntil = performance.now() + ALONE_FOR_MS;
    this.tell('can be read only once, so nobody shares it, and all its requests', 'Say @SkipSingleFlight() on it');
  }

  /** An answer is its own client's, so the next one for that URL probably is too. Of another URL nothing is known. */
  restAloneAt(url: string): void {
    this.unshared.add(url);
    this.tell(
      'sets a cookie or a status that is no success, or was sent by its handler, so nobody shares it, and requests for its URL',
      'Throw the exception instead of setting its status (what is thrown is shared), or say @SkipSingleFlight() on it',
    );
  }

  private tell(why: string, remedy: string): void {
    if (this.told) return;
    this.told = true;
    this.logger.warn(`An answer of ${this.name} ${why} go alone for ${ALONE_FOR_MS / 1_000} s. ${remedy}.`);
  }
}

/** Nest keeps it so in all versions from 10 to 12: a text, a list, or a symbol for any. */
function versionOf(place: object): string | undefined {
  const version = Reflect.getMetadata('__version__', place) as string | symbol | (string | symbol)[] | undefined;
  return version === undefined ? undefined : [version].flat().map(String).join();
}

/** How many routes were seen: no two have the same id. */
let routes = 0;

/**
 * The handler's own name may differ from its method's: another decorator may have replaced the function. Tracing tools
 * put a function of the same name in its place.
 */
function methodNameOf(controller: object, handler: { readonly name: string }): string | undefined {
  for (const [name, method] of methodsOf(controller)) if (method === handler) return name;
  const { prototype } = controller as { prototype: object };
  return handler.name in prototype ? handler.name : undefined;
}
