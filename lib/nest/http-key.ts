import { hash } from 'node:crypto';
import type { ExecutionContext } from '@nestjs/common';
import { encodeKey } from '../core/key.js';
import type { HttpRequest } from './http-exchange.js';
import type { Route } from './route.js';

/**
 * Headers that say nothing of who asks or for what: those of the hop, and ids that only trace the request. Whole names,
 * no prefixes: whatever is not listed tells two requests apart.
 */
const IGNORED = new Set([
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

/** The key of a request of a route; undefined when it goes alone. */
export function routeKey(request: HttpRequest, route: Route, context: ExecutionContext): string | undefined {
  if (route.keyFn !== undefined) {
    const key = route.keyFn(context);
    if (key === undefined || key === null) return undefined;
    return httpKey(request, route, ['key', encodeKey(key, `The key function of ${route.name} returned`)]);
  }
  if (route.share === 'public') return httpKey(request, route, ['public', varyParts(request, route.vary)]);
  if (goesAlone(request)) return undefined;
  if (route.share === 'client') return httpKey(request, route, ['client', ...clientParts(request)]);
  const user = route.identity?.(context);
  if (user === undefined) return undefined;
  const identity = encodeKey(user, `http.identity returned, for ${route.name},`);
  return httpKey(request, route, ['user', identity, varyParts(request, route.vary)]);
}

/** The key of a call over another transport, which only a key by hand can make; undefined when it goes alone. */
export function callKey(route: Route, context: ExecutionContext): string | undefined {
  const key = route.keyFn?.(context);
  if (key === undefined || key === null) return undefined;
  const encoded = encodeKey(key, `The key function of ${route.name} returned`);
  return `${context.getType().toUpperCase()} ${route.name} #${digest([route.id, context.getType<string>(), encoded])}`;
}

/** What follows the address in a key: the part that says whose answers are shared. Nested, so that no two look alike. */
type ShareParts = readonly (string | undefined | ShareParts)[];

/**
 * `METHOD path #hash`. The hash covers everything that tells two requests apart; of a header, a cookie or a query the
 * key itself holds nothing.
 */
function httpKey(request: HttpRequest, route: Route, parts: ShareParts): string {
  const { headers, hostname, host, method, originalUrl = request.url } = request;
  // As it was sent, and as a trusted proxy says it was: an app of many hosts tells them apart by the second.
  const hosts = [headerText(headers[':authority']) ?? headerText(headers.host), hostname, host];
  // As it was sent, and as a middleware may have rewritten it: the handler's parameters are of the second.
  const urls = [originalUrl, request.url];
  return `${method} ${pathOf(originalUrl)} #${digest([route.id, method, hosts, urls, parts])}`;
}

function digest(parts: ShareParts): string {
  return hash('sha256', covered(parts), 'base64url');
}

/** Each part with its length before it, and each list in brackets, so that no two read alike. */
function covered(parts: ShareParts): string {
  let text = '';
  for (const part of parts) {
    if (typeof part === 'string') text += `${part.length}:${part}`;
    else text += part === undefined ? '-' : `[${covered(part)}]`;
  }
  return text;
}

/** Without a query, and without a password that stands before the host of a whole URL. */
function pathOf(url: string): string {
  const path = url.startsWith('/') ? url : url.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, '');
  const end = path.search(/[?;#]/);
  return end < 0 ? path : path.slice(0, end);
}

/** Who asks, as far as the request tells: every header that is not known to be without meaning, and the connection. */
function clientParts(request: HttpRequest): ShareParts {
  const received: string[] = [];
  const raw = rawHeaders(request);
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]?.toLowerCase() ?? '';
    if (!IGNORED.has(name)) received.push(name, raw[i + 1] ?? '');
  }
  // Again as they are now: a middleware may have added, changed or taken away some.
  const now: (string | undefined)[] = [];
  for (const name in request.headers) if (!IGNORED.has(name)) now.push(name, headerText(request.headers[name]));
  return [request.ip, request.protocol, received, now];
}

/** The headers on which a public answer depends. */
function varyParts({ headers }: HttpRequest, vary: readonly string[]): ShareParts {
  return vary.map((name) => headerText(headers[name]));
}

/** Why a request whose share is `'client'` is answered alone, if it is. */
function goesAlone(request: HttpRequest): boolean {
  const { headers, socket } = request;
  // What a middleware has taken away can only be seen there.
  if (rawHeaders(request).length === 0) return true;
  if (hasBody(request) || headers.upgrade !== undefined || headers.range !== undefined) return true;
  if (Object.keys(headers).some((name) => name.startsWith('if-'))) return true;
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

function headerText(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join('\0') : value;
}

/** The headers as they came in; none where a platform makes requests without. */
function rawHeaders({ rawHeaders: own, raw }: HttpRequest): readonly string[] {
  return own ?? raw?.rawHeaders ?? [];
}

/** In which respect two requests of one route and URL are not the same, by the name of a header or of what else counts. */
export function differenceOf(one: HttpRequest, other: HttpRequest, route: Route): string | undefined {
  if (route.share === 'client') {
    const names = new Set(
      [one, other].flatMap((request) => [...received(request).keys(), ...Object.keys(request.headers)]),
    );
    for (const name of names) {
      if (IGNORED.has(name)) continue;
      if (headerText(one.headers[name]) !== headerText(other.headers[name])) return `the header '${name}'`;
      if (received(one).get(name) !== received(other).get(name)) return `the header '${name}', as it was received`;
    }
    if (one.ip !== other.ip) return "the client's address";
    return one.protocol === other.protocol ? undefined : 'the protocol';
  }
  const name = route.vary.find((header) => headerText(one.headers[header]) !== headerText(other.headers[header]));
  return name === undefined ? undefined : `the header '${name}'`;
}

/** The headers as they came in, by their names. */
function received(request: HttpRequest): Map<string, string> {
  const byName = new Map<string, string>();
  const raw = rawHeaders(request);
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]?.toLowerCase() ?? '';
    byName.set(name, `${byName.get(name) ?? ''}\0${raw[i + 1] ?? ''}`);
  }
  return byName;
}
