import { encodeKey } from '../core/key.js';
import type { ExecutionContext } from '@nestjs/common';
import type { KeyResult } from './decorator-types.js';
import { headerText, rawHeadersOf, type HttpRequest } from './http-exchange.js';
import type { Route } from './route.js';

/**
 * All that tells a request of a route from another: the method, the address, and what its share adds. Two requests may
 * have the same answer where these are equal, one by one. Those of one route read alike: what stands where is the same
 * for all of them, and lists have their length before them.
 */
export type RequestParts = readonly (string | undefined)[];

/** Where in them the method and the URL as it was sent stand. */
export const METHOD_AT = 0;
export const URL_AT = 1;
const ADDRESS_PARTS = 7;

/**
 * Headers that say nothing of who asks or for what: those of the hop, and ids that only trace the request. Whole names,
 * no prefixes: whatever is not listed tells two requests apart.
 */
export const IGNORED_HEADERS: ReadonlySet<string> = new Set([
  // RFC 9110, 7.6.1: about this connection alone. `te` and `upgrade` are not here: they change the answer.
  'connection',
  'keep-alive',
  'proxy-connection',
  // Trace ids. `baggage` is not here: it carries what an application puts into it.
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'x-request-id',
  'x-correlation-id',
  'x-amzn-trace-id',
  'x-cloud-trace-context',
  'x-datadog-trace-id',
  'x-datadog-parent-id',
  'x-datadog-sampling-priority',
  'uber-trace-id',
  'sentry-trace',
  'cf-ray',
]);

/** What tells a request of a route from others; undefined when it goes alone. */
export function requestParts(request: HttpRequest, route: Route, context: ExecutionContext): RequestParts | undefined {
  if (route.keyFn !== undefined) {
    const key = route.keyFn(context);
    if (key === undefined || key === null) return undefined;
    return [...addressParts(request), encodeKey(key, `The key function of ${route.name} returned`)];
  }
  if (route.share === 'public') return varyParts(request, route.vary);
  if (goesAlone(request)) return undefined;
  if (route.share === 'client') return withClient(addressParts(request), request);
  // As of a key by hand: null is nobody either.
  const user = route.identity?.(context) as KeyResult;
  if (user === undefined || user === null) return undefined;
  const parts = varyParts(request, route.vary, 1);
  parts[parts.length - 1] = encodeKey(user, `http.identity returned, for ${route.name},`);
  return parts;
}

/** Where a request was sent to. */
function addressParts(request: HttpRequest, more = 0): (string | undefined)[] {
  const { headers, method, url, originalUrl = url } = request;
  // As long as it will be: an array that grows is copied.
  const parts = new Array<string | undefined>(ADDRESS_PARTS + more);
  parts[METHOD_AT] = method;
  // As it was sent, and as a middleware may have rewritten it: the handler's parameters are of the second.
  parts[URL_AT] = originalUrl;
  parts[2] = url;
  // As it was sent, and as a trusted proxy says it was: an app of many hosts tells them apart by the second.
  parts[3] = headerText(headers[':authority']) ?? headerText(headers.host);
  parts[4] = request.hostname;
  // With the port. Express 4, which `param()` tells, has none there, and warns whoever asks.
  parts[5] = 'param' in request ? undefined : request.host;
  parts[6] = request.protocol;
  return parts;
}

/** And the headers on which its answer depends. */
function varyParts(request: HttpRequest, vary: readonly string[], more = 0): (string | undefined)[] {
  const parts = addressParts(request, vary.length + more);
  for (let i = 0; i < vary.length; i++) parts[ADDRESS_PARTS + i] = headerText(request.headers[vary[i] ?? '']);
  return parts;
}

/** Adds who asks, as far as the request tells: every header that is not known to be without meaning, and the address. */
function withClient(parts: (string | undefined)[], request: HttpRequest): RequestParts {
  parts.push(request.ip, '');
  const lengthAt = parts.length - 1;
  const raw = rawHeadersOf(request);
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]?.toLowerCase() ?? '';
    if (!IGNORED_HEADERS.has(name)) parts.push(name, raw[i + 1]);
  }
  parts[lengthAt] = String(parts.length);
  // Again as they are now: a middleware may have added, changed or taken away some.
  for (const name in request.headers) {
    if (!IGNORED_HEADERS.has(name)) parts.push(name, headerText(request.headers[name]));
  }
  return parts;
}

/** Why a request that shares per client or user is answered alone, if it is. */
function goesAlone(request: HttpRequest): boolean {
  const { headers, socket } = request;
  // What a middleware has taken away can only be seen there.
  if (rawHeadersOf(request).length === 0) return true;
  if (hasBody(request) || headers.upgrade !== undefined || headers.range !== undefined) return true;
  for (const name in headers) if (name.startsWith('if-')) return true;
  // The connection itself is who asks: a certificate, or a handshake that authenticated it once for all its requests.
  return hasShakenHands(headers.authorization, socket) || hasClientCertificate(socket);
}

/** The connections on which a handshake was seen: their later requests need no header. */
const authenticated = new WeakSet();

function hasShakenHands(authorization: string | string[] | undefined, socket: unknown): boolean {
  const isConnection = typeof socket === 'object' && socket !== null;
  if (!/^(negotiate|ntlm)\b/i.test(headerText(authorization) ?? '')) return isConnection && authenticated.has(socket);
  if (isConnection) authenticated.add(socket);
  return true;
}

function hasBody({ headers, stream, raw }: HttpRequest): boolean {
  const length = headerText(headers['content-length']);
  if (headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')) return true;
  return (stream ?? raw?.stream)?.endAfterHeaders === false;
}

function hasClientCertificate(socket: unknown): boolean {
  const { getPeerCertificate } = (socket ?? {}) as {
    getPeerCertificate?: (this: unknown) => object | null | undefined;
  };
  if (typeof getPeerCertificate !== 'function') return false;
  return Object.keys(getPeerCertificate.call(socket) ?? {}).length > 0;
}
