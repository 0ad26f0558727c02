import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  RequestTimeoutException,
  Res,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightModule, SingleFlightShare } from 'nestjs-singleflight';
import { catchError, from, of, race, Subject, switchMap, take, tap, throwError, type Observable } from 'rxjs';
import { deferred } from '../../support/deferred.js';
import { Client, until } from './support/client.js';
import { closeServers, hold, httpFlights, PLATFORMS, TestServer, times, turn } from './support/server.js';

interface AnyResponse {
  raw?: ServerResponse;
  header(name: string, value: string): this;
  status(code: number): this;
  send(body: string): this;
}

const responseOf = (context: ExecutionContext): AnyResponse => context.switchToHttp().getResponse<AnyResponse>();
const nodeOf = (response: AnyResponse): ServerResponse => response.raw ?? (response as unknown as ServerResponse);

/** Ends the time of whoever waits: the first of a test alone. */
let timeUp = new Subject<void>();
const over = (): Observable<never> =>
  timeUp.pipe(
    take(1),
    switchMap(() => throwError(() => new Error('over'))),
  );
let fallback = deferred();

/** Fails when the time is up. */
const limiting: NestInterceptor = {
  intercept: (_context: ExecutionContext, next: CallHandler) =>
    race(next.handle(), over()).pipe(catchError(() => throwError(() => new RequestTimeoutException()))),
};
/** Answers when the time is up, after a while. */
const slowly: NestInterceptor = {
  intercept: (_context: ExecutionContext, next: CallHandler) =>
    race(next.handle(), over()).pipe(catchError(() => from(fallback.promise).pipe(switchMap(() => of('too late'))))),
};
/** Writes to the response before it leaves. */
const writing: NestInterceptor = {
  intercept: (context: ExecutionContext, next: CallHandler) =>
    race(next.handle(), over()).pipe(
      catchError(() => {
        responseOf(context).header('x-fallback', 'yes').header('cache-control', 'no-store');
        return of('too late');
      }),
    ),
};

let inside = deferred();
let visits = 0;
/** Writes to the response before the handler runs. */
const early: NestInterceptor = {
  intercept: (context: ExecutionContext, next: CallHandler) =>
    from(inside.promise).pipe(
      tap(() => responseOf(context).header('cache-control', 'private').header('set-cookie', `visit=${++visits}`)),
      switchMap(() => next.handle()),
    ),
};
const after = (write: (response: AnyResponse) => unknown): NestInterceptor => ({
  intercept: (context: ExecutionContext, next: CallHandler) =>
    next.handle().pipe(tap(() => write(responseOf(context)))),
});

let runs = 0;

@Controller()
@SingleFlightShare('public')
class Outside {
  @Get('window')
  @UseInterceptors(slowly, SingleFlightInterceptor, early)
  window(): Promise<string> {
    return hold.work('in time');
  }

  @Get('first')
  @UseInterceptors(writing, SingleFlightInterceptor, after((response) => response.header('cache-control', 'no-store')))
  first(): Promise<string> {
    return hold.work('in time');
  }

  @Get('plain')
  @UseInterceptors(slowly, SingleFlightInterceptor)
  plain(): Promise<string> {
    return hold.work('in time');
  }

  @Get('limited')
  @UseInterceptors(limiting, SingleFlightInterceptor)
  limited(): Promise<string> {
    return hold.work('in time');
  }

  @Get('raw')
  @UseInterceptors(slowly, SingleFlightInterceptor, after((response) => nodeOf(response).setHeader('x-raw', 'yes')))
  raw(): Promise<string> {
    return hold.work('in time');
  }

  @Get('passthrough')
  @UseInterceptors(slowly, SingleFlightInterceptor)
  async passthrough(@Res({ passthrough: true }) response: AnyResponse): Promise<string> {
    const value = await hold.work('in time');
    if (!nodeOf(response).headersSent) response.header('x-run', 'yes');
    return value;
  }

  @Get('failing')
  @UseInterceptors(SingleFlightInterceptor)
  async failing(@Res({ passthrough: true }) response: AnyResponse): Promise<string> {
    runs++;
    response.status(200).send('by hand');
    await turn();
    throw new Error('after it has answered');
  }
}

/** A middleware that answers the first request of a test when it is told to. */
let answer: (() => void) | undefined;
function answering(_request: unknown, response: ServerResponse, next: () => void): void {
  answer ??= () => {
    response.writeHead(503).end('by a middleware');
  };
  next();
}

async function start(platform: 'Express' | 'Fastify', lingerMs = 0, http2 = false): Promise<TestServer> {
  timeUp = new Subject();
  fallback = deferred();
  inside = deferred();
  visits = 0;
  runs = 0;
  answer = undefined;
  hold.shut();
  return TestServer.start(platform, {
    imports:
      lingerMs === 0
        ? httpFlights()
        : [SingleFlightModule.forRoot(), SingleFlightModule.forFeature({ name: 'http', lingerMs })],
    controllers: [Outside],
    setup: (app) => http2 || app.use(answering),
    ...(http2 ? { http2 } : {}),
  });
}

describe.each(PLATFORMS)('A leader that is answered from outside, on %s', (platform) => {
  afterEach(async () => {
    hold.open();
    inside.resolve();
    fallback.resolve();
    await closeServers();
  });

  async function outlived(server: TestServer, path: string): Promise<Client> {
    const leader = new Client(server.port, path);
    await until(() => server.stats().callers === 1);
    timeUp.next();
    return leader;
  }

  async function follow(server: TestServer, path: string) {
    const reply = server.send({ path });
    await until(() => server.stats().callers === 2);
    return { reply };
  }

  it('shares no cookie and loses no header that was written inside before that answer was sent', async () => {
    const server = await start(platform);
    const leader = await outlived(server, '/window');
    inside.resolve();
    await until(() => hold.runs === 1);
    fallback.resolve();
    await expect(leader.answer).resolves.toBe('200 too late');
    const { reply } = await follow(server, '/window');
    hold.open();
    const { body, headers } = await reply;
    expect([body, headers['cache-control'], headers['set-cookie']]).toEqual(['in time', 'private', ['visit=2']]);
  });

  it('gives no header that was written outside before it had left', async () => {
    const server = await start(platform);
    const leader = await outlived(server, '/first');
    await expect(leader.answer).resolves.toBe('200 too late');
    const { reply } = await follow(server, '/first');
    hold.open();
    const { body, headers } = await reply;
    expect([body, headers['cache-control'], headers['x-fallback']]).toEqual(['in time', 'no-store', undefined]);
  });

  it.each(['/plain', '/limited'])(
    'costs no second run where nobody inside writes, also when its client has gone before: %s',
    async (path) => {
      const server = await start(platform);
      const leader = new Client(server.port, path);
      await until(() => server.stats().callers === 1);
      const first = timeUp;
      timeUp = new Subject();
      const { reply } = await follow(server, path);
      leader.hangUp();
      await until(() => server.stats().left === 1);
      first.next();
      fallback.resolve();
      await turn();
      hold.open();
      const { body, headers } = await reply;
      expect(body).toBe('in time');
      expect(hold.runs).toBe(1);
      const next = await server.burst(...times(3, { path }));
      expect(next.runs).toBe(1);
      expect(headers.etag).toBe(next.replies[0]?.headers.etag);
      expect(server.stats().bypassed).toBe(0);
    },
  );

  it('leaves nothing behind that lingers and nobody may have', async () => {
    const server = await start(platform, 60_000);
    const leader = await outlived(server, '/passthrough');
    fallback.resolve();
    await expect(leader.answer).resolves.toBe('200 too late');
    hold.open();
    await until(() => server.stats().active === 0);
    expect((await server.burst(...times(4, { path: '/passthrough' }))).runs).toBe(1);
  });

  it('by a middleware: its URL is merged again, and its handler does not run twice', async () => {
    const server = await start(platform);
    const leader = new Client(server.port, '/plain');
    await until(() => server.stats().callers === 1);
    const { reply } = await follow(server, '/plain');
    answer?.();
    await expect(leader.answer).resolves.toBe('503 by a middleware');
    hold.open();
    expect((await reply).body).toBe('in time');
    expect(hold.runs).toBe(2);
    expect((await server.burst(...times(4, { path: '/plain' }))).runs).toBe(1);
    expect(server.stats().bypassed).toBe(0);
  });

  it('by a middleware, where something inside writes too late: the handler does not run twice', async () => {
    const server = await start(platform);
    const leader = new Client(server.port, '/raw');
    await until(() => server.stats().callers === 1);
    answer?.();
    await expect(leader.answer).resolves.toBe('503 by a middleware');
    hold.open();
    await until(() => server.stats().active === 0);
    await turn();
    expect(hold.runs).toBe(1);
  });

  it('by its own handler, which then fails: that does not run twice', async () => {
    const server = await start(platform);
    expect((await server.send({ path: '/failing' })).body).toBe('by hand');
    await until(() => server.stats().active === 0);
    await turn();
    expect(runs).toBe(1);
  });
});

describe('A leader that is answered from outside, over HTTP/2', () => {
  afterEach(async () => {
    hold.open();
    await closeServers();
  });

  it('does not fail its followers with what something inside writes too late', async () => {
    const server = await start('Fastify', 0, true);
    const leader = server.send({ path: '/raw' });
    await until(() => server.stats().callers === 1);
    timeUp.next();
    fallback.resolve();
    expect((await leader).body).toBe('too late');
    const follower = server.send({ path: '/raw' });
    await until(() => server.stats().callers === 2);
    hold.open();
    const { status, headers, body } = await follower;
    expect([status, headers['x-raw'], body]).toEqual([200, 'yes', 'in time']);
  });
});
