import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  ForbiddenException,
  Get,
  Injectable,
  Param,
  ParseIntPipe,
  Scope,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
  type PipeTransform,
} from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { SingleFlightInterceptor } from 'nestjs-singleflight';
import { map, retry, tap, type Observable, type RetryConfig } from 'rxjs';
import {
  bodies,
  closeServers,
  hold,
  httpFlights,
  PLATFORMS,
  statuses,
  TestServer,
  times,
  type ServerOptions,
} from './support/server.js';

const requests = new AsyncLocalStorage<string>();

/** What was called, and in whose request's async context. */
let calls: string[] = [];
const countOf = (call: string): number => calls.filter((each) => each.startsWith(call)).length;
const note = (call: string): void => {
  calls.push(`${call} ${requests.getStore() ?? ''}`.trimEnd());
};

class Noting implements NestInterceptor {
  constructor(private readonly name: string) {}

  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    note(`before ${this.name}`);
    return next.handle().pipe(
      tap(() => {
        note(`after ${this.name}`);
      }),
    );
  }
}

/** Puts into the answer in whose context it sees it. */
class Signing implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((value) => `${String(value)} for ${requests.getStore() ?? 'nobody'}`));
  }
}

class NotingGuard implements CanActivate {
  canActivate(): boolean {
    note('guard');
    return true;
  }
}

/** Lets in every second one only. */
class SecondGuard implements CanActivate {
  canActivate(): boolean {
    note('guard');
    if (countOf('guard') % 2 === 1) throw new ForbiddenException();
    return true;
  }
}

class NotingPipe implements PipeTransform<string, string> {
  transform(value: string): string {
    note('pipe');
    return value;
  }
}

@Controller('plain')
class Plain {
  @Get()
  get(): Promise<string> {
    return hold.work('plain');
  }
}

@Controller('guarded')
@UseInterceptors(SingleFlightInterceptor)
class Guarded {
  @Get('noting')
  @UseGuards(NotingGuard)
  noting(): Promise<string> {
    return hold.work('in');
  }

  @Get('every-second')
  @UseGuards(SecondGuard)
  everySecond(): Promise<string> {
    return hold.work('in');
  }
}

@Controller('piped')
@UseInterceptors(SingleFlightInterceptor)
class Piped {
  @Get('int/:id')
  int(@Param('id', NotingPipe, ParseIntPipe) id: number): Promise<number> {
    return hold.work(id * 2);
  }

  @Get('held/:id')
  held(
    @Param('id', { transform: (value: string) => hold.work(value) } satisfies PipeTransform, ParseIntPipe) id: number,
  ): string {
    return `never ${id}`;
  }
}

@Controller('layered')
@UseInterceptors(new Noting('outer'), new Signing(), SingleFlightInterceptor, new Noting('inner'))
class Layered {
  @Get()
  async get(): Promise<string> {
    await hold.work(undefined);
    note('handler');
    return `led by ${requests.getStore() ?? 'nobody'}`;
  }
}

/** Fails the first two times in each burst. */
const failsTwice = async (): Promise<string> => {
  await hold.work(undefined);
  if (hold.runs <= 2) throw new Error(`failure ${hold.runs}`);
  return 'at last';
};

const retrying = (options: RetryConfig): NestInterceptor => ({
  intercept: (_context, next) => next.handle().pipe(retry(options)),
});

@Controller('retried')
class Retried {
  @Get('at-once')
  @UseInterceptors(retrying({ count: 2 }), SingleFlightInterceptor)
  atOnce(): Promise<string> {
    return failsTwice();
  }

  @Get('later')
  @UseInterceptors(retrying({ count: 2, delay: () => Promise.resolve() }), SingleFlightInterceptor)
  later(): Promise<string> {
    return failsTwice();
  }

  @Get('twice')
  @UseInterceptors(SingleFlightInterceptor, retrying({ count: 2 }), SingleFlightInterceptor)
  twice(): Promise<string> {
    return failsTwice();
  }

  @Get('inside')
  @UseInterceptors(SingleFlightInterceptor, retrying({ count: 2 }))
  inside(): Promise<string> {
    return failsTwice();
  }
}

@Injectable({ scope: Scope.REQUEST })
class PerRequest {
  constructor() {
    note('made');
  }
}

@Controller('per-request')
@UseInterceptors(SingleFlightInterceptor)
class PerRequestController {
  constructor(readonly provider: PerRequest) {}

  @Get()
  get(): Promise<string> {
    return hold.work('per request');
  }
}

@Controller('both')
@UseInterceptors(SingleFlightInterceptor)
class Both {
  @Get()
  @UseInterceptors(SingleFlightInterceptor)
  get(): Promise<string> {
    return hold.work('both');
  }

  @Get('alone/:id')
  alone(): Promise<string> {
    return hold.work('both');
  }
}

/** A context for each request, named by its order. */
function withContexts(app: INestApplication): void {
  let count = 0;
  app.use((_request: unknown, _response: unknown, next: () => void) => {
    requests.run(`request ${++count}`, next);
  });
}

const GLOBAL = { provide: APP_INTERCEPTOR, useClass: SingleFlightInterceptor };
const byHand = (app: INestApplication): INestApplication =>
  app.useGlobalInterceptors(new SingleFlightInterceptor(), new SingleFlightInterceptor());

describe.each(PLATFORMS)('Where the interceptor stands, on %s', (platform) => {
  beforeEach(() => {
    calls = [];
  });
  afterEach(closeServers);

  const start = (options: ServerOptions): Promise<TestServer> =>
    TestServer.start(platform, { imports: httpFlights(), ...options });

  it.each<[string, string, ServerOptions]>([
    ['before the app, as APP_INTERCEPTOR', '/plain', { controllers: [Plain], providers: [GLOBAL] }],
    ['before the app, without the module', '/plain', { controllers: [Plain], providers: [GLOBAL], imports: [] }],
    ['before the app twice, by useGlobalInterceptors', '/plain', { controllers: [Plain], setup: byHand }],
    ['on the controller and on the handler', '/both', { controllers: [Both] }],
    ['on both, without the module', '/both', { controllers: [Both], imports: [] }],
    ['before the app and on both', '/both', { controllers: [Both], providers: [GLOBAL] }],
    ['before the app by hand and on both', '/both', { controllers: [Both], providers: [GLOBAL], setup: byHand }],
  ])('%s: one run, and everybody is answered', async (_where, path, options) => {
    const server = await start(options);
    for (let round = 0; round < 2; round++) {
      const burst = await server.burst(...times(5, { path }));
      expect(burst.runs).toBe(1);
      expect(statuses(burst)).toEqual([200, 200, 200, 200, 200]);
    }
  });

  it('counts a request once, however often it stands before it', async () => {
    const server = await start({ controllers: [Both], providers: [GLOBAL] });
    await server.burst(...times(3, { path: '/both' }));
    expect(server.stats()).toMatchObject({ flights: 1, callers: 3, followers: 2, bypassed: 0 });
    await server.burst(...times(3, { path: '/both/alone/1', headers: { Range: 'bytes=0-1' } }));
    expect(server.stats()).toMatchObject({ flights: 1, callers: 3, followers: 2, bypassed: 3 });
  });

  it('runs what stands outside for every request, in its own async context, and what stands inside once', async () => {
    const server = await start({ controllers: [Layered], setup: withContexts });
    const burst = await server.burst(...times(3, { path: '/layered' }));
    const all = ['request 1', 'request 2', 'request 3'];
    const withEach = (call: string): string[] => all.map((request) => `${call} ${request}`);
    const of = (call: string): string[] => calls.filter((each) => each.startsWith(call)).sort();
    expect(of('before outer')).toEqual(withEach('before outer'));
    expect(of('after outer')).toEqual(withEach('after outer'));
    const leader = of('handler')[0]!.slice('handler '.length);
    expect([...of('before inner'), ...of('handler'), ...of('after inner')]).toEqual([
      `before inner ${leader}`,
      `handler ${leader}`,
      `after inner ${leader}`,
    ]);
    expect([...bodies(burst)].sort()).toEqual(all.map((request) => `led by ${leader} for ${request}`));
  });

  it('runs guards for every request', async () => {
    const server = await start({ controllers: [Guarded] });
    const burst = await server.burst(...times(4, { path: '/guarded/noting' }));
    expect([countOf('guard'), burst.runs]).toEqual([4, 1]);
  });

  it('answers nobody whom a guard has turned away, even beside an identical request', async () => {
    const server = await start({ controllers: [Guarded] });
    const burst = await server.burst(...times(6, { path: '/guarded/every-second' }));
    expect([countOf('guard'), burst.runs]).toEqual([6, 1]);
    expect([...statuses(burst)].sort()).toEqual([200, 200, 200, 403, 403, 403]);
  });

  it('runs pipes once', async () => {
    const server = await start({ controllers: [Piped] });
    const burst = await server.burst(...times(4, { path: '/piped/int/21' }));
    expect([countOf('pipe'), burst.runs]).toEqual([1, 1]);
    expect(bodies(burst)).toEqual(['42', '42', '42', '42']);
  });

  it("answers a pipe's error to everybody", async () => {
    const server = await start({ controllers: [Piped] });
    const burst = await server.burst(...times(4, { path: '/piped/held/lamp' }));
    expect(burst.runs).toBe(1);
    expect(statuses(burst)).toEqual([400, 400, 400, 400]);
    expect(new Set(bodies(burst)).size).toBe(1);
    expect(bodies(burst)[0]).toContain('numeric string is expected');
  });

  it.each(['at-once', 'later', 'twice', 'inside'])('an interceptor that retries works: %s', async (how) => {
    const server = await start({ controllers: [Retried] });
    const burst = await server.burst(...times(4, { path: `/retried/${how}` }));
    expect(bodies(burst)).toEqual(['at last', 'at last', 'at last', 'at last']);
    expect(burst.runs).toBe(3);
  });

  it('merges what a controller made per request answers', async () => {
    const server = await start({ controllers: [PerRequestController], providers: [PerRequest] });
    const burst = await server.burst(...times(3, { path: '/per-request' }));
    expect([countOf('made'), burst.runs]).toEqual([3, 1]);
    expect(bodies(burst)).toEqual(['per request', 'per request', 'per request']);
  });
});
