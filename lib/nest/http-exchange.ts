/** What of an HTTP request the interceptor looks at, on Express and on Fastify. */
export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly originalUrl?: string;
  readonly ip?: string | undefined;
  readonly hostname?: string | undefined;
  /** With the port. */
  readonly host?: string | undefined;
  readonly protocol?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly rawHeaders?: readonly string[];
  readonly socket?: unknown;
  /** HTTP/2: where a body needs no header that announces it. */
  readonly stream?: { readonly endAfterHeaders?: boolean } | undefined;
  /** Fastify's request stands before Node's. */
  readonly raw?: Pick<HttpRequest, 'rawHeaders' | 'stream'>;
}

type HeaderValue = string | number | readonly string[];

/** What of an HTTP response the interceptor reads and writes: Express's and Fastify's have this in common. */
export interface HttpResponse {
  statusCode: number;
  getHeaders(): Readonly<Record<string, HeaderValue | undefined>>;
  header(name: string, value: HeaderValue): unknown;
  removeHeader(name: string): unknown;
  status(code: number): unknown;
  /** Fastify's reply stands before Node's response. */
  readonly raw?: NodeResponse;
}

/** Node's own response. */
export interface NodeResponse {
  readonly destroyed?: boolean;
  readonly writableFinished?: boolean;
  readonly writableEnded?: boolean;
  readonly headersSent?: boolean;
  /** HTTP/2. */
  readonly stream?: { readonly destroyed?: boolean } | undefined;
  on(event: 'close', listener: () => void): unknown;
  removeListener(event: 'close', listener: () => void): unknown;
  writeHead?: (this: unknown, ...args: unknown[]) => unknown;
  end?: (this: unknown, ...args: unknown[]) => unknown;
}

/** Node's response behind a platform's; undefined where there is none, as with a stand-in of a test. */
export function nodeResponseOf(response: HttpResponse | undefined): NodeResponse | undefined {
  const node = (response?.raw ?? response) as Partial<NodeResponse> | undefined;
  return typeof node?.on === 'function' && typeof node.removeListener === 'function'
    ? (node as NodeResponse)
    : undefined;
}

/** Whether a response is under way to its client, so that no header can be set any more. */
export function isAnswered(response: HttpResponse | undefined): boolean {
  return nodeResponseOf(response)?.headersSent === true;
}

/**
 * Calls back as soon as a response is answered, once for its head and once for its end, which alone comes where its client
 * has gone. Node tells of that only later: whoever has to know at once, as `on-headers` and what stands on it, stands before
 * these methods.
 *
 * @see https://github.com/jshttp/on-headers
 */
export function whenAnswered(response: HttpResponse, answered: () => void): void {
  const node = nodeResponseOf(response);
  if (node === undefined) return;
  for (const name of ['writeHead', 'end'] as const) {
    const method = node[name];
    if (method === undefined) continue;
    const telling = (...args: unknown[]): unknown => {
      const result = method.apply(node, args);
      answered();
      return result;
    };
    node[name] = telling;
  }
}

export function headerText(value: string | string[] | undefined): string | undefined {
  return typeof value === 'object' ? value.join('\0') : value;
}

/** The headers as they came in; none where a platform makes requests without. */
export function rawHeadersOf({ rawHeaders: own, raw }: HttpRequest): readonly string[] {
  return own ?? raw?.rawHeaders ?? [];
}
