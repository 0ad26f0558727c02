import { SetMetadata, type CustomDecorator, type ExecutionContext } from '@nestjs/common';
import { InvalidKeyError, InvalidOptionError, type ErrorPlace } from '../core/errors.js';
import { inspect } from '../core/inspect.js';
import { checkNames } from '../core/options.js';
import { checkNamed } from '../fleet/options.js';
import type { KeyResult } from './decorator-types.js';
import { checkHttpOptions, type HttpShare } from './module-options.js';
import { metadataKey } from './tokens.js';

/** Makes the key of a call from its context; `undefined` or `null`: do not coalesce it. */
export type ContextKeyFunction = (context: ExecutionContext) => KeyResult;

/** What a route, or a controller for all of its routes, says of who may share an answer. */
export interface StatedShare {
  readonly share: HttpShare;
  readonly vary?: readonly string[] | undefined;
  /** The name of the route's flights in the app's fleet. */
  readonly fleet?: string | undefined;
}

/** What {@link SingleFlightShare} takes besides the share. */
export interface ShareOptions {
  /** With `'user'` and `'public'`, the request headers on which the answer depends. Default: `accept`, `accept-language`. */
  readonly vary?: readonly string[] | undefined;
  /**
   * With `'user'` and `'public'`, the name of the route's flights in the app's fleet: all processes share one handler run.
   * Default: none.
   */
  readonly fleet?: string | undefined;
}

export const SHARE = metadataKey('share');
export const KEY = metadataKey('key');
export const SKIP = metadataKey('skip');

/**
 * States who may share an answer of this route, or of all routes of this controller.
 *
 * `'client'`: only identical requests of one client. `'user'`: one user's requests, as `http.identity` of `forRoot` tells
 * users apart, whose `vary` headers are the same. `'public'`: everybody whose `vary` headers are the same. State `'user'`
 * only where the answer depends on nothing but the user, the URL and these headers, and `'public'` only where it depends
 * not even on the user.
 *
 * @param options `vary`: with `'user'` and `'public'`, the request headers on which the answer depends. Default: `accept` and
 * `accept-language`. `fleet`: with `'user'` and `'public'`, the name under which the route's answers are shared by all
 * processes of the app's fleet. Default: none
 * @throws InvalidOptionError when the share or an option is unknown
 *
 * @example
 * ```ts
 * import { Controller, Get, UseInterceptors } from '@nestjs/common';
 * import { SingleFlightInterceptor, SingleFlightShare } from 'nestjs-singleflight';
 *
 * @Controller('products')
 * @UseInterceptors(SingleFlightInterceptor)
 * class ProductsController {
 *   @Get()
 *   @SingleFlightShare('public', { vary: ['accept-language'] })
 *   async list(): Promise<string[]> {
 *     return ['a lamp'];
 *   }
 * }
 * ```
 */
export function SingleFlightShare(share: HttpShare, options: ShareOptions = {}): CustomDecorator<symbol> {
  const place = (): ErrorPlace => ({ site: '@SingleFlightShare' });
  checkNames(options, ['vary', 'fleet'], place);
  const { vary, fleet } = options;
  checkHttpOptions({ vary, share }, '@SingleFlightShare');
  if (fleet !== undefined) checkNamed('fleet', fleet, place);
  if (fleet !== undefined && share === 'client') {
    throw new InvalidOptionError(
      `@SingleFlightShare('client', { fleet: '${fleet}' }): what tells one client from another are its headers and its ` +
        "cookies, and these do not leave the process. Share per 'user' or 'public', or leave the name out.",
    );
  }
  return SetMetadata<symbol, StatedShare>(SHARE, { share, vary, fleet });
}

/**
 * Makes the route's key by hand: calls with equal keys share one answer, whoever asks, and whatever else their requests
 * hold. Put into it everything on which the answer depends.
 *
 * @throws InvalidKeyError when it is given no function
 *
 * @example
 * ```ts
 * import { Controller, Get, UseInterceptors } from '@nestjs/common';
 * import { SingleFlightInterceptor, SingleFlightKey } from 'nestjs-singleflight';
 *
 * @Controller('reports')
 * @UseInterceptors(SingleFlightInterceptor)
 * class ReportsController {
 *   @Get()
 *   @SingleFlightKey((context) => context.switchToHttp().getRequest<{ user?: { id: string } }>().user?.id)
 *   async mine(): Promise<string[]> {
 *     return ['a report'];
 *   }
 * }
 * ```
 */
export function SingleFlightKey(keyFn: ContextKeyFunction): CustomDecorator<symbol> {
  if (typeof keyFn !== 'function') {
    throw new InvalidKeyError(
      `@SingleFlightKey needs a function from the execution context to a key, not ${inspect(keyFn)}.`,
    );
  }
  return SetMetadata(KEY, keyFn);
}

/** Lets every request of this route, or of all routes of this controller, through alone. */
export function SkipSingleFlight(): CustomDecorator<symbol> {
  return SetMetadata(SKIP, true);
}
