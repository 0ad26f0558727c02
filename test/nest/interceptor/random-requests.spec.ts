import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Req, UseInterceptors, type ExecutionContext } from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightShare, type HttpShare } from 'nestjs-singleflight';
import fc from 'fast-check';
import type { HttpRequest } from '../../../lib/nest/http-exchange.js';
import type { RequestKey } from '../../../lib/nest/request-key.js';
import { requestParts } from '../../../lib/nest/request-parts.js';
import { Route } from '../../../lib/nest/route.js';
import { closeServers, hold, httpFlights, PLATFORMS, TestServer, type Asked } from './support/server.js';

type Headers = readonly (readonly [string, string])[];

const TOKENS = ['anna', 'bert', '', 'anna, bert'];
const IGNORED = ['traceparent', 'x-request-id', 'connection', 'b3'];
const TELLING = ['authorization', 'cookie', 'x-api-key', 'x-anything', 'accept', 'traceparent-user'];

const headerName = fc.constantFrom(...IGNORED, ...TELLING, ...TELLING.map((name) => name.toUpperCase()));
const headersOf = (maxLength: number): fc.Arbitrary<Headers> =>
  fc.array(fc.tuple(headerName, fc.constantFrom(...TOKENS)), { maxLength });

/** As a platform hands it on: what came in, and what middleware has made of it. */
interface Handed {
  readonly method: string;
  readonly url: string;
  readonly host: string | undefined;
  readonly hostname: string | undefined;
  readonly ip: string | undefined;
  readonly protocol: string;
  readonly received: Headers;
  readonly now: Readonly<Record<string, string | undefined>>;
  readonly fastify: boolean;
}

const handed: fc.Arbitrary<Handed> = fc.record({
  method: fc.constantFrom('GET', 'HEAD'),
  url: fc.constantFrom('/', '/?user=anna', '/?user=bert', '/anna', '/anna?'),
  host: fc.constantFrom('one.example', 'two.example', undefined),
  hostname: fc.constantFrom('one.example', 'two.example', undefined),
  ip: fc.constantFrom('10.0.0.1', '10.0.0.2', undefined),
  protocol: fc.constantFrom('http', 'https'),
  received: headersOf(3).map((headers) => [['Host', 'one.example'] as const, ...headers]),
  now: fc.dictionary(fc.constantFrom(...IGNORED, ...TELLING), fc.constantFrom(...TOKENS, undefined), { maxKeys: 2 }),
  fastify: fc.boolean(),
});

/** A few requests of which each differs from the one before in one thing or none, or in everything. */
const related: fc.Arbitrary<Handed[]> = fc
  .tuple(
    handed,
    fc.array(fc.tuple(handed, fc.constantFrom<keyof Handed | 'all' | 'none'>(...FIELDS(), 'all', 'none')), {
      minLength: 1,
      maxLength: 6,
    }),
  )
  .map(([first, changes]) => {
    const requests = [first];
    for (const [other, field] of changes) {
      const last = requests.at(-1)!;
      if (field === 'all') requests.push(other);
      else requests.push(field === 'none' ? last : { ...last, [field]: other[field] });
    }
    return requests;
  });

function FIELDS(): (keyof Handed)[] {
  return ['method', 'url', 'host', 'hostname', 'ip', 'protocol', 'received', 'now', 'fastify'];
}

function toRequest({ host, received, now, fastify, ...rest }: Handed): HttpRequest {
  const rawHeaders = received.flat();
  const common = { ...rest, headers: { host, ...now } };
  return fastify ? { ...common, raw: { rawHeaders } } : { ...common, rawHeaders };
}

const tells = ([name]: readonly [string, unknown]): boolean => !IGNORED.includes(name.toLowerCase());

/** Everything in which two requests may differ, written down another way than in the library. */
function identity({ method, url, host, hostname, ip, protocol, received, now }: Handed): string {
  const raw = received.filter(tells).map(([name, value]) => ({ name: name.toLowerCase(), value }));
  const current = Object.entries(now)
    .filter(tells)
    .map(([name, value]) => ({ name, value: value ?? null }));
  return JSON.stringify({ method, url, host, hostname, ip, protocol, raw, current });
}

function routeOf(share: HttpShare, vary: readonly string[] = []): Route {
  class Plain {
    get(): void {
      /* Never called. */
    }
  }
  SingleFlightShare(share, { vary })(Plain);
  return new Route(Plain, Plain.prototype.get, {});
}

const NO_CONTEXT = {} as ExecutionContext;

/** The key of a request that has come to be under way, as all the others of its route that were asked for before it. */
function keyOf(request: HttpRequest, route: Route): RequestKey | undefined {
  const parts = requestParts(request, route, NO_CONTEXT);
  if (parts === undefined) return undefined;
  const key = route.keys.of(request, parts);
  route.keys.add(key);
  return key;
}

describe('The key of random requests', () => {
  /** Throws for two requests whose keys say another thing than their identities; counts those that are the same. */
  function compare(route: Route, requests: readonly Handed[], identify: (request: Handed) => string): number {
    const keys = requests.map((request) => keyOf(toRequest(request), route));
    const identities = requests.map(identify);
    let same = 0;
    for (let i = 0; i < requests.length; i++) {
      for (let j = 0; j < i; j++) {
        const prints = keys[i]?.toString() === keys[j]?.toString();
        const equal = identities[i] === identities[j];
        if (keys[i] === undefined || (keys[i] === keys[j]) !== equal || prints !== equal) {
          throw new Error(`${String(keys[i])} and ${String(keys[j])}`);
        }
        if (keys[i] === keys[j]) same++;
      }
    }
    return same;
  }

  it("'client': the same exactly if nothing that tells differs", () => {
    const route = routeOf('client');
    let same = 0;
    const everyPair = fc.property(related, (requests) => {
      same += compare(route, requests, identity);
    });
    fc.assert(everyPair, { numRuns: 3_000 });
    // Else nothing was said of those that merge.
    expect(same).toBeGreaterThan(1_000);
  });

  it("'public': the same exactly if the address and the vary headers are", () => {
    const route = routeOf('public', ['Accept', 'x-anything']);
    let same = 0;
    const everyPair = fc.property(related, (requests) => {
      same += compare(route, requests, ({ method, url, host, hostname, now }) =>
        JSON.stringify({ method, url, host, hostname, accept: now.accept, anything: now['x-anything'] }),
      );
    });
    fc.assert(everyPair, { numRuns: 2_000 });
    expect(same).toBeGreaterThan(1_000);
  });

  it('is never the same for two routes', () => {
    const routes = [routeOf('client'), routeOf('client'), routeOf('public'), routeOf('public')];
    fc.assert(
      fc.property(handed, (request) => {
        const keys = routes.map((route) => keyOf(toRequest(request), route));
        expect(new Set(keys).size).toBe(routes.length);
      }),
      { numRuns: 200 },
    );
  });

  it('is not the same where what was received of one is what middleware has added to the other', () => {
    const of = (rawHeaders: string[], headers: Record<string, string>): HttpRequest => ({
      method: 'GET',
      url: '/',
      headers,
      rawHeaders,
    });
    const one = of(['X-A', 'a', 'X-B', 'b'], {});
    const other = of(['X-A', 'a'], { 'x-b': 'b' });
    const route = routeOf('client');
    expect(keyOf(one, route)).not.toBe(keyOf(other, route));
  });

  it('is none where a platform does not say what came in', () => {
    const request = toRequest({ ...fc.sample(handed, 1)[0]!, fastify: false });
    expect(keyOf({ ...request, rawHeaders: [] }, routeOf('client'))).toBeUndefined();
    const { rawHeaders: _rawHeaders, ...without } = request;
    expect(keyOf(without, routeOf('client'))).toBeUndefined();
    expect(keyOf(without, routeOf('public'))).toBeDefined();
  });

  it('sees what a hook has put into the headers of Fastify alone', () => {
    const node = { rawHeaders: ['Host', 'one.example'] };
    const of = (tenant: string): HttpRequest => ({
      method: 'GET',
      url: '/',
      headers: { host: 'one.example', 'x-tenant': tenant },
      raw: node,
    });
    for (const route of [routeOf('client'), routeOf('public', ['X-Tenant'])]) {
      const keys = ['a', 'b', 'a'].map((tenant) => keyOf(of(tenant), route));
      expect(new Set(keys).size).toBe(2);
      expect(keys[0]).toBe(keys[2]);
    }
  });
});

/** Whom the request is from, as the app sees it: whatever tells. */
interface PrincipalRequest {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly user?: string;
  readonly raw?: { readonly user?: string };
}

@Controller()
@UseInterceptors(SingleFlightInterceptor)
class Who {
  @Get()
  ask(@Req() { headers, user, raw }: PrincipalRequest): Promise<object> {
    return hold.work({ user: user ?? raw?.user, cookie: headers.cookie, key: headers['x-api-key'] });
  }
}

const realHeaders: fc.Arbitrary<Headers> = fc
  .uniqueArray(fc.tuple(headerName, fc.constantFrom('anna', 'bert')), {
    maxLength: 3,
    selector: ([name]) => name.toLowerCase(),
  })
  .map((pairs) => pairs.filter(([name]) => name.toLowerCase() !== 'connection'));
const realRequests: fc.Arbitrary<Asked[]> = fc
  .array(fc.record({ path: fc.constantFrom('/', '/?user=anna', '/?user=bert'), headers: realHeaders }), {
    minLength: 2,
    maxLength: 8,
  })
  .chain((few) => fc.array(fc.constantFrom(...few), { minLength: 12, maxLength: 12 }));

describe.each(PLATFORMS)('Random requests, on %s', (platform) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start(platform, {
      imports: httpFlights(),
      controllers: [Who],
      setup: (app) =>
        // Who asks is known only to the middleware: what the handler and the interceptor see has no token left.
        app.use((request: { headers: Record<string, unknown>; user?: unknown }, _: unknown, next: () => void) => {
          request.user = request.headers.authorization;
          delete request.headers.authorization;
          next();
        }),
    });
  });
  afterAll(closeServers);

  it('everybody gets an answer of their own, and those who may share one do', async () => {
    await fc.assert(
      fc.asyncProperty(realRequests, async (asked) => {
        const { replies, runs } = await server.burst(...asked);
        const lists = asked.map(({ headers = [] }) => headers as Headers);
        const valueOf = (headers: Headers, wanted: string): string | undefined =>
          headers.find(([name]) => name.toLowerCase() === wanted)?.[1];
        expect(replies.map(({ body }) => JSON.parse(body) as unknown)).toEqual(
          lists.map((headers) => ({
            user: valueOf(headers, 'authorization'),
            cookie: valueOf(headers, 'cookie'),
            key: valueOf(headers, 'x-api-key'),
          })),
        );
        const distinct = asked.map(({ path }, i) =>
          JSON.stringify([path, lists[i]!.filter(tells).map(([name, value]) => [name.toLowerCase(), value])]),
        );
        expect(runs).toBe(new Set(distinct).size);
      }),
      { numRuns: 25 },
    );
  });
});
