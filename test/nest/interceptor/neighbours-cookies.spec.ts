import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Req, Res, Session, UseInterceptors, type INestApplication } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import fastifyCookie from '@fastify/cookie';
import cookieSession from 'cookie-session';
import expressSession from 'express-session';
import { SingleFlightInterceptor, SingleFlightShare } from 'nestjs-singleflight';
import {
  bodies,
  closeServers,
  hold,
  httpFlights,
  TestServer,
  times,
  type Burst,
  type Platform,
} from './support/server.js';

@Controller('sessions')
@UseInterceptors(SingleFlightInterceptor)
class Sessions {
  @Get('public')
  @SingleFlightShare('public')
  async everybody(@Session() session: Record<string, unknown>): Promise<string> {
    const value = await hold.work('for all');
    session.visited = true;
    return value;
  }

  @Get('request')
  @SingleFlightShare('public')
  async request(@Req() request: { session: Record<string, unknown> }): Promise<string> {
    request.session.visited = true;
    return hold.work('for all');
  }

  @Get('client')
  async client(@Session() session: Record<string, unknown>): Promise<string> {
    session.visited = true;
    return hold.work('for one');
  }

  @Get('untouched')
  @SingleFlightShare('public')
  untouched(): Promise<string> {
    return hold.work('for all');
  }
}

interface FastifyReply {
  setCookie(name: string, value: string): this;
  clearCookie(name: string): this;
  header(name: string, value: string): this;
}

let visits = 0;

@Controller('cookies')
@UseInterceptors(SingleFlightInterceptor)
@SingleFlightShare('public')
class Cookies {
  @Get('set')
  async set(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    await hold.work(undefined);
    reply.setCookie('visit', String(++visits));
    return 'set';
  }

  @Get('clear')
  async clear(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    await hold.work(undefined);
    reply.clearCookie('visit');
    return 'cleared';
  }

  @Get('none')
  async none(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    const value = await hold.work('none');
    reply.header('x-run', String(hold.runs));
    return value;
  }
}

/** Of each answer: the names and values of its cookies, without attributes. */
const cookiesOf = ({ replies }: Burst): string[][] =>
  replies.map(({ headers }) => (headers['set-cookie'] ?? []).map((cookie) => cookie.split(';')[0]!));

const SESSIONS: [string, (saveAlways: boolean) => unknown][] = [
  [
    'express-session',
    (saveAlways) => expressSession({ secret: 'of the test', resave: false, saveUninitialized: saveAlways }),
  ],
  ['cookie-session', () => cookieSession({ keys: ['of the test'] })],
];

describe.each(SESSIONS)('The interceptor with %s, on Express', (name, middleware) => {
  afterEach(closeServers);

  const start = (saveAlways = false): Promise<TestServer> =>
    TestServer.start('Express', {
      imports: httpFlights(),
      controllers: [Sessions],
      setup: (app) => app.use(middleware(saveAlways)),
    });

  it.each(['public', 'request'])("%s: the session's cookie goes to the leader alone", async (path) => {
    const server = await start();
    const burst = await server.burst(...times(5, { path: `/sessions/${path}` }));
    expect(burst.runs).toBe(1);
    expect(bodies(burst)).toEqual(Array(5).fill('for all'));
    expect(cookiesOf(burst).filter((cookies) => cookies.length > 0)).toHaveLength(1);
    // And they are merged again: nothing was seen that could not be shared.
    expect((await server.burst(...times(5, { path: `/sessions/${path}` }))).runs).toBe(1);
  });

  it('a handler that takes the session runs for each client', async () => {
    const server = await start();
    const burst = await server.burst(...times(3, { path: '/sessions/client' }));
    expect(burst.runs).toBe(3);
    const cookies = cookiesOf(burst).map((own) => own.join());
    for (const own of cookies) expect(own).toMatch(/^(connect\.sid|session)=/);
    if (name === 'express-session') expect(new Set(cookies).size).toBe(3);
  });

  it("a session that every request is given: each client's own", async () => {
    const server = await start(true);
    const burst = await server.burst(...times(4, { path: '/sessions/untouched' }));
    expect(burst.runs).toBe(1);
    const ids = cookiesOf(burst).map((own) => own.join());
    expect(new Set(ids).size).toBe(name === 'express-session' ? 4 : 1);
    if (name === 'cookie-session') expect(ids[0]).toBe('');
  });
});

describe('The interceptor with @fastify/cookie, on Fastify', () => {
  const platform: Platform = 'Fastify';
  afterEach(closeServers);

  const start = (more?: (app: NestFastifyApplication) => void, hook?: false): Promise<TestServer> =>
    TestServer.start(platform, {
      imports: httpFlights(),
      controllers: [Cookies],
      setup: async (app: INestApplication) => {
        const fastify = app as NestFastifyApplication;
        await fastify.register(fastifyCookie, hook === undefined ? {} : { hook });
        more?.(fastify);
      },
    });

  it.each([
    ['its hook', undefined],
    ['none', false],
  ] as const)(
    'with %s: a cookie that the handler sets is for its own client, and the next go alone',
    async (_, hook) => {
      const server = await start(undefined, hook);
      const burst = await server.burst(...times(3, { path: '/cookies/set' }));
      expect(burst.runs).toBe(3);
      expect(cookiesOf(burst).map((own) => own.length)).toEqual([1, 1, 1]);
      expect(new Set(cookiesOf(burst).flat()).size).toBe(3);
      expect(server.stats()).toMatchObject({ flights: 1, followers: 2, bypassed: 0 });
      const next = await server.burst(...times(3, { path: '/cookies/set' }));
      expect(next.runs).toBe(3);
      expect(server.stats().bypassed).toBe(3);
    },
  );

  it('nor is one that it clears', async () => {
    const burst = await (await start()).burst(...times(3, { path: '/cookies/clear' }));
    expect(burst.runs).toBe(3);
    expect(cookiesOf(burst)).toEqual([['visit='], ['visit='], ['visit=']]);
  });

  it('a handler that sets none is merged, though requests bring cookies', async () => {
    const server = await start();
    const asked = ['one', 'two', 'three'].map((id) => ({ path: '/cookies/none', headers: { Cookie: `id=${id}` } }));
    const burst = await server.burst(...asked);
    expect(burst.runs).toBe(1);
    expect(burst.replies.map(({ headers }) => headers['x-run'])).toEqual(['1', '1', '1']);
    expect(cookiesOf(burst)).toEqual([[], [], []]);
  });

  it('one that the handler puts in the place of a hook’s is for its own client', async () => {
    const server = await start((app) => {
      app
        .getHttpAdapter()
        .getInstance()
        .addHook('preHandler', (_request, reply, done) => {
          (reply as unknown as FastifyReply).setCookie('visit', 'none');
          done();
        });
    });
    const burst = await server.burst(...times(3, { path: '/cookies/set' }));
    expect(burst.runs).toBe(3);
    expect(new Set(cookiesOf(burst).flat()).size).toBe(3);
  });

  // It waits beside the headers when the handler starts, and is taken for the handler's.
  it("a cookie that a hook set before the handler is each client's own, and the answer is shared", async () => {
    let clients = 0;
    const server = await start((app) => {
      app
        .getHttpAdapter()
        .getInstance()
        .addHook('preHandler', (_request, reply, done) => {
          (reply as unknown as FastifyReply).setCookie('client', String(++clients));
          done();
        });
    });
    const burst = await server.burst(...times(3, { path: '/cookies/none' }));
    expect(
      cookiesOf(burst)
        .map((own) => own.join())
        .sort(),
    ).toEqual(['client=1', 'client=2', 'client=3']);
    expect(burst.runs).toBe(1);
  });
});
