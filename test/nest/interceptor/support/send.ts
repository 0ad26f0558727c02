import { connect, type IncomingHttpHeaders as Http2Headers } from 'node:http2';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';

/** A request, whose headers are exactly these (and `host`, unless it is among them). */
export interface Asked {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>> | readonly (readonly [string, string])[];
  readonly body?: string;
  /** Over TLS, with this certificate of the client's, if any. */
  readonly tls?: { readonly ca: string; readonly cert?: string; readonly key?: string };
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** On a connection of its own. */
export function send(port: number, { path, method = 'GET', headers = {}, body, tls }: Asked): Promise<Reply> {
  const pairs = isPairs(headers) ? headers : Object.entries(headers);
  const hasHost = pairs.some(([name]) => name.toLowerCase() === 'host');
  const all = hasHost ? pairs : [['Host', `127.0.0.1:${port}`] as const, ...pairs];
  const options = { host: '127.0.0.1', port, agent: false as const, setHost: false, method, path };
  const request = tls ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    // A flat list is sent as it is, in this order and with duplicates.
    const sent = request({ ...options, ...tls, headers: all.flat() }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** On a connection of its own; the host is `:authority`. */
export function sendOverHttp2(port: number, { path, method = 'GET', headers = {}, body }: Asked): Promise<Reply> {
  const session = connect(`http://127.0.0.1:${port}`);
  return new Promise<Reply>((resolve, reject) => {
    session.on('error', reject);
    const named = Object.fromEntries(isPairs(headers) ? headers : Object.entries(headers));
    const stream = session.request({ ':path': path, ':method': method, ...named }, { endStream: body === undefined });
    let status = 0;
    let received: Http2Headers = {};
    let text = '';
    stream.setEncoding('utf8');
    stream.on('response', ({ ':status': answered, ...rest }) => {
      status = answered ?? 0;
      received = rest;
    });
    stream.on('data', (chunk: string) => (text += chunk));
    stream.on('error', reject);
    stream.on('end', () => {
      resolve({ status, headers: received, body: text });
    });
    if (body !== undefined) stream.end(body);
  }).finally(() => {
    session.close();
  });
}

function isPairs(headers: NonNullable<Asked['headers']>): headers is readonly (readonly [string, string])[] {
  return Array.isArray(headers);
}
