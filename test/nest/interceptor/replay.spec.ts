import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Header,
  HttpCode,
  Injectable,
  NotFoundException,
  Param,
  Redirect,
  Res,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import type { Observable } from 'rxjs';
import { SingleFlightInterceptor, SingleFlightKey, SingleFlightShare } from 'nestjs-singleflight';
import { bodies, closeServers, hold, httpFlights, PLATFORMS, statuses, TestServer, times } from './support/server.js';

/** What both platforms' responses can do. */
interface AnyResponse {
  status(code: number): this;
  header(name: string, value: string | string[]): this;
  removeHeader(name: string): void;
  // Fastify's alone.
  serializer?(write: (body: { name: string }) => string): this;
  trailer?(
    name: string,
    value: (reply: unknown, payload: unknown, done: (error: null, value: string) => void) => void,
  ): this;
}

@Injectable()
class Stamping implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    context
      .switchToHttp()
      .getResponse<AnyResponse>()
      .header('x-stamp', `run ${hold.runs + 1}`);
    return next.handle();
  }
}

@Controller('answers')
@UseInterceptors(SingleFlightInterceptor)
@SingleFlightShare('public')
class Answers {
  @Get('static')
  @HttpCode(203)
  @Header('x-static', 'yes')
  fixed(): Promise<string> {
    return hold.work('static');
  }

  @Get('redirect')
  @Redirect('/nowhere', 302)
  async redirect(): Promise<object> {
    return { url: `/run/${await hold.work(hold.runs)}`, statusCode: 307 };
  }

  @Get('passthrough')
  async passthrough(@Res({ passthrough: true }) response: AnyResponse): Promise<object> {
    await hold.work(undefined);
    response
      .status(202)
      .header('x-run', String(hold.runs))
      .header('cache-control', 'max-age=60')
      .header('x-list', ['one', 'two']);
    response.removeHeader('x-early');
    return { run: hold.runs };
  }

  @Get('by-hand')
  @SingleFlightKey(() => 'one for all')
  async byHand(@Res({ passthrough: true }) response: AnyResponse): Promise<string> {
    response.header('x-run', String(hold.runs));
    return hold.work('by hand');
  }

  @Get('cookie')
  async cookie(@Res({ passthrough: true }) response: AnyResponse): Promise<string> {
    await hold.work(undefined);
    response.header('set-cookie', `visit=${++visits}`);
    return 'with a cookie';
  }

  @Get('absent')
  async absent(@Res({ passthrough: true }) response: AnyResponse): Promise<string> {
    await hold.work(undefined);
    response.status(404).header('x-reason', 'sold out');
    return 'none';
  }

  @Get('serialized')
  async serialized(@Res({ passthrough: true }) response: AnyResponse): Promise<object> {
    await hold.work(undefined);
    response.header('content-type', 'application/xml');
    response.serializer?.(({ name }) => `<name>${name}</name>`);
    return { name: 'a lamp' };
  }

  @Get('trailed')
  async trailed(@Res({ passthrough: true }) response: AnyResponse): Promise<string> {
    const run = await hold.work('trailed');
    response.trailer?.('x-run', (_reply, _payload, done) => {
      done(null, run);
    });
    return run;
  }

  @Get('item/:id')
  async item(@Param('id') id: string, @Res({ passthrough: true }) response: AnyResponse): Promise<string> {
    await hold.work(undefined);
    if (id === 'none') response.status(404);
    return id;
  }

  @Get('elsewhere')
  async elsewhere(@Res({ passthrough: true }) response: AnyResponse): Promise<string> {
    await hold.work(undefined);
    response.status(303).header('location', `/visits/${++visits}`);
    return 'elsewhere';
  }

  @Get('own')
  async own(@Res({ passthrough: true }) response: AnyResponse): Promise<string> {
    await hold.work(undefined);
    response.header('access-control-allow-origin', 'https://leader.example').header('x-free', 'yes');
    return 'own';
  }

  @Get('failing')
  async failing(@Res({ passthrough: true }) response: AnyResponse): Promise<never> {
    await hold.work(undefined);
    response.header('x-run', String(hold.runs));
    throw new NotFoundException('no such answer');
  }

  @Get('stamped')
  @UseInterceptors(Stamping)
  stamped(): Promise<string> {
    return hold.work('stamped');
  }
}

let visits = 0;

describe.each(PLATFORMS)('What followers get, on %s', (platform) => {
  let server: TestServer;

  beforeAll(async () => {
    const early = (
      _request: unknown,
      response: { setHeader(name: string, value: string): void },
      next: () => void,
    ): void => {
      response.setHeader('x-early', 'from a middleware');
      next();
    };
    server = await TestServer.start(platform, {
      imports: httpFlights(),
      controllers: [Answers],
      setup: (app) => app.use(early),
    });
  });
  afterAll(closeServers);

  const three = (path: string): ReturnType<TestServer['burst']> =>
    server.burst(...times(3, { path: `/answers/${path}` }));

  it('the value, @HttpCode and @Header', async () => {
    const burst = await three('static');
    expect(burst.runs).toBe(1);
    expect(statuses(burst)).toEqual([203, 203, 203]);
    for (const { headers } of burst.replies) expect(headers).toMatchObject({ 'x-static': 'yes' });
  });

  it('a redirection that the handler decided', async () => {
    const burst = await three('redirect');
    expect(burst.runs).toBe(1);
    expect(statuses(burst)).toEqual([307, 307, 307]);
    for (const { headers } of burst.replies) expect(headers.location).toBe('/run/0');
  });

  it('the status and headers set through @Res({ passthrough: true }), and those taken away', async () => {
    const burst = await three('passthrough');
    expect(burst.runs).toBe(1);
    for (const { status, headers, body } of burst.replies) {
      expect({ status, body }).toEqual({ status: 202, body: '{"run":1}' });
      expect(headers).toMatchObject({ 'x-run': '1', 'cache-control': 'max-age=60', 'x-list': 'one, two' });
    }
    // What a middleware wrote on Node's response is not a reply's own on Fastify, where it cannot be taken away.
    const early = burst.replies.map(({ headers }) => headers['x-early']);
    expect(new Set(early).size).toBe(1);
  });

  it('the same with a key by hand', async () => {
    const burst = await three('by-hand');
    expect(burst.runs).toBe(1);
    for (const { headers } of burst.replies) expect(headers['x-run']).toBe('0');
  });

  it('what an interceptor inside wrote', async () => {
    const burst = await three('stamped');
    expect(burst.runs).toBe(1);
    for (const { headers } of burst.replies) expect(headers['x-stamp']).toBe('run 1');
  });

  it('a run and a cookie of their own where the handler sets one, and the next go alone', async () => {
    const burst = await three('cookie');
    expect(burst.runs).toBe(3);
    expect(new Set(burst.replies.map(({ headers }) => String(headers['set-cookie']))).size).toBe(3);
    const before = server.stats().bypassed;
    const next = await three('cookie');
    expect(next.runs).toBe(3);
    expect(server.stats().bypassed - before).toBe(3);
    expect((await three('cookie?of=another')).runs).toBe(3);
    expect(server.stats().bypassed - before).toBe(3);
  });

  it('the same of other URLs of a route of which one answer could not be shared', async () => {
    expect((await three('item/none')).runs).toBe(3);
    expect((await three('item/one')).runs).toBe(1);
  });

  it('a run of their own where the status is no success', async () => {
    const burst = await three('absent');
    expect(burst.runs).toBe(3);
    expect(statuses(burst)).toEqual([404, 404, 404]);
    for (const { headers } of burst.replies) expect(headers['x-reason']).toBe('sold out');
  });

  it('a run of their own where the handler says how the body is written, or what follows it', async () => {
    const serialized = await three('serialized');
    expect(serialized.runs).toBe(platform === 'Fastify' ? 3 : 1);
    expect(new Set(bodies(serialized)).size).toBe(1);
    expect(statuses(serialized)).toEqual([200, 200, 200]);
    expect((await three('trailed')).runs).toBe(platform === 'Fastify' ? 3 : 1);
  });

  it('a run of their own where the handler redirects its own client', async () => {
    const burst = await three('elsewhere');
    expect(burst.runs).toBe(3);
    expect(new Set(burst.replies.map(({ headers }) => headers.location)).size).toBe(3);
  });

  it('no CORS header of the leader', async () => {
    const burst = await three('own');
    expect(burst.runs).toBe(1);
    const origins = burst.replies.map(({ headers }) => headers['access-control-allow-origin']);
    expect(origins.filter((origin) => origin !== undefined)).toHaveLength(1);
    for (const { headers } of burst.replies) expect(headers['x-free']).toBe('yes');
  });

  it('the exception that the handler threw, and no header', async () => {
    const burst = await three('failing');
    expect(burst.runs).toBe(1);
    expect(statuses(burst)).toEqual([404, 404, 404]);
    expect(new Set(bodies(burst))).toEqual(
      new Set(['{"message":"no such answer","error":"Not Found","statusCode":404}']),
    );
    expect(burst.replies.filter(({ headers }) => headers['x-run'] !== undefined)).toHaveLength(1);
  });
});
