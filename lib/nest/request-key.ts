import { hash } from 'node:crypto';
import type { HttpRequest } from './http-exchange.js';
import type { Overlaps } from './overlaps.js';
import { METHOD_AT, URL_AT, type RequestParts } from './request-parts.js';

/**
 * What a group knows requests by: those that are equal have the same one while one of them is under way. It prints as
 * `METHOD path #hash`, and shows nothing else: no header, no cookie, no query.
 */
export class RequestKey {
  /** Written once, when its handler has ended. */
  #request: HttpRequest | undefined;
  readonly #parts: RequestParts;
  /** Made when it is first asked for. */
  #digest: string | undefined = undefined;
  /** How many flights it has, those adrift and those that linger included. Written by {@link RequestKeys}. */
  flights = 0;

  constructor(request: HttpRequest, parts: RequestParts) {
    this.#request = request;
    this.#parts = parts;
  }

  /** The request that it was made for, as long as that is under way. */
  static requestOf(key: RequestKey): HttpRequest | undefined {
    return key.#request;
  }

  /**
   * Lets go of its request. A map that has grown and shrunk leaves old tables behind, which keep what was in them until
   * the next full collection: a key may be, a request with all its buffers had better not.
   */
  static release(key: RequestKey): void {
    key.#request = undefined;
  }

  get digest(): string {
    return (this.#digest ??= digestOf(this.#parts));
  }

  equals(parts: RequestParts): boolean {
    const own = this.#parts;
    if (own.length !== parts.length) return false;
    for (let i = 0; i < own.length; i++) if (own[i] !== parts[i]) return false;
    return true;
  }

  get url(): string {
    return this.#parts[URL_AT] ?? '';
  }

  toString(): string {
    return `${this.#parts[METHOD_AT] ?? ''} ${pathOf(this.url)} #${this.digest}`;
  }
}

/**
 * The keys of one route's requests under way. They are compared part by part, so that a request that nobody else is
 * like, and one that is like the others of its URL, cost no digest.
 */
export class RequestKeys {
  /** The first of each URL. */
  private readonly byUrl = new Map<string, RequestKey>();
  /** The others, which differ from the first of their URL. */
  private readonly byDigest = new Map<string, RequestKey>();

  /**
   * The key of a request: that of its equals under way, or one of its own.
   *
   * @param overlaps is told of another request for the same URL, where there is one and none is equal
   */
  of(request: HttpRequest, parts: RequestParts, overlaps?: Overlaps): RequestKey {
    const first = this.byUrl.get(parts[URL_AT] ?? '');
    if (first?.equals(parts) === true) return first;
    const key = new RequestKey(request, parts);
    const equal = this.byDigest.size === 0 ? undefined : this.byDigest.get(key.digest);
    if (equal !== undefined) return equal;
    const other = first && RequestKey.requestOf(first);
    if (other !== undefined) overlaps?.found(other, request);
    return key;
  }

  /** A flight of the key starts. */
  add(key: RequestKey): void {
    if (key.flights++ > 0) return;
    if (this.byUrl.has(key.url)) this.byDigest.set(key.digest, key);
    else this.byUrl.set(key.url, key);
  }

  /** A flight of the key has ended; its result stays for a while, if it lingers. */
  delete(key: RequestKey, lingerMs = 0): void {
    RequestKey.release(key);
    if (lingerMs > 0) {
      setTimeout(() => {
        this.delete(key);
      }, lingerMs).unref();
      return;
    }
    if (--key.flights > 0) return;
    if (this.byUrl.get(key.url) === key) this.byUrl.delete(key.url);
    else this.byDigest.delete(key.digest);
  }
}

/** Each part with its length before it, so that no two lists read alike. */
export function digestOf(parts: RequestParts): string {
  let text = '';
  for (const part of parts) text += part === undefined ? '-' : `${part.length}:${part}`;
  // In UTF-8 all lone surrogates are one character: as they are, they tell two keys apart.
  return hash('sha256', Buffer.from(text, 'utf16le'), 'base64url');
}

/** Without a query, and without a password that stands before the host of a whole URL. */
function pathOf(url: string): string {
  const path = url.startsWith('/') ? url : url.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, '');
  const end = path.search(/[?;#]/);
  return end < 0 ? path : path.slice(0, end);
}
