import { AsyncLocalStorage } from 'node:async_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
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
import { GroupClosedError, SingleFlightInterceptor, SingleFlightShare } from 'nestjs-singleflight';
import { catchError, EMPTY, firstValueFrom, NEVER, Observable, of, race, Subject, take } from 'rxjs';
import { deferred } from '../../support/deferred.js';
import { Client, until } from './support/client.js';
import { Exchange } from './support/exchange.js';
import { closeServers, hold, httpFlights, PLATFORMS, TestServer, turn } from './support/server.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

describe('One that listens for the end of its client’s connection', () => {
  it('does not, once it is answered', async () => {
    const gate = deferred<string>();
    const exchange = new Exchange();
    const answer = exchange.answer(
      new SingleFlightInterceptor(),
      () =>
        new Observable(
          (s) =>
            void gate.promise.then((v) => {
              s.next(v);
              s.complete();
            }),
        ),
    );
    await turn();
    expect(exchange.listeners).toBe(1);
    gate.resolve('answered');
    await expect(answer).resolves.toBe('answered');
    expect(exchange.listeners).toBe(0);
  });

  it('never does, where it is answered within a turn', async () => {
    const exchange = new Exchange();
    await expect(exchange.answer(new SingleFlightInterceptor(), () => of('answered'))).resolves.toBe('answered');
    await turn();
    expect(exchange.listeners).toBe(0);
  });

  it('leaves when that comes before it listens', async () => {
    const interceptor = new SingleFlightInterceptor();
    void new Exchange().answer(interceptor, () => NEVER);
    const follower = new Exchange();
    const answer = follower.answer(interceptor, () => NEVER);
    follower.response.destroyed = true;
    await expect(answer).rejects.toMatchObject({ status: 499 });
    expect(follower.listeners).toBe(0);
  });
});

describe('A request that was answered', () => {
  it('is held by nothing', async () => {
    const interceptor = new SingleFlightInterceptor();
    const requests = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const exchange = new Exchange();
        exchange.request.url = `/${i}`;
        await exchange.answer(interceptor, () => of('answered'));
        return new WeakRef(exchange.request);
      }),
    );
    await turn();
    collectGarbage();
    // One may still be on the stack.
    expect(requests.filter((request) => request.deref() !== undefined).length).toBeLessThan(2);
  });
});

/** What a request's async context holds: often the request itself. */
const storage = new AsyncLocalStorage<object>();

describe('A request that has left', () => {
  it.each([
    ['', <T>(_request: object, answer: () => T): T => answer()],
    [', nor by its async context', <T>(request: object, answer: () => T): T => storage.run({ request }, answer)],
  ])('is not held by the flight, which goes on%s', async (_, within) => {
    const interceptor = new SingleFlightInterceptor();
    const leader = new Exchange();
    void leader.answer(interceptor, () => NEVER);
    const requests = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const follower = new Exchange();
        const answer = within(follower.request, () => follower.answer(interceptor, () => NEVER));
        await turn();
        follower.hangUp();
        await expect(answer).rejects.toMatchObject({ status: 499 });
        return new WeakRef(follower.request);
      }),
    );
    await turn();
    collectGarbage();
    expect(requests.filter((request) => request.deref() !== undefined).length).toBeLessThan(2);
    expect(leader.listeners).toBe(1);
  });

  it.each([
    ['when its client goes', turn, (exchange: Exchange): boolean => storage.run({}, () => exchange.hangUp())],
    ['when it has gone before that is listened for', () => undefined, (exchange: Exchange) => exchange.destroy()],
  ])('hears of that in its own async context: %s', async (_, meanwhile, leave) => {
    const interceptor = new SingleFlightInterceptor();
    const heard: unknown[] = [];
    const hear = catchError(() => {
      heard.push(storage.getStore());
      return EMPTY;
    });
    const board = (exchange: Exchange): void => {
      storage.run(exchange, () =>
        exchange
          .through(interceptor, () => NEVER)
          .pipe(hear)
          .subscribe(),
      );
    };
    const [leader, ...followers] = [new Exchange(), new Exchange(), new Exchange()];
    [leader, ...followers].forEach(board);
    await meanwhile();
    followers.forEach(leave);
    await turn();
    expect(heard).toEqual(followers);
  });
});

describe('A request that is answered from outside', () => {
  it.each([
    ['before the flight fails', (fail: () => void, answer: () => void): void => (answer(), fail())],
    ['in the tick in which it has failed', (fail: () => void, answer: () => void): void => (fail(), answer())],
  ])('%s: its response is left alone', async (_, happen) => {
    const interceptor = new SingleFlightInterceptor();
    const [handler, outside] = [new Subject(), new Subject()];
    const exchanges = [new Exchange(), new Exchange()];
    const answers = exchanges.map((exchange) =>
      firstValueFrom(
        race(
          exchange.through(interceptor, () => handler),
          outside,
        ),
      ),
    );
    happen(
      () => handler.error(new GroupClosedError({ group: 'products' })),
      () => outside.next('too late'),
    );
    await expect(Promise.all(answers)).resolves.toEqual(['too late', 'too late']);
    await turn();
    expect(exchanges.map(({ headers }) => headers)).toEqual([{}, {}]);
  });
});

let requests = 0;
let torndown = 0;
let timeUp = new Subject<string>();

/** Outside: answers the request of a number when its time is over, which a test decides. */
class TimeLimit implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return race(next.handle(), timeUp.pipe(take(1)));
  }
}

/** Inside: asks somebody before it lets a request on. */
class Asking implements NestInterceptor {
  static asked = 0;
  static answer = deferred();

  async intercept(_context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    Asking.asked++;
    await Asking.answer.promise;
    return next.handle();
  }
}

interface AnyResponse {
  header(name: string, value: string): this;
}

@Controller()
@SingleFlightShare('public')
@UseInterceptors(TimeLimit, SingleFlightInterceptor)
class Limited {
  @Get('silent')
  silent(@Res({ passthrough: true }) response: AnyResponse): Promise<string> {
    return hold.work(typeof response === 'object' ? 'in time' : 'never');
  }

  @Get('twice')
  @UseInterceptors(Asking, SingleFlightInterceptor)
  twice(): Promise<string> {
    return hold.work('in time');
  }

  @Get('failing')
  async failing(
    @Res({ passthrough: true }) response: AnyResponse & { raw?: { headersSent: boolean }; headersSent?: boolean },
  ): Promise<string> {
    requests++;
    const value = await hold.work('in time');
    // As Express does it when a header comes too late.
    if ((response.raw ?? response).headersSent === true) throw new Error('too late for a header');
    response.header('x-run', 'in time');
    return value;
  }

  @Get('cookie')
  cookie(@Res({ passthrough: true }) response: AnyResponse): Observable<string> {
    if (requests++ > 0) {
      return new Observable(() => () => {
        torndown++;
      });
    }
    return new Observable((subscriber) => {
      void hold.work('once').then((value) => {
        response.header('set-cookie', 'a=b');
        subscriber.next(value);
        subscriber.complete();
      });
    });
  }
}

describe.each(PLATFORMS)('With a time limit outside, on %s', (platform) => {
  afterEach(async () => {
    hold.open();
    await closeServers();
  });

  const start = async (): Promise<TestServer> => {
    requests = 0;
    torndown = 0;
    Asking.asked = 0;
    Asking.answer = deferred();
    timeUp = new Subject();
    hold.shut();
    return TestServer.start(platform, { imports: httpFlights(), controllers: [Limited] });
  };

  async function join(server: TestServer, path: string): Promise<Client> {
    const { callers } = server.stats();
    const client = new Client(server.port, path);
    await until(() => server.stats().callers === callers + 1);
    return client;
  }

  it('the leader’s, where its handler may set headers: another is not told what it came to, and the route is merged again', async () => {
    const server = await start();
    const leader = await join(server, '/silent');
    timeUp.next('too late');
    await expect(leader.answer).resolves.toBe('200 too late');
    const followers = [await join(server, '/silent'), await join(server, '/silent')];
    hold.open();
    for (const { answer } of followers) await expect(answer).resolves.toBe('200 in time');
    expect(server.stats().bypassed).toBe(0);
    expect((await server.burst(...Array.from({ length: 4 }, () => ({ path: '/silent' })))).runs).toBe(1);
    expect(server.stats().bypassed).toBe(0);
  });

  it('the leader’s, whose handler then fails because it was answered: the others try again', async () => {
    const server = await start();
    const leader = await join(server, '/failing');
    timeUp.next('too late');
    await expect(leader.answer).resolves.toBe('200 too late');
    const follower = await join(server, '/failing');
    hold.open();
    await expect(follower.answer).resolves.toBe('200 in time');
    expect(requests).toBe(2);
  });

  it('the leader’s, before it comes by a second interceptor: that knows it, and the others are answered', async () => {
    const server = await start();
    const leader = await join(server, '/twice');
    await until(() => Asking.asked === 1);
    timeUp.next('too late');
    await expect(leader.answer).resolves.toBe('200 too late');
    const follower = await join(server, '/twice');
    Asking.answer.resolve();
    hold.open();
    await expect(follower.answer).resolves.toBe('200 in time');
    expect(server.stats()).toMatchObject({ flights: 1, followers: 1 });
  });

  it('stops the run of one who runs alone again', async () => {
    const server = await start();
    const leader = await join(server, '/cookie');
    const follower = await join(server, '/cookie');
    hold.open();
    await expect(leader.answer).resolves.toBe('200 once');
    await until(() => requests === 2);
    timeUp.next('too late');
    await expect(follower.answer).resolves.toBe('200 too late');
    expect(torndown).toBe(1);
  });
});
