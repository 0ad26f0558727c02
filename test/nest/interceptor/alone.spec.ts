import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Delete,
  Get,
  Next,
  Patch,
  Post,
  Put,
  Req,
  Res,
  Session,
  Sse,
  UseInterceptors,
  type MessageEvent,
} from '@nestjs/common';
import {
  SingleFlightInterceptor,
  SingleFlightKey,
  SingleFlightModule,
  SingleFlightShare,
  SkipSingleFlight,
} from 'nestjs-singleflight';
import { Observable } from 'rxjs';
import { bodies, closeServers, hold, PLATFORMS, statuses, TestServer, times, type Asked } from './support/server.js';

/** What both platforms' responses have; `header` on Fastify, `setHeader` on Express. */
interface AnyResponse {
  header(name: string, value: string): AnyResponse;
  status(code: number): AnyResponse;
  send(body: string): void;
}

@Controller()
@UseInterceptors(SingleFlightInterceptor)
class Plain {
  @Get('plain')
  get(): Promise<string> {
    return hold.work('plain');
  }

  @Get('session')
  session(@Session() session: unknown): Promise<string> {
    return hold.work(`session: ${typeof session}`);
  }

  @Get('skipped')
  @SkipSingleFlight()
  skipped(): Promise<string> {
    return hold.work('skipped');
  }

  @Get('skipped-public')
  @SkipSingleFlight()
  @SingleFlightShare('public')
  skippedPublic(): Promise<string> {
    return hold.work('skipped-public');
  }

  @Post('written')
  post(): Promise<string> {
    return hold.work('post');
  }

  @Put('written')
  put(): Promise<string> {
    return hold.work('put');
  }

  @Patch('written')
  patch(): Promise<string> {
    return hold.work('patch');
  }

  @Delete('written')
  delete(): Promise<string> {
    return hold.work('delete');
  }
}

@Controller('answering')
@SingleFlightShare('public')
@UseInterceptors(SingleFlightInterceptor)
class Answering {
  @Get('response')
  async response(@Res() response: AnyResponse): Promise<void> {
    response.status(202).send(await hold.work('by hand'));
  }

  @Get('request-and-response')
  async both(@Req() _request: unknown, @Res() response: AnyResponse): Promise<void> {
    response.send(await hold.work('by hand'));
  }

  @Get('keyed')
  @SingleFlightKey(() => 'one key for all')
  async keyed(@Res() response: AnyResponse): Promise<void> {
    response.send(await hold.work('by hand'));
  }

  @Sse('events')
  events(): Observable<MessageEvent> {
    return new Observable((subscriber) => {
      void hold.work(undefined).then(() => {
        for (const data of ['one', 'two', 'three']) subscriber.next({ data });
        subscriber.complete();
      });
    });
  }

  @Get('session')
  session(@Session() session: unknown): Promise<string> {
    return hold.work(`session: ${typeof session}`);
  }
}

/** Express only: Fastify has no next() for a route. */
@Controller('passing')
@UseInterceptors(SingleFlightInterceptor)
class Passing {
  @Get()
  async pass(@Next() next: () => void): Promise<void> {
    await hold.work(undefined);
    next();
  }
}

@Controller('skipping')
@SkipSingleFlight()
@UseInterceptors(SingleFlightInterceptor)
class Skipping {
  @Get()
  get(): Promise<string> {
    return hold.work('skipping');
  }

  @Get('public')
  @SingleFlightShare('public')
  public(): Promise<string> {
    return hold.work('skipping');
  }
}

/** A bound handler is no method of the class, so what Nest knows of its parameters cannot be looked up. */
@Controller('bound')
@UseInterceptors(SingleFlightInterceptor)
class Bound {
  constructor() {
    this.response = this.response.bind(this);
  }

  @Get()
  async response(@Res() response: AnyResponse): Promise<void> {
    response.send(await hold.work('bound'));
  }
}

const PLAIN: Asked = { path: '/plain' };

describe.each(PLATFORMS)('Requests that go alone, on %s', (platform) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start(platform, {
      imports: [SingleFlightModule.forRoot()],
      controllers: [Plain, Answering, Skipping, Bound],
    });
  });
  afterAll(closeServers);

  const expectAlone = async (asked: Asked, status = 200): Promise<string[]> => {
    const burst = await server.burst(...times(3, asked));
    expect(statuses(burst)).toEqual([status, status, status]);
    expect(burst.runs).toBe(3);
    return bodies(burst);
  };

  it('merges the request that those below are made of', async () => {
    expect((await server.burst(...times(3, PLAIN))).runs).toBe(1);
  });

  it.each([
    ['a body with a length', { headers: { 'Content-Length': '2', 'Content-Type': 'application/json' }, body: '{}' }],
    ['a body in chunks', { headers: { 'Transfer-Encoding': 'chunked', 'Content-Type': 'text/plain' }, body: 'some' }],
    ['a range', { headers: { Range: 'bytes=0-1' } }],
    ['If-None-Match', { headers: { 'If-None-Match': '"none"' } }],
    ['If-Match', { headers: { 'If-Match': '*' } }],
    ['If-Modified-Since', { headers: { 'If-Modified-Since': 'Mon, 01 Jan 2001 00:00:00 GMT' } }],
    ['If-Unmodified-Since', { headers: { 'If-Unmodified-Since': 'Mon, 01 Jan 2001 00:00:00 GMT' } }],
    ['If-Range', { headers: { 'If-Range': '"none"' } }],
    ['an upgrade', { headers: { Connection: 'Upgrade', Upgrade: 'example/1' } }],
    ['Negotiate', { headers: { Authorization: 'Negotiate YII=' } }],
    ['negotiate, in lower case', { headers: { authorization: 'negotiate YII=' } }],
    ['NTLM', { headers: { Authorization: 'NTLM TlRMTVNTUAAB' } }],
  ] as const)('%s', async (_what, more) => {
    await expectAlone({ ...PLAIN, ...more });
  });

  it('but not a body of length 0', async () => {
    expect((await server.burst(...times(3, { ...PLAIN, headers: { 'Content-Length': '0' } }))).runs).toBe(1);
  });

  it.each([
    ['POST', 201],
    ['PUT', 200],
    ['PATCH', 200],
    ['DELETE', 200],
  ])('%s', async (method, status) => {
    expect(await expectAlone({ path: '/written', method, headers: { 'Content-Length': '0' } }, status)).toEqual(
      new Array(3).fill(method.toLowerCase()),
    );
  });

  it('a handler that reads the session', async () => {
    await expectAlone({ path: '/session' });
  });

  it("but not one that says 'public'", async () => {
    expect((await server.burst(...times(3, { path: '/answering/session' }))).runs).toBe(1);
  });

  it.each(['/skipped', '/skipped-public', '/skipping', '/skipping/public'])('@SkipSingleFlight: %s', async (path) => {
    await expectAlone({ path });
  });

  describe("whatever is stated, even 'public' or a key", () => {
    it('a handler with @Res(): everybody is answered', async () => {
      expect(await expectAlone({ path: '/answering/response' }, 202)).toEqual(['by hand', 'by hand', 'by hand']);
    });

    it('a handler with @Req() and @Res()', async () => {
      expect(await expectAlone({ path: '/answering/request-and-response' })).toEqual(new Array(3).fill('by hand'));
    });

    it('a handler with @Res() and a key', async () => {
      expect(await expectAlone({ path: '/answering/keyed' })).toEqual(['by hand', 'by hand', 'by hand']);
    });

    it('a handler with @Res() that its constructor has bound', async () => {
      expect(await expectAlone({ path: '/bound' })).toEqual(['bound', 'bound', 'bound']);
    });

    it('@Sse(): everybody gets every event', async () => {
      const streams = await expectAlone({ path: '/answering/events', headers: { Accept: 'text/event-stream' } });
      for (const stream of streams) {
        expect(stream.match(/(?<=data: )\w+/g)).toEqual(['one', 'two', 'three']);
      }
    });
  });
});

describe('A handler with @Next(), on Express', () => {
  it('goes alone: every request is passed on', async () => {
    const server = await TestServer.start('Express', {
      imports: [SingleFlightModule.forRoot()],
      controllers: [Passing],
    });
    const burst = await server.burst(...times(3, { path: '/passing' }));
    expect(burst.runs).toBe(3);
    expect(statuses(burst)).toEqual([404, 404, 404]);
    await closeServers();
  });
});
