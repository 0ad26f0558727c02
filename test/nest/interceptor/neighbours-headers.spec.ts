import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Res, UseInterceptors, type INestApplication } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import fastifyCompress from '@fastify/compress';
import fastifyEtag from '@fastify/etag';
import fastifyHelmet from '@fastify/helmet';
import compression from 'compression';
import helmet from 'helmet';
import { SingleFlightInterceptor, SingleFlightShare } from 'nestjs-singleflight';
import {
  bodies,
  closeServers,
  hold,
  httpFlights,
  PLATFORMS,
  statuses,
  TestServer,
  times,
  type Asked,
  type Platform,
  type Reply,
} from './support/server.js';

const LONG = 'a long answer, '.repeat(200);

@Controller('answers')
@UseInterceptors(SingleFlightInterceptor)
@SingleFlightShare('public')
class Answers {
  @Get('long')
  long(): Promise<string> {
    return hold.work(LONG);
  }

  @Get('zipped')
  @SingleFlightShare('public', { vary: ['accept-encoding'] })
  async zipped(@Res({ passthrough: true }) response: { header(name: string, value: string): void }): Promise<Buffer> {
    response.header('content-encoding', 'gzip');
    return gzipSync(await hold.work(LONG));
  }

  @Get('tagged')
  async tagged(@Res({ passthrough: true }) response: { header(name: string, value: string): void }): Promise<string> {
    const value = await hold.work('tagged');
    response.header('ETag', '"by-hand"');
    return value;
  }
}

/** Where the middleware, or the plugin, leaves a request's nonce. */
interface WithNonce {
  readonly locals?: { readonly nonce: string };
  readonly raw?: WithNonce;
  readonly cspNonce?: { readonly script: string };
}

@Controller('pages')
@UseInterceptors(SingleFlightInterceptor)
class Pages {
  @Get()
  page(@Res({ passthrough: true }) { locals, raw, cspNonce }: WithNonce): Promise<string> {
    return hold.work((locals ?? raw?.locals)?.nonce ?? cspNonce?.script ?? 'none');
  }
}

const withPlugin = (app: INestApplication, plugin: unknown, options: object = {}): unknown =>
  (app as NestFastifyApplication).register(plugin as Parameters<NestFastifyApplication['register']>[0], options);

const start = (platform: Platform, setup: (app: INestApplication) => unknown): Promise<TestServer> =>
  TestServer.start(platform, { imports: httpFlights(), controllers: [Answers, Pages], setup });

/** Sends as `fetch` does, which decodes the body. */
function decoding(server: TestServer): void {
  server.send = async ({ path, headers = {} }: Asked) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
      headers: headers as Record<string, string>,
    });
    const { status } = response;
    return { status, headers: Object.fromEntries(response.headers), body: await response.text() };
  };
}

describe.each(PLATFORMS)('The interceptor with compression, on %s', (platform) => {
  afterEach(closeServers);

  const startCompressing = async (): Promise<TestServer> => {
    const server = await start(platform, (app) =>
      platform === 'Express'
        ? app.use(compression({ threshold: 0 }))
        : withPlugin(app, fastifyCompress, { threshold: 0 }),
    );
    decoding(server);
    return server;
  };
  const ENCODINGS = ['gzip', 'identity', 'br', 'deflate', 'gzip', 'identity'];

  it('each client gets the encoding that it asked for', async () => {
    const server = await startCompressing();
    const asked = ENCODINGS.map((encoding) => ({ path: '/answers/long', headers: { 'Accept-Encoding': encoding } }));
    const burst = await server.burst(...asked);
    expect(burst.runs).toBe(1);
    expect(bodies(burst)).toEqual(ENCODINGS.map(() => LONG));
    expect(burst.replies.map(({ headers }) => headers['content-encoding'] ?? 'identity')).toEqual(ENCODINGS);
    const encoded = burst.replies.filter(({ headers }) => headers['content-encoding'] !== undefined);
    expect(encoded.map(({ headers }) => headers.vary?.toLowerCase())).toEqual(Array(4).fill('accept-encoding'));
  });

  it('also where the handler sets headers', async () => {
    const server = await startCompressing();
    const asked = ENCODINGS.map((encoding) => ({ path: '/answers/tagged', headers: { 'Accept-Encoding': encoding } }));
    const burst = await server.burst(...asked);
    expect(burst.runs).toBe(1);
    expect(bodies(burst)).toEqual(ENCODINGS.map(() => 'tagged'));
    expect(burst.replies.map(({ headers }) => headers['content-encoding'] ?? 'identity')).toEqual(ENCODINGS);
    for (const { headers } of burst.replies) expect(headers.etag).toBe('"by-hand"');
  });
});

describe('A handler that encodes its answer itself, on Fastify', () => {
  afterEach(closeServers);

  it('every client gets it with its encoding', async () => {
    const server = await start('Fastify', () => undefined);
    decoding(server);
    const burst = await server.burst(...times(3, { path: '/answers/zipped', headers: { 'Accept-Encoding': 'gzip' } }));
    expect(burst.runs).toBe(1);
    expect(bodies(burst)).toEqual([LONG, LONG, LONG]);
    expect(burst.replies.map(({ headers }) => headers['content-encoding'])).toEqual(['gzip', 'gzip', 'gzip']);
  });
});

describe.each(PLATFORMS)('The interceptor with ETags, on %s', (platform) => {
  afterEach(closeServers);

  const startTagging = (): Promise<TestServer> =>
    start(platform, (app) => (platform === 'Fastify' ? withPlugin(app, fastifyEtag) : undefined));

  it.each(['long', 'tagged'])('%s: 304 for those who asked with If-None-Match, 200 for the others', async (path) => {
    const server = await startTagging();
    const [first] = (await server.burst({ path: `/answers/${path}` })).replies;
    const { etag } = first!.headers;
    expect(etag).toMatch(path === 'tagged' ? /^"by-hand"$/ : /^(W\/)?".+"$/);
    const plain = { path: `/answers/${path}` };
    const fresh = { ...plain, headers: { 'If-None-Match': etag! } };
    const stale = { ...plain, headers: { 'If-None-Match': '"another"' } };
    // Whichever of them leads.
    for (const asked of [
      [plain, fresh, stale, fresh],
      [fresh, plain, fresh, stale],
    ]) {
      const burst = await server.burst(...asked);
      expect(burst.runs).toBe(1);
      expect(statuses(burst)).toEqual(asked.map((one) => (one === fresh ? 304 : 200)));
      expect(bodies(burst)).toEqual(asked.map((one) => (one === fresh ? '' : first!.body)));
      for (const { headers } of burst.replies) expect(headers.etag).toBe(etag);
    }
    expect(server.stats()).toMatchObject({ flights: 3, callers: 9, bypassed: 0 });
  });
});

function useHelmet(app: INestApplication): void {
  const nonce = (_request: unknown, response: unknown): string => {
    const locals = { nonce: randomUUID() };
    Object.assign(response as object, { locals });
    return `'nonce-${locals.nonce}'`;
  };
  app.use(helmet({ contentSecurityPolicy: { directives: { scriptSrc: ["'self'", nonce] } } }));
}

describe.each<[string, Platform, (app: INestApplication) => unknown]>([
  ['helmet', 'Express', useHelmet],
  ['helmet', 'Fastify', useHelmet],
  ['@fastify/helmet', 'Fastify', (app) => withPlugin(app, fastifyHelmet, { enableCSPNonces: true })],
])('The interceptor with %s, on %s', (_name, platform, setup) => {
  afterEach(closeServers);

  const nonceOf = ({ headers }: Reply): string | undefined =>
    /script-src [^;]*'nonce-(.*?)'/.exec(String(headers['content-security-policy']))?.[1];

  it.each(['long', 'tagged'])('%s: each client gets the headers, and a nonce of its own', async (path) => {
    const server = await start(platform, setup);
    const { runs, replies } = await server.burst(...times(4, { path: `/answers/${path}` }));
    expect(runs).toBe(1);
    const nonces = replies.map(nonceOf);
    expect(nonces).not.toContain(undefined);
    expect(new Set(nonces).size).toBe(4);
    for (const { headers } of replies) {
      expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'SAMEORIGIN' });
    }
  });

  it('a page that holds the nonce is each client’s own, unless more is stated', async () => {
    const server = await start(platform, setup);
    const { runs, replies } = await server.burst(...times(4, { path: '/pages' }));
    expect(runs).toBe(4);
    expect(replies.map(({ body }) => body)).toEqual(replies.map(nonceOf));
    expect(new Set(replies.map(nonceOf)).size).toBe(4);
  });
});

// On Fastify, `enableCors` registers `@fastify/cors`.
describe.each(PLATFORMS)('The interceptor with CORS, on %s', (platform) => {
  afterEach(closeServers);

  const headersOf = (origin: string | undefined): Record<string, string> => (origin ? { Origin: origin } : {});
  const ORIGINS = ['https://one.example', 'https://two.example', 'https://evil.example', undefined];

  it.each(['long', 'tagged'])('%s: each client gets what its own origin is allowed', async (path) => {
    const server = await start(platform, (app) =>
      app.enableCors({
        credentials: true,
        exposedHeaders: ['ETag'],
        origin: (origin: string | undefined, callback: (error: Error | null, allowed?: boolean | string) => void) => {
          callback(null, origin !== undefined && !origin.includes('evil') ? origin : false);
        },
      }),
    );
    const asked = ORIGINS.map((origin) => ({ path: `/answers/${path}`, headers: headersOf(origin) }));
    // Whichever of them leads.
    for (const order of [asked, [...asked].reverse()]) {
      const burst = await server.burst(...order);
      expect(burst.runs).toBe(1);
      const allowed = order.map(({ headers }) => headers.Origin).map((o) => (o?.includes('evil') ? undefined : o));
      expect(burst.replies.map(({ headers }) => headers['access-control-allow-origin'])).toEqual(allowed);
      for (const [i, { headers }] of burst.replies.entries()) {
        expect(headers['access-control-allow-credentials']).toBe(allowed[i] && 'true');
        if (allowed[i] !== undefined) expect(headers.vary).toMatch(/\bOrigin\b/i);
      }
    }
  });

  it('a preflight reaches neither the interceptor nor the handler', async () => {
    const server = await start(platform, (app) => app.enableCors({ origin: 'https://one.example' }));
    const reply = await server.send({
      path: '/answers/long',
      method: 'OPTIONS',
      headers: { Origin: 'https://one.example', 'Access-Control-Request-Method': 'GET' },
    });
    expect(reply.status).toBe(204);
    expect(server.stats()).toMatchObject({ callers: 0, bypassed: 0 });
  });
});
