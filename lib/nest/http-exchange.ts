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
  on(event: 'close', listener: () => void): unknown;
  removeListener(event: 'close', listener: () => void): unknown;
}

/** Node's response behind a platform's; undefined where there is none, as with a stand-in of a test. */
export function nodeResponseOf(response: HttpResponse | undefined): NodeResponse | undefined {
  const node = (response?.raw ?? response) as Partial<NodeResponse> | undefined;
  return typeof node?.on === 'function' && typeof node.removeListener === 'function'
    ? (node as NodeResponse)
    : undefined;
}

/** Calls back once, if the client goes away before it has its answer; what it returns stops listening. */
export function onDisconnect(response: HttpResponse, gone: () => void): () => void {
  const node = nodeResponseOf(response);
  if (node === undefined) return () => undefined;
  const closed = (): void => {
    // HTTP/2's response does not say the first.
    if ((node.writableFinished ?? node.writableEnded) !== true) gone();
  };
  node.on('close', closed);
  return () => {
    node.removeListener('close', closed);
  };
}
