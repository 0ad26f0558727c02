import {
  ADDRESS,
  anna,
  annaAndBert,
  ASKER,
  HEADER,
  IGNORED,
  NEVER,
  nobody,
  paths,
  ROUTE,
  row,
  SPECIAL,
  values,
  VARIED,
  type Expected,
  type Part,
  type Row,
} from './leak-row.js';
import { SHARES } from './leaks.js';

/** Told by a middleware from a header that is ignored, so that nothing but the middleware's own doing tells. */
const tags = (path: string, one = 'anna', other = 'bert'): readonly [Row['one'], Row['one']] =>
  values('X-Request-Id', one, other, path);

/** Of an address that a trusted proxy tells. */
const CLIENT_ADDRESS: Expected = {
  client: "own flight: they are two clients' addresses",
  user: "shared: it is one user, from wherever; a route that answers by the address says 'client'",
  public: 'shared: everybody may have it, from wherever',
  key: 'shared: the key does not hold it',
};

/** Of what was asked for nothing is left: Nest's Fastify takes what the rewritten path is for the original one. */
const REWRITTEN: Expected = {
  client: 'shared: no trace of it is left, not for the handler either',
  user: 'shared: no trace of it is left, not for the handler either',
  public: 'shared: no trace of it is left, not for the handler either',
  key: 'shared: no trace of it is left, not for the handler either',
};

/** Requests that differ in their address, in the route, or in what the app makes of them. */
export const ADDRESS_ROWS: readonly Row[] = [
  row('the Host', ...values('Host', 'one.example', 'two.example'), ADDRESS),
  row('the sub-domain', ...values('Host', 'anna.app.example', 'bert.app.example'), ADDRESS),
  row('the port of the Host', ...values('Host', 'one.example:1', 'one.example:2'), ADDRESS),
  row(
    'the host that a trusted proxy tells',
    ...values('X-Forwarded-Host', 'one.example', 'two.example'),
    { ...ADDRESS, key: 'own flight: a key by hand does not replace the host' },
    { apps: ['trusting'] },
  ),
  row(
    'the port of the host that a trusted proxy tells',
    ...values('X-Forwarded-Host', 'one.example:1', 'one.example:2'),
    ADDRESS,
    { apps: ['trusting'] },
  ),
  row(
    'the scheme that a trusted proxy tells',
    ...values('X-Forwarded-Proto', 'http', 'https'),
    { ...ADDRESS, key: 'own flight: a key by hand does not replace the scheme' },
    { apps: ['trusting'] },
  ),
  row('X-Forwarded-For of a trusted proxy', ...values('X-Forwarded-For', '10.0.0.1', '10.0.0.2'), CLIENT_ADDRESS, {
    apps: ['trusting'],
  }),
  row('@Ip() behind a trusted proxy', ...values('X-Forwarded-For', '10.0.0.1', '10.0.0.2', 'ip'), CLIENT_ADDRESS, {
    apps: ['trusting'],
  }),
  row('an address that only the connection tells', ...tags('told-address', '10.0.0.1', '10.0.0.2'), CLIENT_ADDRESS),
  row('HEAD and GET', anna(), { ...anna(), method: 'HEAD' }, ADDRESS),
  row('the query', ...paths('plain?user=anna', 'plain?user=bert'), ADDRESS),
  row('a token in the query', nobody({}, 'plain?token=anna'), nobody({}, 'plain?token=bert'), {
    ...ADDRESS,
    user: 'alone: identity knows neither of them',
    key: 'alone: the key function knows neither of them',
  }),
  row('the order of the query', ...paths('plain?a=1&b=2', 'plain?b=2&a=1'), ADDRESS),
  row('arrays in the query', ...paths('plain?a=1&a=2', 'plain?a[]=1&a[]=2'), ADDRESS),
  row('the order of an array in the query', ...paths('plain?a=1&a=2', 'plain?a=2&a=1'), ADDRESS),
  row('an empty query, and none', ...paths('plain?', 'plain'), ADDRESS),
  row('an empty value in the query, and none', ...paths('plain?a=', 'plain?a'), ADDRESS),
  row('a query that is encoded, and one that is not', ...paths('plain?a=%41', 'plain?a=A'), ADDRESS),
  row('a letter that is encoded (%41), and one that is not', ...paths('of/%41nna', 'of/Anna'), ADDRESS),
  row('a slash that is encoded (%2F), and one that is not', ...paths('any/a%2Fb', 'any/a/b'), ADDRESS),
  row('a slash that is encoded in another case', ...paths('of/a%2Fb', 'of/a%2fb'), ADDRESS),
  row('a trailing slash, and none', ...paths('any/a/', 'any/a'), ADDRESS),
  row('the case of a path', ...paths('of/anna', 'of/Anna'), ADDRESS),
  row('what looks like a fragment', ...paths('plain#anna', 'plain#bert'), ADDRESS),
  row('the tenant in the path', ...paths('tenants/acme/list', 'tenants/other/list'), ADDRESS),
  row('the handler, of one class that states the share or the key', ...paths('plain', 'of/plain'), ROUTE),
  row(
    'the version, by a header',
    ...values('X-Api-Version', '1', '2', 'versioned'),
    { ...ROUTE, key: 'own flight: a key that the class states is a key of each of its handlers' },
    { apps: ['by header'] },
  ),
  row(
    'the version, by the media type',
    ...values('Accept', 'application/json;v=1', 'application/json;v=2', 'versioned'),
    ROUTE,
    { apps: ['by media type'] },
  ),
  row('the controller, by the host of one path', ...values('Host', 'one.example', 'two.example', 'hosted'), ROUTE),
  row(
    'the app, of two in one process',
    anna({ Host: 'app.example' }),
    anna({ Host: 'app.example' }),
    { ...ROUTE, public: 'own flight: each app has flights of its own', key: 'own flight: each app has its own' },
    { apps: ['plain', 'twin'] },
  ),
  row('a path that a middleware rewrites', ...tags('rewritten'), ADDRESS, { only: 'Express' }),
  row(
    'two paths of which a middleware makes one',
    anna({ 'X-Request-Id': 'anna' }, 'rewritten/one'),
    anna({ 'X-Request-Id': 'anna' }, 'rewritten/two'),
    ADDRESS,
    { only: 'Express' },
  ),
  row("a path that Fastify's rewriteUrl rewrites", ...tags('translated/it'), ADDRESS, {
    apps: ['rewriting'],
    only: 'Fastify',
  }),
  row(
    "two paths of which Fastify's rewriteUrl makes one",
    ...(['translated/one', 'translated/two'].map((path) => anna({ 'X-Request-Id': 'anna' }, path)) as [Part, Part]),
    REWRITTEN,
    { apps: ['rewriting'], only: 'Fastify', alike: true },
  ),
  row(
    'an address that names the host itself',
    { ...anna(), origin: 'http://one.example' },
    { ...anna(), origin: 'http://two.example' },
    ADDRESS,
  ),
  row('a token that a middleware has moved to req.user', ...annaAndBert('moved'), {
    ...ASKER,
    client: 'own flight: it can still be seen in what was received',
  }),
  row('a token that a middleware has erased from what was received, too', ...annaAndBert('erased'), {
    ...ASKER,
    client: "shared: a limit, as the README says; what is left on req.user is not looked at, but with 'user' or a key",
  }),
  row('a header that a middleware adds', ...tags('added'), {
    ...HEADER,
    client: 'own flight: the headers are looked at as they are now, too',
  }),
  row('a header that a middleware adds to one of them', ...tags('added', 'none'), {
    ...HEADER,
    client: 'own flight: the headers are looked at as they are now, too',
  }),
  row('a header that a middleware adds, and vary names', ...tags('labelled'), VARIED),
  row(
    'a header that a middleware gives another value',
    anna({ 'X-Plan': 'free', 'X-Request-Id': 'gold' }, 'added'),
    anna({ 'X-Plan': 'free', 'X-Request-Id': 'lead' }, 'added'),
    { ...HEADER, client: 'own flight: the headers are looked at as they are now, too' },
  ),
  row('what a middleware puts into an AsyncLocalStorage, from an ignored header', ...tags('stored'), {
    ...IGNORED,
    client: 'shared: a limit, as the README says; what is read from there has to be put into a key',
    key: 'own flight: the key reads the AsyncLocalStorage too',
  }),
  row(
    'what a middleware puts into an AsyncLocalStorage, from a header that tells',
    anna({ 'X-Request-Id': 'acme', 'X-Of': 'acme' }, 'stored'),
    anna({ 'X-Request-Id': 'other', 'X-Of': 'other' }, 'stored'),
    { ...HEADER, key: 'own flight: the key reads the AsyncLocalStorage too' },
  ),
  row('who is asked for by a handler that reads the session', ...sessions('session'), {
    ...SPECIAL,
    key: 'own flight: the key holds the user',
  }),
  row('who asks a handler that sets headers (passthrough)', ...annaAndBert('passthrough'), {
    ...SPECIAL,
    key: 'own flight: the key holds the user',
  }),
  row(
    'who asks a handler that sets a cookie',
    ...annaAndBert('cookie'),
    { ...NEVER, public: 'alone: an answer with a cookie is never shared', key: 'alone: nor is it with a key by hand' },
    { late: ['public', 'key'] },
  ),
  row('who asks a handler that answers by hand', ...annaAndBert('by-hand'), NEVER),
  row('who asks a handler that answers a file', ...annaAndBert('file'), NEVER, { late: SHARES }),
  row('who asks a handler that is made for each request', ...annaAndBert('scoped'), ASKER),
  row('who asks, and a role by which an inner interceptor filters', ...roles('Bearer bert'), {
    ...ASKER,
    client: 'own flight: requests of two roles never meet',
  }),
  row('a role by which an inner interceptor filters, of one user', ...roles('Bearer anna'), {
    ...HEADER,
    client: 'own flight: requests of two roles never meet',
    user: 'shared: identity does not hold the role, nor does vary name it',
    key: 'own flight: the key holds the role',
  }),
];

function sessions(path: string): readonly [Row['one'], Row['one']] {
  return [nobody({ Cookie: 'session=anna' }, path), nobody({ Cookie: 'session=bert' }, path)];
}

function roles(token: string): readonly [Row['one'], Row['one']] {
  const one = anna({ 'X-Role': 'admin' }, 'filtered');
  return [one, anna({ Authorization: token, 'X-Role': 'reader' }, 'filtered')];
}
