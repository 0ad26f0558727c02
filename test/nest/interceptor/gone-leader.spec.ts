import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Res,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightShare } from 'nestjs-singleflight';
import { from, race, Subject, take, tap, type Observable } from 'rxjs';
import { Client, until } from './support/client.js';
import { bodies, closeServers, hold, httpFlights, PLATFORMS, TestServer, times, turn } from './support/server.js';

interface AnyResponse {
  header(name: string, value: string): this;
  status(code: number): this;
  send(body: unknown): this;
}

/** Does something to the response when the handler has answered. */
function writing(write: (response: AnyResponse) => void): NestInterceptor {
  return {
    intercept: (context: ExecutionContext, next: CallHandler) =>
      next.handle().pipe(
        tap(() => {
          write(context.switchToHttp().getResponse<AnyResponse>());
        }),
      ),
  };
}

let visits = 0;
const privately = writing((response) => response.header('cache-control', 'private'));
const withCookie = writing((response) => response.header('set-cookie', `visit=${++visits}`));
const absent = writing((response) => response.status(404));

/** Answers from outside when it is told to. */
const timeUp = new Subject<string>();
const outside: NestInterceptor = {
  intercept: (_context: ExecutionContext, next: CallHandler) => race(next.handle(), timeUp.pipe(take(1))),
};

@Controller()
@SingleFlightShare('public')
class Late {
  @Get('promise')
  @UseInterceptors(SingleFlightInterceptor, privately)
  promise(): Promise<string> {
    return hold.work('in time');
  }

  @Get('observable')
  @UseInterceptors(SingleFlightInterceptor, privately)
  observable(): Observable<string> {
    return from(hold.work('in time'));
  }

  @Get('passthrough')
  @UseInterceptors(SingleFlightInterceptor)
  async passthrough(@Res({ passthrough: true }) response: AnyResponse): Promise<string> {
    const value = await hold.work('in time');
    response.header('cache-control', 'private');
    return value;
  }

  @Get('passthrough-observable')
  @UseInterceptors(SingleFlightInterceptor)
  passthroughObservable(@Res({ passthrough: true }) response: AnyResponse): Observable<string> {
    return from(hold.work('in time')).pipe(tap(() => response.header('cache-control', 'private')));
  }

  @Get('cookie')
  @UseInterceptors(SingleFlightInterceptor, withCookie)
  cookie(): Observable<string> {
    return from(hold.work('in time'));
  }

  @Get('absent')
  @UseInterceptors(SingleFlightInterceptor, absent)
  absent(): Observable<string> {
    return from(hold.work('in time'));
  }

  @Get('outside')
  @UseInterceptors(outside, SingleFlightInterceptor, privately)
  outside(): Promise<string> {
    return hold.work('in time');
  }

  @Get('outside/cookie')
  @UseInterceptors(outside, SingleFlightInterceptor, withCookie)
  outsideWithCookie(): Promise<string> {
    return hold.work('in time');
  }

  @Get('outside/plain')
  @UseInterceptors(outside, SingleFlightInterceptor)
  outsidePlain(): Promise<string> {
    return hold.work('in time');
  }

  @Get('itself')
  @UseInterceptors(SingleFlightInterceptor)
  async itself(@Res({ passthrough: true }) response: AnyResponse): Promise<void> {
    await hold.work('');
    response.status(200).send({ body: 'by hand' });
  }
}

describe.each(PLATFORMS)('What a handler does after its leader has gone, on %s', (platform) => {
  afterEach(async () => {
    hold.open();
    await closeServers();
  });

  async function start(): Promise<TestServer> {
    hold.shut();
    visits = 0;
    return TestServer.start(platform, { imports: httpFlights(), controllers: [Late] });
  }

  /** The leader and its followers, all aboard. */
  async function aboard(server: TestServer, path: string, followers: number) {
    const leader = new Client(server.port, path);
    await until(() => server.stats().callers === 1);
    const replies = Array.from({ length: followers }, () => server.send({ path }));
    await until(() => server.stats().callers === followers + 1);
    return { leader, replies };
  }

  it.each(['/promise', '/observable', '/passthrough', '/passthrough-observable'])(
    'reaches its followers: %s',
    async (path) => {
      const server = await start();
      const { leader, replies } = await aboard(server, path, 3);
      leader.hangUp();
      await until(() => server.stats().left === 1);
      hold.open();
      for (const { status, headers, body } of await Promise.all(replies)) {
        expect([status, headers['cache-control'], body]).toEqual([200, 'private', 'in time']);
      }
      expect(hold.runs).toBe(1);
    },
  );

  it.each([
    ['a cookie', '/cookie', [200, ['visit=2']]],
    ['a status that is no success', '/absent', [404, undefined]],
  ])('is not shared where it sets %s', async (_, path, expected) => {
    const server = await start();
    const { leader, replies } = await aboard(server, path, 1);
    leader.hangUp();
    await until(() => server.stats().left === 1);
    hold.open();
    const [reply] = await Promise.all(replies);
    expect([reply?.status, reply?.headers['set-cookie']]).toEqual(expected);
    expect(hold.runs).toBe(2);
  });

  it.each([
    ['a header', '/outside', ['private', undefined]],
    ['a cookie', '/outside/cookie', [undefined, ['visit=2']]],
  ])('is run again for who follows one that was answered from outside, where it sets %s', async (_, path, expected) => {
    const server = await start();
    const { leader, replies } = await aboard(server, path, 0);
    timeUp.next('too late');
    await expect(leader.answer).resolves.toBe('200 too late');
    replies.push(server.send({ path }));
    await until(() => server.stats().callers === 2);
    hold.open();
    const [reply] = await Promise.all(replies);
    expect([reply?.status, reply?.body]).toEqual([200, 'in time']);
    expect([reply?.headers['cache-control'], reply?.headers['set-cookie']]).toEqual(expected);
    expect(hold.runs).toBe(2);
  });

  it('costs no second run for who follows one that was answered from outside, where it sets nothing', async () => {
    const server = await start();
    const { leader } = await aboard(server, '/outside/plain', 0);
    timeUp.next('too late');
    await expect(leader.answer).resolves.toBe('200 too late');
    const reply = server.send({ path: '/outside/plain' });
    await until(() => server.stats().callers === 2);
    await turn();
    hold.open();
    expect(await reply).toMatchObject({ status: 200, body: 'in time' });
    expect(hold.runs).toBe(1);
  });

  it('is its own, where it answers by itself', async () => {
    const server = await start();
    const burst = await server.burst(...times(2, { path: '/itself' }));
    expect(bodies(burst)).toEqual(['{"body":"by hand"}', '{"body":"by hand"}']);
  });
});
