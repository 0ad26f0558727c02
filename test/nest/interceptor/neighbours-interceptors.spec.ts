import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { CACHE_MANAGER, CacheInterceptor, CacheModule, type Cache } from '@nestjs/cache-manager';
import {
  ClassSerializerInterceptor,
  Controller,
  Get,
  Headers,
  Injectable,
  RequestTimeoutException,
  Res,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightShare } from 'nestjs-singleflight';
import { Exclude, Expose } from 'class-transformer';
import { catchError, of, tap, throwError, timeout, TimeoutError, VirtualTimeScheduler, type Observable } from 'rxjs';
import { bodies, closeServers, hold, httpFlights, PLATFORMS, statuses, TestServer, times } from './support/server.js';

@Controller('cache')
@SingleFlightShare('public')
class Cached {
  @Get('inside')
  @UseInterceptors(SingleFlightInterceptor, CacheInterceptor)
  inside(): Promise<string> {
    return hold.work(`run ${hold.runs}`);
  }

  @Get('outside')
  @UseInterceptors(CacheInterceptor, SingleFlightInterceptor)
  outside(): Promise<string> {
    return hold.work(`run ${hold.runs}`);
  }
}

/** Time for each client by its name, which a test lets pass at will. */
const clocks = new Map<string, VirtualTimeScheduler>();

/** As in Nest's documentation, with a clock of each client's own. */
@Injectable()
class TimeLimit implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    const scheduler = new VirtualTimeScheduler();
    clocks.set(headers['x-name']!, scheduler);
    return next.handle().pipe(
      timeout({ each: 5_000, scheduler }),
      catchError((error: unknown) =>
        throwError(() => (error instanceof TimeoutError ? new RequestTimeoutException() : error)),
      ),
    );
  }
}

/** Answers 200 with what it has, where there was no time. */
@Injectable()
class Fallback implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const response = context.switchToHttp().getResponse<{ header(name: string, value: string): void }>();
    return next.handle().pipe(
      catchError(() => {
        response.header('x-stale', 'yes');
        return of({ stale: true });
      }),
    );
  }
}

/** The names of those whose requests ran a handler, in order. */
let leaders: string[] = [];

@Controller('limited')
@SingleFlightShare('public')
class Limited {
  @Get('outside')
  @UseInterceptors(TimeLimit, SingleFlightInterceptor)
  outside(@Headers('x-name') name: string): Promise<string> {
    leaders.push(name);
    return hold.work('in time');
  }

  @Get('passthrough')
  @UseInterceptors(TimeLimit, SingleFlightInterceptor)
  async passthrough(
    @Headers('x-name') name: string,
    @Res({ passthrough: true }) response: { header(name: string, value: string): void },
  ): Promise<string> {
    leaders.push(name);
    const value = await hold.work('in time');
    response.header('x-worked', 'yes');
    return value;
  }

  @Get('fallback')
  @UseInterceptors(Fallback, TimeLimit, SingleFlightInterceptor)
  fallback(@Headers('x-name') name: string): Promise<string> {
    leaders.push(name);
    return hold.work('in time');
  }

  @Get('inside')
  @UseInterceptors(SingleFlightInterceptor, TimeLimit)
  inside(@Headers('x-name') name: string): Promise<string> {
    leaders.push(name);
    return hold.work('in time');
  }
}

let serialised = 0;

class User {
  readonly name = 'Anna';

  @Exclude()
  readonly password = 'secret';

  @Expose()
  get label(): string {
    return `user ${this.name}`;
  }
}

@Injectable()
class Serialising extends ClassSerializerInterceptor {
  override serialize(
    ...parameters: Parameters<ClassSerializerInterceptor['serialize']>
  ): ReturnType<ClassSerializerInterceptor['serialize']> {
    serialised++;
    return super.serialize(...parameters);
  }
}

@Controller('users')
@SingleFlightShare('public')
class Users {
  @Get('outside')
  @UseInterceptors(Serialising, SingleFlightInterceptor)
  outside(): Promise<User[]> {
    return hold.work([new User()]);
  }

  @Get('inside')
  @UseInterceptors(SingleFlightInterceptor, Serialising)
  inside(): Promise<User[]> {
    return hold.work([new User()]);
  }
}

let lines: string[] = [];

@Injectable()
class Logging implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    const name = headers['x-name']!;
    lines.push(`${name} came`);
    return next.handle().pipe(
      tap((value) => {
        lines.push(`${name} got ${String(value)}`);
      }),
    );
  }
}

@Controller('logged')
@SingleFlightShare('public')
class Logged {
  @Get('outside')
  @UseInterceptors(Logging, SingleFlightInterceptor)
  outside(): Promise<string> {
    return hold.work('it');
  }

  @Get('inside')
  @UseInterceptors(SingleFlightInterceptor, Logging)
  inside(): Promise<string> {
    return hold.work('it');
  }
}

const NAMES = ['anna', 'ben', 'cleo'];
const named = (path: string): { path: string; headers: { 'X-Name': string } }[] =>
  NAMES.map((name) => ({ path, headers: { 'X-Name': name } }));

describe.each(PLATFORMS)('The interceptor with CacheInterceptor, on %s', (platform) => {
  afterEach(async () => {
    jest.restoreAllMocks();
    await closeServers();
  });

  const start = async (): Promise<{ server: TestServer; set: jest.SpiedFunction<Cache['set']> }> => {
    const imports = [...httpFlights(), CacheModule.register({ ttl: 60_000 })];
    const server = await TestServer.start(platform, { imports, controllers: [Cached] });
    return { server, set: jest.spyOn(server.app.get<Cache>(CACHE_MANAGER), 'set') };
  };
  const expire = (): unknown => jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 120_000);

  it('inside: a burst at an expired entry is one handler run and one write, and a hit is shared too', async () => {
    const { server, set } = await start();
    const ten = times(10, { path: '/cache/inside' });
    const cold = await server.burst(...ten);
    expect(cold.runs).toBe(1);
    expect(cold.replies.map(({ headers }) => headers['x-cache'])).toEqual(Array(10).fill('MISS'));
    expect(set).toHaveBeenCalledTimes(1);

    const warm = await server.burst(...ten);
    expect(warm.runs).toBe(0);
    expect(warm.replies.map(({ headers }) => headers['x-cache'])).toEqual(Array(10).fill('HIT'));

    expire();
    const expired = await server.burst(...ten);
    expect(expired.runs).toBe(1);
    expect(new Set(bodies(expired))).toEqual(new Set(['run 0']));
    expect(set).toHaveBeenCalledTimes(2);
    expect(server.stats().callers).toBe(30);
  });

  it('outside: still one handler run, but every request of the burst writes the entry; hits board no flight', async () => {
    const { server, set } = await start();
    const ten = times(10, { path: '/cache/outside' });
    expect((await server.burst(...ten)).runs).toBe(1);
    expect(set).toHaveBeenCalledTimes(10);

    const { callers } = server.stats();
    expect((await server.burst(...ten)).runs).toBe(0);
    expect(server.stats().callers).toBe(callers);

    expire();
    const expired = await server.burst(...ten);
    expect(expired.runs).toBe(1);
    expect(expired.replies.map(({ headers }) => headers['x-cache'])).toEqual(Array(10).fill('MISS'));
    expect(set).toHaveBeenCalledTimes(20);
  });
});

describe.each(PLATFORMS)('The interceptor with a time limit, on %s', (platform) => {
  afterEach(async () => {
    leaders = [];
    clocks.clear();
    await closeServers();
  });

  const start = (): Promise<TestServer> =>
    TestServer.start(platform, { imports: httpFlights(), controllers: [Limited] });

  /** A burst during which the time of the one that leads, or of one that follows, is over. */
  const lateOne = async (server: TestServer, path: string, role: 'leader' | 'follower') => {
    let late = '';
    const burst = await server.during(named(path), () => {
      late = NAMES.find((name) => (name === leaders[0]) === (role === 'leader'))!;
      clocks.get(late)!.flush();
      return server.flights.inFlight().map(({ callers }) => callers);
    });
    return { burst, late };
  };

  it.each(['leader', 'follower'] as const)(
    'outside: a %s that times out leaves, the others are answered',
    async (role) => {
      const server = await start();
      const { burst, late } = await lateOne(server, '/limited/outside', role);
      expect(burst.seen).toEqual([2]);
      expect(statuses(burst)).toEqual(NAMES.map((name) => (name === late ? 408 : 200)));
      expect(bodies(burst).filter((body) => body === 'in time')).toHaveLength(2);
      expect(server.stats()).toMatchObject({ flights: 1, callers: 3, left: 1, active: 0 });
      expect(server.flights.inFlight()).toEqual([]);
    },
  );

  it('outside: a follower that times out costs no handler run', async () => {
    const { burst } = await lateOne(await start(), '/limited/outside', 'follower');
    expect(burst.runs).toBe(1);
  });

  // Its 408 is taken for what the handler did to the response.
  it('outside: a leader that times out costs no handler run', async () => {
    const { burst } = await lateOne(await start(), '/limited/outside', 'leader');
    expect(burst.runs).toBe(1);
  });

  it('outside: all of them time out, and the key is free', async () => {
    const server = await start();
    const burst = await server.during(named('/limited/outside'), () => {
      for (const clock of clocks.values()) clock.flush();
    });
    expect(statuses(burst)).toEqual([408, 408, 408]);
    expect(burst.runs).toBe(1);
    expect(server.stats()).toMatchObject({ callers: 3, left: 3, active: 0 });
    expect(server.flights.inFlight()).toEqual([]);
    expect(statuses(await server.burst(...named('/limited/outside')))).toEqual([200, 200, 200]);
  });

  // For the same reason the route's requests go alone for a while.
  it('outside: all of them time out, and the next burst is merged', async () => {
    const server = await start();
    await server.during(named('/limited/outside'), () => {
      for (const clock of clocks.values()) clock.flush();
    });
    expect((await server.burst(...named('/limited/outside'))).runs).toBe(1);
  });

  it("outside: the leader's, whose handler then writes to a response that was sent: the others are answered", async () => {
    const { burst, late } = await lateOne(await start(), '/limited/passthrough', 'leader');
    expect(statuses(burst)).toEqual(NAMES.map((name) => (name === late ? 408 : 200)));
    const answered = burst.replies.filter(({ status }) => status === 200);
    expect(answered.map(({ body, headers }) => [body, headers['x-worked']])).toEqual(Array(2).fill(['in time', 'yes']));
  });

  it('outside, with a fallback: each gets its own body', async () => {
    const { burst, late } = await lateOne(await start(), '/limited/fallback', 'leader');
    expect(bodies(burst)).toEqual(NAMES.map((name) => (name === late ? '{"stale":true}' : 'in time')));
    // It sets a header, and nobody can tell then which are the handler's: each of the others has its own run.
    expect(burst.runs).toBe(3);
  });

  // What stands outside wrote them, after the leader had left.
  it("outside, with a fallback: no header of the leader's own answer reaches the others", async () => {
    const server = await start();
    const { burst } = await lateOne(server, '/limited/fallback', 'leader');
    const { replies } = await server.burst(named('/limited/fallback')[0]!);
    const { 'content-type': type, etag } = replies[0]!.headers;
    for (const { body, headers } of burst.replies) {
      if (body !== 'in time') continue;
      const got = { type: headers['content-type'], etag: headers.etag, stale: headers['x-stale'] };
      expect(got).toEqual({ type, etag, stale: undefined });
    }
  });

  it("inside: the time is the flight's, and whoever is aboard gets the 408", async () => {
    const server = await start();
    const burst = await server.during(named('/limited/inside'), () => {
      expect([...clocks.keys()]).toEqual(leaders);
      clocks.get(leaders[0]!)!.flush();
    });
    expect(burst.runs).toBe(1);
    expect(statuses(burst)).toEqual([408, 408, 408]);
    expect(server.stats()).toMatchObject({ flights: 1, failures: 1, left: 0, active: 0 });
  });
});

describe.each(PLATFORMS)('The interceptor with ClassSerializerInterceptor, on %s', (platform) => {
  afterEach(closeServers);

  it.each([
    ['outside', 5],
    ['inside', 1],
  ])('%s: @Exclude() holds for everybody, and %i of 5 requests serialise', async (place, count) => {
    const server = await TestServer.start(platform, { imports: httpFlights(), controllers: [Users] });
    serialised = 0;
    const burst = await server.burst(...times(5, { path: `/users/${place}` }));
    expect(burst.runs).toBe(1);
    expect(bodies(burst)).toEqual(Array(5).fill('[{"name":"Anna","label":"user Anna"}]'));
    expect(serialised).toBe(count);
  });

  it('outside, with copies for everybody: an instance is refused, and the field reaches nobody', async () => {
    const [root, feature] = httpFlights({ isolate: 'clone' });
    const server = await TestServer.start(platform, { imports: [root!, feature!], controllers: [Users] });
    const burst = await server.burst(...times(3, { path: '/users/outside' }));
    expect(burst.runs).toBe(1);
    expect(statuses(burst)).toEqual([500, 500, 500]);
    expect(bodies(burst).join()).not.toMatch(/secret|Anna/);
  });

  it('inside, with copies for everybody: what it made is copied', async () => {
    const server = await TestServer.start(platform, {
      imports: httpFlights({ isolate: 'clone' }),
      controllers: [Users],
    });
    const burst = await server.burst(...times(3, { path: '/users/inside' }));
    expect(burst.runs).toBe(1);
    expect(bodies(burst)).toEqual(Array(3).fill('[{"name":"Anna","label":"user Anna"}]'));
  });
});

describe.each(PLATFORMS)('The interceptor with one that logs, on %s', (platform) => {
  afterEach(async () => {
    lines = [];
    await closeServers();
  });

  it('outside: a line for each request', async () => {
    const server = await TestServer.start(platform, { imports: httpFlights(), controllers: [Logged] });
    expect((await server.burst(...named('/logged/outside'))).runs).toBe(1);
    expect(lines.sort()).toEqual(NAMES.flatMap((name) => [`${name} came`, `${name} got it`]));
  });

  it('inside: a line for each handler run', async () => {
    const server = await TestServer.start(platform, { imports: httpFlights(), controllers: [Logged] });
    expect((await server.burst(...named('/logged/inside'))).runs).toBe(1);
    expect(lines).toHaveLength(2);
    expect(new Set(lines.map((line) => line.split(' ')[0])).size).toBe(1);
  });
});
