import type { HttpResponse } from './http-exchange.js';

/** The status and the headers that a handler, and the interceptors inside, gave its response. Plain data, for `isolate`. */
export interface Replay {
  /** Undefined where they left the status as it was. */
  readonly status: number | undefined;
  readonly headers: readonly (readonly [name: string, value: string | number | string[]])[];
  readonly removed: readonly string[];
  /** On which headers their answer depends, beside those that were named before. Undefined where on none. */
  readonly vary?: readonly string[] | undefined;
}

/** A response before its handler ran. */
export interface Before {
  readonly status: number;
  readonly headers: ReturnType<HttpResponse['getHeaders']>;
  /** Cookies that wait beside the headers. */
  readonly cookies: readonly unknown[];
}

/** What followers get where the handler set neither status nor header. */
const NOTHING: Replay = { status: undefined, headers: [], removed: [] };

/**
 * Each response's own: what belongs to the connection, to the body as it is sent, or to the origin that asks. Whoever
 * writes them writes them for every response. To `vary`, everybody adds.
 */
const OWN = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'trailer', 'upgrade', 'date'],
  ...['content-length', 'vary'],
]);
const CORS = 'access-control-';

export function before(response: HttpResponse): Before {
  // A copy: both platforms make one for each call.
  return { status: response.statusCode, headers: response.getHeaders(), cookies: pendingCookies(response) };
}

/** What the handler did to its response; undefined where that cannot be shared. */
export function recordSince({ status, headers, cookies }: Before, response: HttpResponse): Replay | undefined {
  const now = response.getHeaders();
  // Cookies are for one client, and an answer that is no success may be about one.
  if (String(now['set-cookie']) !== String(headers['set-cookie'])) return undefined;
  const pending = pendingCookies(response);
  if (pending.length !== cookies.length || pending.some((cookie, i) => cookie !== cookies[i])) return undefined;
  if (response.statusCode !== status && !isSuccess(response.statusCode)) return undefined;
  const changed: (readonly [string, string | number | string[]])[] = [];
  for (const name in now) {
    const value = now[name];
    if (value !== undefined && !isOwn(name) && !isSame(value, headers[name])) changed.push([name, copyOf(value)]);
  }
  const removed = Object.keys(headers).filter((name) => now[name] === undefined && !isOwn(name));
  const varied = namesIn(now.vary).filter((name) => !namesIn(headers.vary).includes(name));
  if (response.statusCode === status && changed.length + removed.length + varied.length === 0) return NOTHING;
  return {
    status: response.statusCode === status ? undefined : response.statusCode,
    headers: changed,
    removed,
    ...(varied.length > 0 ? { vary: varied } : undefined),
  };
}

/** Whether nobody has written to a response since. */
export function isUnchanged(since: Before, response: HttpResponse): boolean {
  return recordSince(since, response) === NOTHING;
}

/** Gives a follower's response the status and headers of its leader's. */
export function replay({ status, headers, removed, vary = [] }: Replay, response: HttpResponse): void {
  if (status !== undefined) response.status(status);
  for (const name of removed) response.removeHeader(name);
  for (const [name, value] of headers) response.header(name, value);
  if (vary.length > 0) {
    const own = namesIn(response.getHeaders().vary);
    response.header('vary', [...new Set([...own, ...vary])].join(', '));
  }
}

/** Whether what came from another process is something to {@link replay}. */
export function isReplay(came: unknown): came is Replay {
  const { status, headers, removed, vary = [] } = (came ?? {}) as Partial<Replay>;
  const isText = (value: unknown): boolean => typeof value === 'string' || typeof value === 'number';
  return (
    (status === undefined || (Number.isInteger(status) && isSuccess(status))) &&
    Array.isArray(headers) &&
    headers.every((header: unknown) => {
      if (!Array.isArray(header)) return false;
      const [name, value] = header as unknown[];
      return isText(name) && [value].flat().every(isText);
    }) &&
    Array.isArray(removed) &&
    removed.every(isText) &&
    Array.isArray(vary) &&
    vary.every(isText)
  );
}

/** Those that `Vary` names, in small letters. */
function namesIn(vary: string | number | readonly string[] | undefined): string[] {
  return String(vary ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function isOwn(name: string): boolean {
  const lower = name.toLowerCase();
  return OWN.has(lower) || lower.startsWith(CORS);
}

function isSame(one: unknown, other: unknown): boolean {
  return one === other || (Array.isArray(one) && Array.isArray(other) && one.join('\0') === other.join('\0'));
}

function copyOf(value: string | number | readonly string[]): string | number | string[] {
  return typeof value === 'object' ? [...value] : value;
}

/** `@fastify/cookie` keeps the cookies that are set beside the headers, and writes them when the reply is sent. */
function pendingCookies(response: HttpResponse): readonly unknown[] {
  // Fastify's reply alone stands before Node's response.
  if (response.raw === undefined) return NO_COOKIES;
  const symbol = cookieSymbolOf(response);
  const pending = symbol && (response as unknown as Record<symbol, ReadonlyMap<string, unknown> | null>)[symbol];
  return pending ? [...pending.values()] : NO_COOKIES;
}

/** The plugin's symbol, under which every reply of a server has its cookies; undefined where that has no such plugin. */
function cookieSymbolOf(response: HttpResponse): symbol | undefined {
  const { constructor } = response;
  if (!cookieSymbols.has(constructor)) {
    const symbols = Object.getOwnPropertySymbols(response);
    cookieSymbols.set(
      constructor,
      symbols.find(({ description }) => description === 'fastify.reply.setCookies'),
    );
  }
  return cookieSymbols.get(constructor);
}

const NO_COOKIES: readonly unknown[] = [];
/** By the class of a server's replies, which its plugins have decorated before the first of them was made. */
const cookieSymbols = new WeakMap<object, symbol | undefined>();
