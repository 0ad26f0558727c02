import type { IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Req, UseInterceptors } from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightModule } from 'nestjs-singleflight';
import { bodies, closeServers, hold, PLATFORMS, statuses, TestServer, times, type Asked } from './support/server.js';

/** What a middleware leaves on the request: on Fastify, on Node's. */
interface Identified {
  readonly user?: string;
  readonly raw?: { readonly user?: string };
}

@Controller('products')
@UseInterceptors(SingleFlightInterceptor)
class Products {
  @Get()
  list(): Promise<string> {
    return hold.work('all');
  }

  @Get('mine')
  mine(@Req() request: Identified): Promise<string> {
    return hold.work(`of ${request.user ?? request.raw?.user ?? 'nobody'}`);
  }

  @Get(':id')
  find(): Promise<string> {
    return hold.work('one');
  }
}

type Middleware = (request: IncomingMessage & { user?: string }, response: unknown, next: () => void) => void;

let served = 0;

const MIDDLEWARE: Record<string, Middleware> = {
  /** As passport and its like may do. */
  '/products/mine': (request) => {
    request.user = request.headers.authorization ?? 'nobody';
    delete request.headers.authorization;
  },
  '/products/stamped': (request) => {
    request.headers['x-stamp'] = String(++served);
  },
  '/products/relabelled': (request) => {
    request.headers.accept = `text/plain;v=${++served}`;
  },
  '/products/traced': (request) => {
    request.headers['x-request-id'] = `request ${++served}`;
  },
};

const start = (platform: (typeof PLATFORMS)[number], trustProxy = false): Promise<TestServer> =>
  TestServer.start(platform, {
    imports: [SingleFlightModule.forRoot()],
    controllers: [Products],
    trustProxy,
    setup: (app) =>
      app.use(((request, response, next) => {
        MIDDLEWARE[request.url ?? '']?.(request, response, next);
        next();
      }) satisfies Middleware),
  });

const HEADERS = { Accept: 'application/json', Authorization: 'Bearer one' };
const LIST: Asked = { path: '/products', headers: HEADERS };
/** {@link LIST} with one header more, or another value of one. */
const listWith = (name: string, value: string): Asked => ({ ...LIST, headers: { ...HEADERS, [name]: value } });

describe.each(PLATFORMS)("Share 'client', the default, on %s", (platform) => {
  let server: TestServer;
  let behindProxy: TestServer;
  beforeAll(async () => {
    server = await start(platform);
    behindProxy = await start(platform, true);
  });
  afterAll(closeServers);

  it('merges identical requests', async () => {
    const burst = await server.burst(...times(20, LIST));
    expect(burst.runs).toBe(1);
    expect(statuses(burst)).toEqual(new Array(20).fill(200));
    expect(new Set(bodies(burst))).toEqual(new Set(['all']));
  });

  it('starts anew after the answer', async () => {
    expect((await server.burst(LIST)).runs).toBe(1);
    expect((await server.burst(LIST)).runs).toBe(1);
  });

  it('merges requests without any header but host', async () => {
    expect((await server.burst(...times(3, { path: '/products' }))).runs).toBe(1);
  });

  it('merges each kind of request among a mixed burst with its like only', async () => {
    const others = ['a', 'b', 'c'].map((token) => listWith('Authorization', `Bearer ${token}`));
    expect((await server.burst(...others, ...others, ...others, ...others)).runs).toBe(3);
  });

  it.each([
    ['Authorization', 'Bearer two'],
    ['authorization', 'Bearer two'],
    ['Proxy-Authorization', 'Basic dHdv'],
    ['Cookie', 'session=two'],
    ['X-Api-Key', 'two'],
    ['X-Anything', 'two'],
    ['X-Anything', ''],
    ['Accept', 'text/html'],
    ['Accept-Language', 'de'],
    ['Accept-Encoding', 'gzip'],
    ['User-Agent', 'two'],
    ['Origin', 'https://two.example'],
    ['Referer', 'https://two.example'],
    ['Cache-Control', 'no-cache'],
    ['Forwarded', 'for=10.0.0.2'],
    ['X-Forwarded-For', '10.0.0.2'],
    ['X-Forwarded-Host', 'two.example'],
    ['X-Forwarded-Proto', 'https'],
    ['X-Original-Url', '/two'],
    ['Baggage', 'user=two'],
    ['TE', 'trailers'],
    ['Via', '1.1 two'],
    // Names that begin as, end as, or contain an ignored one.
    ['X-Request-Id-User', 'two'],
    ['X-Traceparent', 'two'],
    ['B3-User', 'two'],
    ['Connection-User', 'two'],
    ['Content-Type', 'application/json'],
    ['__proto__', 'two'],
    ['Host', 'two.example'],
  ])('does not merge with another %s: %s', async (name, value) => {
    const other = listWith(name, value);
    const burst = await server.burst(LIST, other, LIST, other);
    expect(burst.runs).toBe(2);
    expect(statuses(burst)).toEqual([200, 200, 200, 200]);
  });

  it.each([
    ['query string', { path: '/products?page=2' }],
    ['empty query string', { path: '/products?' }],
    ['path', { path: '/products/2' }],
  ] as const)('does not merge with another %s', async (_what, other) => {
    const burst = await server.burst(LIST, { ...LIST, ...other }, LIST, { ...LIST, ...other });
    expect(burst.runs).toBe(2);
    expect(statuses(burst)).toEqual([200, 200, 200, 200]);
  });

  it('does not merge two paths of one route, two spellings of one path, or two orders of one query', async () => {
    const paths = ['/products/1', '/products/2', '/products/%31', '/products/1?a=1&b=2', '/products/1?b=2&a=1'];
    expect((await server.burst(...paths.flatMap((path) => times(3, { ...LIST, path })))).runs).toBe(5);
  });

  it('does not merge HEAD with GET, but HEAD with HEAD', async () => {
    const head = { ...LIST, method: 'HEAD' };
    const burst = await server.burst(LIST, head, LIST, head);
    expect(burst.runs).toBe(2);
    expect(statuses(burst)).toEqual([200, 200, 200, 200]);
    expect(bodies(burst)).toEqual(['all', '', 'all', '']);
  });

  it.each([
    ['traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
    ['Traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
    ['tracestate', 'a=1'],
    ['b3', '80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1'],
    ['X-B3-TraceId', '80f198ee56343ba864fe8b2a57d3eff7'],
    ['X-B3-SpanId', 'e457b5a2e4d86bd1'],
    ['X-B3-ParentSpanId', 'e457b5a2e4d86bd1'],
    ['X-Request-Id', 'two'],
    ['X-Correlation-Id', 'two'],
    ['X-Amzn-Trace-Id', 'Root=1-67891233-abcdef012345678912345678'],
    ['X-Cloud-Trace-Context', '105445aa7843bc8bf206b120001000/1;o=1'],
    ['X-Datadog-Trace-Id', '2'],
    ['Uber-Trace-Id', '2:2:0:1'],
    ['Sentry-Trace', '2-2'],
    ['CF-Ray', '2-FRA'],
    ['Connection', 'close'],
    ['Keep-Alive', 'timeout=5'],
  ])('merges whatever the trace or hop header %s: %s', async (name, value) => {
    expect((await server.burst(LIST, listWith(name, value), LIST)).runs).toBe(1);
  });

  describe('the list of headers as it was received', () => {
    const pairs = (...headers: [string, string][]): Asked => ({ path: '/products', headers: headers });

    it('does not merge another order', async () => {
      const one = pairs(['X-A', '1'], ['X-B', '2']);
      const other = pairs(['X-B', '2'], ['X-A', '1']);
      expect((await server.burst(one, other, one, other)).runs).toBe(2);
    });

    it('does not merge a duplicate with a single one, or with the two in one line', async () => {
      const once = pairs(['X-A', '1']);
      const twice = pairs(['X-A', '1'], ['X-A', '2']);
      const joined = pairs(['X-A', '1, 2']);
      expect((await server.burst(once, twice, joined, once, twice, joined)).runs).toBe(3);
    });

    it('does not merge where Node drops the duplicate that differs', async () => {
      const one = pairs(['Authorization', 'Bearer one'], ['Authorization', 'Bearer two']);
      const other = pairs(['Authorization', 'Bearer one'], ['Authorization', 'Bearer three']);
      expect((await server.burst(one, other, one, other)).runs).toBe(2);
    });

    it('does not merge a name and value with a value that spells both', async () => {
      const one = pairs(['X-A', '1'], ['X-B', '2']);
      const other = pairs(['X-A', '1","x-b","2']);
      expect((await server.burst(one, other)).runs).toBe(2);
    });

    it('merges names that differ in case only', async () => {
      expect((await server.burst(pairs(['X-A', '1']), pairs(['x-a', '1']))).runs).toBe(1);
    });
  });

  describe('with a middleware', () => {
    it('that takes the token away and remembers the user: never one answer for two tokens', async () => {
      const ask = (token: string): Asked => ({ path: '/products/mine', headers: { Authorization: token } });
      const burst = await server.burst(ask('anna'), ask('bert'), ask('anna'), ask('bert'), { path: '/products/mine' });
      expect(burst.runs).toBe(3);
      expect(bodies(burst)).toEqual(['of anna', 'of bert', 'of anna', 'of bert', 'of nobody']);
    });

    it('that adds a header of its own to each request: not merged', async () => {
      expect((await server.burst(...times(3, { ...LIST, path: '/products/stamped' }))).runs).toBe(3);
    });

    it('that changes a header that was received: not merged', async () => {
      expect((await server.burst(...times(3, { ...LIST, path: '/products/relabelled' }))).runs).toBe(3);
    });

    it('that adds a trace id: merged', async () => {
      expect((await server.burst(...times(3, { ...LIST, path: '/products/traced' }))).runs).toBe(1);
    });
  });

  describe('behind a proxy that is trusted', () => {
    it.each([
      ['X-Forwarded-For', '10.0.0.1', '10.0.0.2'],
      ['X-Forwarded-Host', 'one.example', 'two.example'],
      ['X-Forwarded-Proto', 'http', 'https'],
    ])('does not merge two %s', async (name, one, other) => {
      const asked = [listWith(name, one), listWith(name, other)];
      expect((await behindProxy.burst(...asked, ...asked)).runs).toBe(2);
    });

    it('merges the requests of one client', async () => {
      expect((await behindProxy.burst(...times(4, listWith('X-Forwarded-For', '10.0.0.1')))).runs).toBe(1);
    });
  });
});
