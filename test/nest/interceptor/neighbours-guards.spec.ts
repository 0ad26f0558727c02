import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Injectable,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';

import { SingleFlightInterceptor, SingleFlightShare } from 'nestjs-singleflight';
import { ClsModule, ClsService, ThrottlerGuard, ThrottlerModule } from './support/common-js.js';
import { from, map, mergeMap, type Observable } from 'rxjs';
import { bodies, closeServers, hold, httpFlights, PLATFORMS, statuses, TestServer, times } from './support/server.js';

@Controller('throttled')
@UseGuards(ThrottlerGuard)
@UseInterceptors(SingleFlightInterceptor)
@SingleFlightShare('public')
class Throttled {
  @Get()
  get(): Promise<string> {
    return hold.work('let in');
  }
}

describe.each(PLATFORMS)('The interceptor with @nestjs/throttler, on %s', (platform) => {
  let server: TestServer;

  beforeEach(async () => {
    server = await TestServer.start(platform, {
      imports: [...httpFlights(), ThrottlerModule.forRoot([{ ttl: 60_000, limit: 3 }])],
      controllers: [Throttled],
    });
  });
  afterEach(closeServers);

  it('every request is counted, and one that is refused never joins', async () => {
    const burst = await server.burst(...times(5, { path: '/throttled' }));
    expect(burst.runs).toBe(1);
    expect(statuses(burst).sort()).toEqual([200, 200, 200, 429, 429]);
    expect(server.stats()).toMatchObject({ flights: 1, callers: 3, followers: 2, bypassed: 0, left: 0 });
    const next = await server.burst(...times(2, { path: '/throttled' }));
    expect(statuses(next)).toEqual([429, 429]);
    expect(next.runs).toBe(0);
    expect(server.stats().callers).toBe(3);
  });

  it('each client gets its own X-RateLimit headers, or its own Retry-After', async () => {
    const { replies } = await server.burst(...times(4, { path: '/throttled' }));
    const remaining = replies.map(({ headers }) => String(headers['x-ratelimit-remaining']));
    expect(remaining.sort()).toEqual(['0', '1', '2', 'undefined']);
    const retry = replies.filter(({ headers }) => headers['retry-after'] !== undefined);
    expect(retry.map(({ status }) => status)).toEqual([429]);
  });
});

/** Writes whose context it is in, once the handler has answered: at once, and after an await. */
@Injectable()
class Naming implements NestInterceptor {
  constructor(private readonly cls: ClsService) {}

  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(
      map((value) => ({ value: String(value), at: this.cls.get<string>('client') })),
      mergeMap((value) => from(Promise.resolve(value))),
      map((value) => ({ ...value, later: this.cls.get<string>('client'), id: this.cls.getId() })),
    );
  }
}

@Controller('cls')
@SingleFlightShare('public')
class Contextual {
  constructor(private readonly cls: ClsService) {}

  @Get('outside')
  @UseInterceptors(Naming, SingleFlightInterceptor)
  async outside(): Promise<string> {
    await hold.work(undefined);
    return this.cls.get<string>('client');
  }

  @Get('inside')
  @UseInterceptors(SingleFlightInterceptor, Naming)
  async inside(): Promise<string> {
    await hold.work(undefined);
    return this.cls.get<string>('client');
  }

  @Get('write')
  @UseInterceptors(Naming, SingleFlightInterceptor)
  async write(): Promise<string> {
    const own = this.cls.get<string>('client');
    this.cls.set('client', `${own}, written by the handler`);
    return hold.work(own);
  }
}

interface Named {
  readonly value: string;
  readonly at: string;
  readonly later: string;
  readonly id: string;
}

describe.each(PLATFORMS)('The interceptor with nestjs-cls, on %s', (platform) => {
  const NAMES = ['anna', 'ben', 'cleo', 'dora'];
  let server: TestServer;

  beforeEach(async () => {
    const setup = (cls: ClsService, request: { headers: Record<string, string> }): void => {
      cls.set('client', request.headers['x-client']);
    };
    const middleware: object = { mount: true, generateId: true, setup };
    const options: object = { global: true, middleware };
    server = await TestServer.start(platform, {
      imports: [...httpFlights(), ClsModule.forRoot(options)],
      controllers: [Contextual],
    });
  });
  afterEach(closeServers);

  const burstOf = async (path: string): Promise<{ runs: number; answers: Named[] }> => {
    const burst = await server.burst(...NAMES.map((name) => ({ path, headers: { 'X-Client': name } })));
    return { runs: burst.runs, answers: bodies(burst).map((body) => JSON.parse(body) as Named) };
  };

  it("outside: the handler sees the leader's context, and after it each request is in its own", async () => {
    const { runs, answers } = await burstOf('/cls/outside');
    expect(runs).toBe(1);
    expect(new Set(answers.map(({ value }) => value)).size).toBe(1);
    expect(NAMES).toContain(answers[0]!.value);
    expect(answers.map(({ at }) => at)).toEqual(NAMES);
    expect(answers.map(({ later }) => later)).toEqual(NAMES);
    expect(new Set(answers.map(({ id }) => id)).size).toBe(NAMES.length);
  });

  it("inside: once, in the leader's", async () => {
    const { runs, answers } = await burstOf('/cls/inside');
    expect(runs).toBe(1);
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    const { value, at, later } = answers[0]!;
    expect([at, later]).toEqual([value, value]);
  });

  it('what the handler writes into the context stays with the leader', async () => {
    const { runs, answers } = await burstOf('/cls/write');
    expect(runs).toBe(1);
    const written = answers.filter(({ at }) => at.endsWith('written by the handler'));
    expect(written.map(({ at }) => at)).toEqual([`${answers[0]!.value}, written by the handler`]);
  });
});
