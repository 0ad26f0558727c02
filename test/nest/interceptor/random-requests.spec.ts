import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Req, UseInterceptors, type ExecutionContext } from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightShare, type HttpShare } from 'nestjs-singleflight';
import fc from 'fast-check';
import type { HttpRequest } from '../../../lib/nest/http-exchange.js';
import type { RequestKey } from '../../../lib/nest/request-key.js';
import { requestParts } from '../../../lib/nest/request-parts.js';
import { Route } from '../../../lib/nest/route.js';
import { crowdOf, toldApart, type Principal } from './support/principals.js';
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

function routeOf(share: HttpShare, vary: readonly string[] = [], identity?: () => Principal): Route {
  class Plain {
    get(): void {
      /* Never called. */
    }
  }
  SingleFlightShare(share, { vary })(Plain);
  return new Route(Plain, Plain.prototype.get, { identity });
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
      same += compare(route, requests, ({ method, url, host, hostname, protocol, now }) =>
        JSON.stringify({ method, url, host, hostname, protocol, accept: now.accept, anything: now['x-anything'] }),
      );
    });
    fc.assert(everyPair, { numRuns: 2_000 });
    expect(same).toBeGreaterThan(1_000);
  });

  it("'user': the same exactly if the user, the address and the vary headers are; none for nobody", () => {
    let asking: Iterator<Principal>;
    const route = routeOf('user', ['Accept', 'x-anything'], () => asking.next().value as Principal);
    let same = 0;
    const everyPair = fc.property(related, crowdOf(7), (requests, crowd) => {
      asking = crowd.values();
      const keys = requests.map((request) => keyOf(toRequest(request), route));
      const identities = requests.map(({ method, url, host, hostname, protocol, now }, i) => {
        const headers = { accept: now.accept, anything: now['x-anything'] };
        return JSON.stringify({ method, url, host, hostname, protocol, ...headers, user: toldApart(crowd[i]) });
      });
      keys.forEach((one, i) => {
        expect(one === undefined).toBe(crowd[i] === undefined);
        keys.slice(0, i).forEach((other, j) => {
          if (one === undefined || other === undefined) return;
          expect([one === other, crowd[i], crowd[j]]).toEqual([identities[i] === identities[j], crowd[i], crowd[j]]);
          if (one === other) same++;
        });
      });
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

  it('holds every value of a header of which there are some', () => {
    for (const route of [routeOf('client'), routeOf('public', ['X-Tenant'])]) {
      const keys = [['a', 'b'], ['a', 'c'], ['a'], ['a', 'b']].map((tenants) =>
        keyOf({ method: 'GET', url: '/', headers: { 'x-tenant': tenants }, rawHeaders: ['Host', 'a'] }, route),
      );
      expect(new Set(keys).size).toBe(3);
      expect(keys[0]).toBe(keys[3]);
    }
  });

  it('does not ask Express 4 for what it warns of', () => {
    const request = toRequest({ ...fc.sample(handed, 1)[0]!, fastify: false });
    let asked = 0;
    const host = { get: () => ++asked };
    const express4 = Object.create({ param: () => undefined }, { host }) as HttpRequest;
    expect(keyOf(Object.assign(express4, request), routeOf('client'))).toBeDefined();
    expect(asked).toBe(0);
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

/** The people of a burst; a request says by its number whose it is. */
let people: readonly Principal[] = [];

interface NumberedRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly originalUrl: string;
}

const askerOf = ({ headers }: NumberedRequest): Principal => people[Number(headers['x-person'])];

@Controller('mine')
@UseInterceptors(SingleFlightInterceptor)
@SingleFlightShare('user', { vary: ['Accept-Language'] })
class Mine {
  @Get()
  mine(@Req() request: NumberedRequest): Promise<object> {
    const { headers, originalUrl } = request;
    return hold.work({ of: toldApart(askerOf(request)), url: originalUrl, language: headers['accept-language'] });
  }
}

interface Wanted {
  readonly url: string;
  readonly language: string | undefined;
  /** What says nothing of the answer. */
  readonly more: Readonly<Record<string, string>>;
}

const wanted: fc.Arbitrary<Wanted> = fc.record({
  url: fc.constantFrom('/mine', '/mine?page=2'),
  language: fc.constantFrom('de', undefined),
  more: fc.dictionary(fc.constantFrom('Cookie', 'X-Forwarded-For', 'User-Agent'), fc.constantFrom('one', 'other')),
});

describe.each(PLATFORMS)("Random people who share per 'user', on %s", (platform) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start(platform, {
      imports: httpFlights({
        http: { identity: (context) => askerOf(context.switchToHttp().getRequest<NumberedRequest>()) },
      }),
      controllers: [Mine],
    });
  });
  afterAll(closeServers);

  it('everybody gets an answer of their own, one person one for all of theirs, and nobody goes alone', async () => {
    let followers = 0;
    const burst = fc.asyncProperty(
      crowdOf(12),
      fc.array(wanted, { minLength: 12, maxLength: 12 }),
      async (crowd, all) => {
        people = crowd;
        const { bypassed } = server.stats();
        const asked = all.map(({ url, language, more }, i) => ({
          path: url,
          headers: { ...more, ...(language && { 'Accept-Language': language }), 'X-Person': String(i) },
        }));
        const { replies, runs } = await server.burst(...asked);
        const own = all.map(({ url, language }, i) => ({ of: toldApart(crowd[i]), url, language }));
        expect(replies.map(({ body }) => JSON.parse(body) as unknown)).toEqual(own);
        const nobodies = crowd.filter((person) => person === undefined).length;
        const answers = new Set(own.filter((_, i) => crowd[i] !== undefined).map((one) => JSON.stringify(one))).size;
        expect({ runs, bypassed: server.stats().bypassed - bypassed }).toEqual({
          runs: answers + nobodies,
          bypassed: nobodies,
        });
        followers += 12 - runs;
      },
    );
    await fc.assert(burst, { numRuns: 40 });
    // Else nothing was said of those that merge.
    expect(followers).toBeGreaterThan(50);
  });
});
