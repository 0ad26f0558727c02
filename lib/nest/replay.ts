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
  /** What waits beside the headers. */
  readonly beside: readonly unknown[];
}

/** What followers get where the handler set neither status nor header. */
export const NOTHING: Replay = { status: undefined, headers: [], removed: [] };

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
  return { status: response.statusCode, headers: response.getHeaders(), beside: besideHeaders(response) };
}

/** What the handler did to its response; undefined where that cannot be shared. */
export function recordSince({ status, headers, beside }: Before, response: HttpResponse): Replay | undefined {
  const now = response.getHeaders();
  // Cookies are for one client, and an answer that is no success may be about one.
  if (String(now['set-cookie']) !== String(headers['set-cookie'])) return undefined;
  if (!isStillBeside(beside, response)) return undefined;
  if (response.statusCode !== status && !isSuccess(response.statusCode)) return undefined;
  const changed: (readonly [string, string | number | string[]])[] = [];
  for (const name in now) {
    const value = now[name];
    if (value !== undefined && !isOwn(name) && !isSame(value, headers[name])) changed.push([name, copyOf(value)]);
  }
  const removed = Object.keys(headers).filter((name) => now[name] === undefined && !isOwn(name));
  const varied = now.vary === headers.vary ? [] : namesAdded(namesIn(headers.vary), namesIn(now.vary));
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

/** Whether nothing was written to a response since but a status and what belongs to a body: an error's, say. */
export function isAnswerAlone({ headers, beside }: Before, response: HttpResponse): boolean {
  const now = response.getHeaders();
  const names = new Set([...Object.keys(headers), ...Object.keys(now)]);
  return (
    [...names].every((name) => OF_AN_ANSWER.has(name) || isOwn(name) || isSame(now[name], headers[name])) &&
    isStillBeside(beside, response)
  );
}

/** `retry-after` is what the interceptor itself writes when a wait was too long. */
const OF_AN_ANSWER = new Set(['content-type', 'content-encoding', 'etag', 'retry-after']);

function namesAdded(before: readonly string[], now: readonly string[]): string[] {
  return now.filter((name) => !before.includes(name));
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

/**
 * What Fastify and its plugins keep beside the headers until the reply is sent: the cookies of `@fastify/cookie`, what writes
 * the body, and the trailers. Whoever sets one sets it for one reply.
 */
function besideHeaders(response: HttpResponse): readonly unknown[] {
  // Fastify's reply alone stands before Node's response.
  if (response.raw === undefined) return NOTHING_BESIDE;
  const reply = response as unknown as Record<symbol, unknown>;
  const beside: unknown[] = [];
  for (const symbol of besideSymbolsOf(response)) {
    const kept = reply[symbol];
    if (kept instanceof Map) beside.push(...(kept as ReadonlyMap<string, unknown>).values());
    else beside.push(kept);
  }
  return beside;
}

function isStillBeside(beside: readonly unknown[], response: HttpResponse): boolean {
  const now = besideHeaders(response);
  return now.length === beside.length && now.every((kept, i) => kept === beside[i]);
}

function besideSymbolsOf(response: HttpResponse): readonly symbol[] {
  const { constructor } = response;
  let symbols = besideSymbols.get(constructor);
  if (symbols === undefined) {
    symbols = Object.getOwnPropertySymbols(response).filter(({ description }) => BESIDE.has(description));
    besideSymbols.set(constructor, symbols);
  }
  return symbols;
}

const NOTHING_BESIDE: readonly unknown[] = [];
/** How the symbols are called under which every reply of a server has them. */
const BESIDE: ReadonlySet<string | undefined> = new Set([
  'fastify.reply.setCookies',
  'fastify.reply.serializer',
  'fastify.reply.trailers',
]);
/** By the class of a server's replies, which its plugins have decorated before the first of them was made. */
const besideSymbols = new WeakMap<object, readonly symbol[]>();
