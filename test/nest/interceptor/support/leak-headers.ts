import {
  anna,
  ASKER,
  HEADER,
  IGNORED,
  nobody,
  row,
  SPECIAL,
  SPECIAL_AND_NOT,
  STRANGER,
  values,
  VARIED,
  type Row,
} from './leak-row.js';

/** Requests that differ in their headers, or their body. */
export const HEADER_ROWS: readonly Row[] = [
  row('Authorization', ...values('Authorization', 'Bearer anna', 'Bearer bert'), ASKER),
  row('Authorization, and none', anna(), nobody(), {
    ...ASKER,
    user: 'one alone: one of them is nobody',
    key: 'one alone: one of them is nobody',
  }),
  row('a Cookie with a session', nobody({ Cookie: 'session=anna' }), nobody({ Cookie: 'session=bert' }), ASKER),
  row('a Cookie that says nothing of the user', ...values('Cookie', 'theme=dark', 'theme=light'), HEADER),
  row('X-Api-Key', nobody({ 'X-Api-Key': 'anna' }), nobody({ 'X-Api-Key': 'bert' }), ASKER),
  row('X-User, which the app does not know', nobody({ 'X-User': 'anna' }), nobody({ 'X-User': 'bert' }), STRANGER),
  row('X-User, beside a token', ...values('X-User', 'anna', 'bert'), HEADER),
  row('Proxy-Authorization', ...values('Proxy-Authorization', 'Basic YW5uYQ==', 'Basic YmVydA=='), HEADER),
  row('the spelling of Bearer', ...values('Authorization', 'Bearer anna', 'bearer anna'), HEADER),
  row(
    'a second Authorization, which Node drops',
    anna([
      ['Authorization', 'Bearer anna'],
      ['Authorization', 'Bearer bert'],
    ]),
    anna([
      ['Authorization', 'Bearer anna'],
      ['Authorization', 'Bearer carl'],
    ]),
    HEADER,
    { alike: true },
  ),
  row('X-Role, which a gateway sets', ...values('X-Role', 'admin', 'reader'), {
    ...HEADER,
    user: 'shared: identity does not hold the role, nor does vary name it',
    key: 'own flight: the key holds the role',
  }),
  row('X-Tenant, which vary names', ...values('X-Tenant', 'acme', 'other'), VARIED),
  row('X-Tenant, and none', anna({ 'X-Tenant': '' }), anna(), VARIED),
  row('Accept', ...values('Accept', 'application/json', 'text/html'), VARIED),
  row('Accept-Language', ...values('Accept-Language', 'de', 'en'), VARIED),
  row('Accept-Encoding', ...values('Accept-Encoding', 'gzip', 'br'), {
    ...HEADER,
    public: 'shared: the body is encoded for each client, outside of the interceptor',
  }),
  row('User-Agent', ...values('User-Agent', 'a browser', 'a telephone'), HEADER),
  row('Origin', ...values('Origin', 'https://one.example', 'https://two.example'), {
    ...HEADER,
    public: 'shared: CORS headers are never replayed',
  }),
  row('Referer', ...values('Referer', 'https://one.example', 'https://two.example'), HEADER),
  row('Cache-Control', ...values('Cache-Control', 'no-cache', 'max-age=0'), HEADER),
  row('Sec-Fetch-Site', ...values('Sec-Fetch-Site', 'same-origin', 'cross-site'), HEADER),
  row('Content-Type without a body', ...values('Content-Type', 'text/plain', 'text/html'), HEADER),
  row('TE', ...values('TE', 'trailers', 'deflate'), HEADER),
  row('a header named __proto__', ...values('__proto__', 'anna', 'bert'), HEADER, { alike: true }),
  row('a header that is there, and one that is not', anna({ 'X-Anything': '' }), anna(), HEADER),
  row('one value under two names', anna({ 'X-One': 'a' }), anna({ 'X-Two': 'a' }), HEADER),
  row('X-User and X_User', anna({ 'X-User': 'anna' }), anna({ X_User: 'anna' }), HEADER),
  row(
    'a header sent twice, in another order',
    anna([
      ['X-A', '1'],
      ['X-A', '2'],
    ]),
    anna([
      ['X-A', '2'],
      ['X-A', '1'],
    ]),
    HEADER,
  ),
  row(
    'two headers, in another order',
    anna([
      ['X-A', '1'],
      ['X-B', '2'],
    ]),
    anna([
      ['X-B', '2'],
      ['X-A', '1'],
    ]),
    { ...HEADER, client: 'own flight: a proxy may judge by the first, so they are not the same request' },
  ),
  row(
    'a header sent twice, and joined in one line',
    anna([
      ['X-A', '1'],
      ['X-A', '2'],
    ]),
    anna([['X-A', '1, 2']]),
    HEADER,
    { alike: true },
  ),
  row(
    'the name of a header in another case',
    anna({ 'X-User': 'a' }),
    anna({ 'x-user': 'a' }),
    { ...IGNORED, client: 'shared: names of headers have no case' },
    { alike: true },
  ),
  row(
    'trace ids',
    anna({ traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', 'X-Request-Id': '1', b3: '0' }),
    anna({ traceparent: '00-80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-00', 'CF-Ray': '2-FRA', b3: '1' }),
    IGNORED,
  ),
  row('a trace id’s name with more behind it', ...values('Traceparent-User', 'anna', 'bert'), HEADER),
  row('baggage', ...values('Baggage', 'user=anna', 'user=bert'), {
    ...HEADER,
    client: 'own flight: it carries what an application puts into it',
  }),
  row('Connection', ...values('Connection', 'close', 'keep-alive'), IGNORED),
  row('Keep-Alive', ...values('Keep-Alive', 'timeout=5', 'timeout=6'), IGNORED),
  row('If-None-Match', ...values('If-None-Match', '"anna"', '"bert"'), SPECIAL),
  row('If-Modified-Since', ...values('If-Modified-Since', ...DATES()), SPECIAL),
  row('Range', ...values('Range', 'bytes=0-1', 'bytes=2-3'), SPECIAL),
  row('If-None-Match, and none', anna({ 'If-None-Match': '"anna"' }), anna(), SPECIAL_AND_NOT),
  row('Range, and none', anna({ Range: 'bytes=0-1' }), anna(), SPECIAL_AND_NOT),
  row('the body of a GET, and none', withBody('{"id":1}'), anna(), SPECIAL_AND_NOT),
  row('Upgrade', ...values('Upgrade', 'example/1', 'example/2'), SPECIAL),
  row('the body of a GET', withBody('{"id":1}'), withBody('{"id":22}'), SPECIAL),
  row('Negotiate', ...values('Authorization', 'Negotiate YW5uYQ==', 'Negotiate YmVydA=='), {
    ...SPECIAL,
    client: 'alone: the connection is who asks',
    user: 'alone: the connection is who asks',
    key: 'alone: the key function knows neither of them',
  }),
  row('NTLM', ...values('Authorization', 'NTLM YW5uYQ==', 'NTLM YmVydA=='), {
    ...SPECIAL,
    client: 'alone: the connection is who asks',
    user: 'alone: the connection is who asks',
    key: 'alone: the key function knows neither of them',
  }),
  row('a header that overrides the method', ...values('X-HTTP-Method-Override', 'DELETE', 'PUT'), {
    ...HEADER,
    public: 'shared: nobody heeds it here; where a middleware does, the method is in the key',
  }),
  row('Forwarded', ...values('Forwarded', 'for=10.0.0.1', 'for=10.0.0.2'), HEADER),
  row('X-Real-IP', ...values('X-Real-IP', '10.0.0.1', '10.0.0.2'), HEADER),
  row('X-Forwarded-For of a proxy that is not trusted', ...values('X-Forwarded-For', '10.0.0.1', '10.0.0.2'), HEADER),
  row(
    'X-Forwarded-Host of one that is not trusted',
    ...values('X-Forwarded-Host', 'one.example', 'two.example'),
    HEADER,
  ),
  row('X-Forwarded-Proto of one that is not trusted', ...values('X-Forwarded-Proto', 'http', 'https'), HEADER),
];

function DATES(): [string, string] {
  return ['Mon, 01 Jan 2001 00:00:00 GMT', 'Tue, 02 Jan 2001 00:00:00 GMT'];
}

function withBody(body: string): Row['one'] {
  return { ...anna({ 'Content-Type': 'application/json', 'Content-Length': String(body.length) }), body };
}
