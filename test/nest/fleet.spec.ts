import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Catch,
  ConflictException,
  Controller,
  Get,
  HttpException,
  Injectable,
  NotFoundException,
  Param,
  Res,
  Scope,
  UseInterceptors,
  Version,
  VERSION_NEUTRAL,
  VersioningType,
  type ArgumentsHost,
  type ExceptionFilter,
  type ModuleMetadata,
} from '@nestjs/common';
import { APP_FILTER, HttpAdapterHost } from '@nestjs/core';
import {
  FlightSignal,
  SingleFlight,
  SingleFlightInterceptor,
  SingleFlightModule,
  singleFlightOf,
  SingleFlightService,
  SingleFlightShare,
  type FleetOptions,
} from 'nestjs-singleflight';
import { EngineTimeoutError, EngineUnavailableError, MemoryEngine, MemoryHub } from 'nestjs-singleflight/fleet';
import { chaosEngine, held, type Held } from 'nestjs-singleflight/testing';
import { lastValueFrom, Observable, of } from 'rxjs';
import { outageReason } from '../../lib/fleet/errors.js';
import { closeApps, PLATFORMS, startApp, type Platform } from './support/apps.js';
import { rejection, until } from './support/work.js';
import { closeServers, TestServer, type Reply } from './interceptor/support/server.js';

let load: Held<unknown> = held();

@Injectable()
class Products {
  @SingleFlight((id: number) => id, { fleet: 'catalog.product' })
  async find(id: number): Promise<unknown> {
    await Promise.resolve(id);
    return load();
  }

  @SingleFlight((id: number) => id, { fleet: 'catalog.stock' })
  stock(id: number): Observable<string> {
    void load();
    return of(`stock of ${id}`);
  }
}

/** Apps that stand for processes: each has an engine of its own, on one hub. */
function fleet(options: Partial<FleetOptions> = {}): (metadata?: ModuleMetadata) => ModuleMetadata {
  const hub = new MemoryHub();
  load = held();
  return ({ imports = [], ...metadata } = {}) => ({
    ...metadata,
    imports: [
      SingleFlightModule.forRoot({ fleet: { app: 'shop', engine: new MemoryEngine(hub), ...options } }),
      ...imports,
    ],
  });
}

async function two(options?: Partial<FleetOptions>): Promise<[SingleFlightService, SingleFlightService]> {
  const app = fleet(options);
  const [here, there] = [await startApp(app()), await startApp(app())];
  return [here.app.get(SingleFlightService), there.app.get(SingleFlightService)];
}

afterEach(async () => {
  await closeApps();
  await closeServers();
});

describe('A service of an app that has a fleet', () => {
  it('runs a named flight once for all processes, with run, do, doChan and wrap', async () => {
    const [here, there] = await two();
    const named = { fleet: 'catalog.product' };
    const wrapped = there.wrap(
      async (id: number) => ({ id, ...(await (load as Held<object>)()) }),
      (id) => id,
      named,
    );
    const answers = [
      here.run(42, load, named),
      there.run(42, load, named),
      here.do(42, load, named).then(({ value }) => value),
      lastValueFrom(there.doChan(42, load, named)).then((result) => result.ok && result.value),
      wrapped(42),
    ];
    await until(() => load.waiting === 1);
    load.release({ name: 'a lamp' });
    expect(await Promise.all(answers)).toEqual(Array(5).fill({ name: 'a lamp' }));
    expect(load.calls).toBe(1);
  });

  it('tells with do and doChan who ran the function: nobody of a process that was answered by another', async () => {
    const [here, there] = await two();
    const named = { fleet: 'catalog.product' };
    for (const end of ['release', 'fail'] as const) {
      const leading = here.doChan(42, load, named);
      await until(() => load.waiting === 1);
      const following = [there.doChan(42, load, named), there.doChan(42, load, named)];
      const succeeding = there.do(42, load, named).catch(() => undefined);
      await until(() => there.inFlight()[0]?.callers === 3);
      load[end](new RangeError('a lamp'));
      const results = await Promise.all([leading, ...following].map((one) => lastValueFrom(one)));
      expect(results.map(({ ok, role, shared }) => [ok, role, shared])).toEqual([
        [end === 'release', 'leader', false],
        [end === 'release', 'follower', true],
        [end === 'release', 'follower', true],
      ]);
      if (end === 'release') expect(await succeeding).toMatchObject({ role: 'follower', shared: true });
    }
    expect(load.calls).toBe(2);
  });

  it('does not share what has no name, another name, or no key, nor what is bypassed', async () => {
    const [here, there] = await two();
    const calls = [
      here.run(42, load),
      there.run(42, load),
      here.run(42, load, { fleet: 'one' }),
      there.run(42, load, { fleet: 'other' }),
      here.run(undefined, load, { fleet: 'one' }),
      there.run(42, load, { fleet: undefined }),
    ];
    there.enabled = false;
    calls.push(there.run(42, load, { fleet: 'one' }));
    await until(() => load.waiting === 6);
    for (let index = 0; index < 6; index++) load.release(index);
    await Promise.all(calls);
    // The last but one joined the second.
    expect(load.calls).toBe(6);
  });

  it('hands a function the fence of its flight and a signal', async () => {
    const [here] = await two();
    const seen = await here.run(42, ({ key, fence, signal }) => [key, typeof fence, signal.aborted], { fleet: 'one' });
    expect(seen).toEqual(['#42', 'bigint', false]);
  });

  it("brings Nest's exceptions to other processes as themselves", async () => {
    const [here, there] = await two();
    class OutOfStock extends ConflictException {}
    for (const error of [new NotFoundException({ id: 42 }, { cause: new Error('no row') }), new OutOfStock('sold')]) {
      const calls = [here, there].map((service) => rejection(service.run(error.message, load, { fleet: 'one' })));
      await until(() => load.waiting === 1);
      load.fail(error);
      const errors = await Promise.all(calls);
      const far = errors.find((one) => one !== error) as NotFoundException;
      expect(far).toBeInstanceOf(error instanceof OutOfStock ? ConflictException : NotFoundException);
      expect([far.getStatus(), far.getResponse()]).toEqual([error.getStatus(), error.getResponse()]);
      if (error.cause !== undefined) expect(far.cause).toEqual(new Error('no row'));
    }
    expect(load.calls).toBe(2);
  });

  it('forgets in every process before it resolves', async () => {
    const [here, there] = await two();
    const named = { fleet: 'one' } as const;
    const before = [here.run(42, load, named), there.run(42, load, named)];
    await until(() => load.waiting === 1);
    expect(await there.forget(42, named)).toBe(true);
    const after = [here.run(42, load, named), there.run(42, load, named)];
    await until(() => load.waiting === 2);
    load.release('old');
    load.release('new');
    expect([await Promise.all(before), await Promise.all(after)]).toEqual([
      ['old', 'old'],
      ['new', 'new'],
    ]);
    expect(await here.forget(43, named)).toBe(false);
  });

  it('lets a result linger for all processes, and a caller have a copy of its own', async () => {
    const [here, there] = await two();
    const named = { fleet: 'one', lingerMs: 60_000 };
    const first = here.run(42, load, named);
    await until(() => load.waiting === 1);
    load.release({ name: 'a lamp' });
    await first;
    await until(() => here.inFlight().length === 0);
    expect(await there.run(42, load, named)).toEqual({ name: 'a lamp' });
    expect(load.calls).toBe(1);
  });

  it('tells whether its engine answers', async () => {
    const [here] = await two();
    expect(here.fleetHealth()).toEqual({ engine: 'memory', up: true });
    const { app } = await startApp({ imports: [SingleFlightModule.forRoot()] });
    expect(app.get(SingleFlightService).fleetHealth()).toBeUndefined();
  });

  it('publishes what is under way when its app shuts down within the grace', async () => {
    const app = fleet();
    const [here, there] = [await startApp(app()), await startApp(app())];
    const [led, followed] = [here, there].map((one) =>
      one.app.get(SingleFlightService).run(42, load, { fleet: 'one' }),
    );
    await until(() => load.waiting === 1);
    const closed = here.app.close();
    load.release('a lamp');
    expect(await Promise.all([led, followed])).toEqual(['a lamp', 'a lamp']);
    await closed;
    expect(load.calls).toBe(1);
  });
});

describe('A decorated method with a name in the fleet', () => {
  it('runs once for all processes, whether it returns a Promise or an Observable', async () => {
    const app = fleet();
    const started = [await startApp(app({ providers: [Products] })), await startApp(app({ providers: [Products] }))];
    const products = started.map((one) => one.app.get(Products));
    const found = products.flatMap((one) => [one.find(42), one.find(42)]);
    await until(() => load.waiting === 1);
    load.release('a lamp');
    expect(await Promise.all(found)).toEqual(Array(4).fill('a lamp'));
    expect(load.calls).toBe(1);
    const stocks = await Promise.all(products.map((one) => lastValueFrom(one.stock(42))));
    expect(stocks).toEqual(['stock of 42', 'stock of 42']);
  });

  it('is forgotten everywhere', async () => {
    const app = fleet();
    const started = [await startApp(app({ providers: [Products] })), await startApp(app({ providers: [Products] }))];
    const [here, there] = started.map((one) => one.app.get(Products)) as [Products, Products];
    const before = [here.find(42), there.find(42)];
    await until(() => load.waiting === 1);
    expect(await singleFlightOf(here, 'find').forgetEverywhere(42)).toBe(true);
    const after = there.find(42);
    await until(() => load.waiting === 2);
    load.release('old');
    load.release('new');
    expect([...(await Promise.all(before)), await after]).toEqual(['old', 'old', 'new']);
    const again = here.find(43);
    await until(() => load.waiting === 1);
    expect(singleFlightOf(here, 'find').forget(43)).toBe(true);
    expect(singleFlightOf(here, 'find').inFlight()).toEqual([expect.objectContaining({ adrift: true })]);
    load.release('a chair');
    expect(await again).toBe('a chair');
  });

  it('has flights of its own where Nest did not make the instance', async () => {
    fleet();
    const products = new Products();
    const both = [products.find(42), products.find(42)];
    await until(() => load.waiting === 1);
    load.release('a lamp');
    expect(await Promise.all(both)).toEqual(['a lamp', 'a lamp']);
  });
});

describe.each(PLATFORMS)('A route with a name in the fleet, on %s', (platform: Platform) => {
  @Controller('products')
  @UseInterceptors(SingleFlightInterceptor)
  class Pages {
    @Get('gone/:id')
    @SingleFlightShare('public', { fleet: 'pages.gone' })
    async gone(@Param('id') id: string): Promise<void> {
      await load();
      throw new NotFoundException(`no product ${id}`);
    }

    @Get(':id')
    @SingleFlightShare('public', { fleet: 'pages.product', vary: ['accept-language'] })
    async find(
      @Param('id') id: string,
      @FlightSignal() signal: AbortSignal,
      @Res({ passthrough: true })
      response: { header(name: string, value: string): unknown; status(code: number): unknown },
    ): Promise<unknown> {
      response.header('X-Made-By', 'the leader');
      response.status(203);
      return { id, name: await load(), stopped: signal.aborted };
    }
  }

  /** Three requests to each of two processes, all of which wait for one handler. */
  async function ask(path: string): Promise<{ replies: Promise<Reply[]> }> {
    const app = fleet();
    const metadata = { controllers: [Pages], imports: [SingleFlightModule.forFeature('http')] };
    const servers = [await TestServer.start(platform, app(metadata)), await TestServer.start(platform, app(metadata))];
    const asked = { path, headers: { Host: 'shop.example' } };
    const replies = Promise.all(servers.flatMap((server) => [1, 2, 3].map(() => server.send(asked))));
    const waiting = (server: TestServer): number => server.flights.inFlight()[0]?.callers ?? 0;
    await until(() => load.waiting === 1 && servers.every((server) => waiting(server) === 3));
    return { replies };
  }

  it('runs its handler once for the requests of all processes, and replays status and headers', async () => {
    const { replies } = await ask('/products/42');
    load.release('a lamp');
    for (const reply of await replies) {
      expect([reply.status, reply.headers['x-made-by'], JSON.parse(reply.body)]).toEqual([
        203,
        'the leader',
        { id: '42', name: 'a lamp', stopped: false },
      ]);
    }
    expect(load.calls).toBe(1);
  });

  it.each([
    ['goDown', EngineUnavailableError],
    ['hang', EngineTimeoutError],
  ] as const)('answers 503 where flights fail because the engine is down (%s)', async (fault, type) => {
    const causes: unknown[] = [];
    @Catch(HttpException)
    class Log implements ExceptionFilter {
      catch(exception: HttpException, host: ArgumentsHost): void {
        causes.push(exception.cause);
        const { httpAdapter } = server.app.get(HttpAdapterHost);
        httpAdapter.reply(host.getArgByIndex(1), exception.getResponse(), exception.getStatus());
      }
    }
    const engine = chaosEngine(new MemoryEngine(new MemoryHub()));
    const options = { engine, whenDown: 'fail', degradeAfterMs: 20, operationTimeoutMs: 20 } as const;
    const metadata = { controllers: [Pages], providers: [{ provide: APP_FILTER, useClass: Log }] };
    const server: TestServer = await TestServer.start(platform, fleet(options)(metadata));
    engine.controls[fault]();
    const reply = await server.send({ path: '/products/42' });
    expect([reply.status, reply.headers['retry-after'], reply.body]).toEqual([
      503,
      '1',
      '{"message":"Service Unavailable","statusCode":503}',
    ]);
    expect(causes).toEqual([expect.any(type)]);
    expect(load.calls).toBe(0);
    engine.controls.comeBack();
  });

  it('gives all of them the exception', async () => {
    const { replies } = await ask('/products/gone/42');
    load.release(undefined);
    for (const reply of await replies) {
      expect([reply.status, JSON.parse(reply.body)]).toMatchObject([404, { message: 'no product 42' }]);
    }
    expect(load.calls).toBe(1);
  });
});

it('Routes of one name and address that a header tells apart never meet', async () => {
  @Controller('pages')
  @UseInterceptors(SingleFlightInterceptor)
  @SingleFlightShare('public', { fleet: 'pages', vary: [] })
  class Versions {
    @Get()
    @Version('1')
    async first(): Promise<unknown> {
      return `1: ${String(await load())}`;
    }

    @Get()
    @Version(['2', VERSION_NEUTRAL])
    async second(): Promise<unknown> {
      return `2: ${String(await load())}`;
    }
  }
  const server = await TestServer.start('Express', {
    ...fleet()({ controllers: [Versions] }),
    setup: (app) => app.enableVersioning({ type: VersioningType.HEADER, header: 'X-Version' }),
  });
  const replies = Promise.all(
    ['1', '1', '2'].map((version) => server.send({ path: '/pages', headers: { 'X-Version': version } })),
  );
  await until(() => load.waiting === 2);
  for (let run = 0; run < 2; run++) load.release('a lamp');
  expect((await replies).map(({ body }) => body)).toEqual(['1: a lamp', '1: a lamp', '2: a lamp']);
});

describe('A name in the fleet is refused', () => {
  it('where the app has no fleet', async () => {
    const { app } = await startApp({ imports: [SingleFlightModule.forRoot()] });
    const service = app.get(SingleFlightService);
    const message =
      "A call of the group 'default' names the flight 'one' of a fleet, and the app has none. " +
      'Give SingleFlightModule.forRoot({ fleet: { app, engine } }), or leave the name out. [ERR_SINGLEFLIGHT_INVALID_OPTION]';
    await expect(service.run(42, load, { fleet: 'one' })).rejects.toThrow(message);
    expect(() => service.wrap(load, () => 1, { fleet: 'one' })).toThrow(/wrap of the group 'default' names the flight/);
    expect(() => service.forget(42, { fleet: 'one' })).toThrow(/forget of the group 'default' names the flight/);
    await expect(startApp({ imports: [SingleFlightModule.forRoot()], providers: [Products] })).rejects.toThrow(
      /^@SingleFlight on Products\.find names the flight 'catalog\.product' of a fleet, and the app has none\./,
    );
  });

  it('on what is made per request, with doMany, and where headers would tell clients apart', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {
      @SingleFlight(() => 1, { fleet: 'one' })
      async find(): Promise<number> {
        return Promise.resolve(1);
      }
    }
    await expect(startApp(fleet()({ providers: [PerRequest] }))).rejects.toThrow(
      "PerRequest is made per request, and fleet: 'one' of its find() would share one request's answer with another.",
    );
    const [here] = await two();
    const options = { fleet: 'one' } as object;
    await expect(here.doMany([1], () => new Map(), options)).rejects.toThrow(/there is no option `fleet`/);
    expect(() => SingleFlightShare('client', { fleet: 'one' })).toThrow(/these do not leave the process/);
    await expect(here.run(1, () => 1, { fleet: '' })).rejects.toThrow(
      /^A call of the group 'default': `fleet` is the string ""/,
    );
  });

  it('where two decorated methods of one app have it, which would get the results of each other', async () => {
    class Shelves {
      @SingleFlight((id: number) => id, { fleet: 'catalog.product' })
      async load(id: number): Promise<number> {
        return Promise.resolve(id);
      }
    }
    await expect(startApp(fleet()({ providers: [Products, Shelves] }))).rejects.toThrow(
      "@SingleFlight on Products.find and on Shelves.load names the same flight 'catalog.product' of the fleet, so that " +
        "one would get the other's results. A name in the fleet stands for one function: give one of them another.",
    );
    class Copied {
      @SingleFlight(() => 1, { fleet: 'one' })
      async find(): Promise<number> {
        return Promise.resolve(1);
      }

      @SingleFlight(() => 1, { fleet: 'one' })
      async count(): Promise<number> {
        return Promise.resolve(2);
      }
    }
    await expect(startApp(fleet()({ controllers: [Copied] }))).rejects.toThrow(/Copied\.find and on Copied\.count/);
    class Overridden extends Products {
      @SingleFlight((id: number) => id, { fleet: 'catalog.product' })
      override async find(id: number): Promise<unknown> {
        return Promise.resolve(id + 1);
      }
    }
    await expect(startApp(fleet()({ providers: [Products, Overridden] }))).rejects.toThrow(
      /Products\.find and on Over/,
    );
  });

  it('not where two classes inherit the method, a class is provided twice, or another app has it too', async () => {
    class Books extends Products {}
    class Lamps extends Products {}
    const metadata = { providers: [Products, Books, Lamps, { provide: 'again', useClass: Products }] };
    const app = fleet();
    const started = [await startApp(app(metadata)), await startApp(app(metadata))];
    const found = started.map((one) => one.app.get<Products>('again').find(42));
    await until(() => load.waiting === 1);
    load.release('a lamp');
    expect(await Promise.all(found)).toEqual(['a lamp', 'a lamp']);
  });

  it('where its options are wrong, when the app starts', async () => {
    const options = { app: 'shop', engine: new MemoryEngine(new MemoryHub()), lease: 1 } as FleetOptions;
    await expect(startApp({ imports: [SingleFlightModule.forRoot({ fleet: options })] })).rejects.toThrow(
      /^forRoot\(\{ fleet \}\): there is no option `lease`/,
    );
  });
});

describe('An engine that is down', () => {
  it.each<[string, unknown, string]>([
    ['what it failed with', new EngineUnavailableError('redis', { cause: new Error('WRONGPASS') }), 'WRONGPASS'],
    [
      'the code of what has no message',
      new EngineUnavailableError('redis', { cause: Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }) }),
      'ECONNREFUSED',
    ],
    ['what is no error', new EngineUnavailableError('redis', { cause: 'gone' }), 'gone'],
    ['that nothing is known', new EngineUnavailableError('redis'), 'it is not available'],
    ['that it is silent', new EngineTimeoutError('redis', 'join', 500), 'no answer to `join` within 500 ms'],
    ['anything else', new Error('broken'), 'Error: broken'],
  ])('is said to be so because of %s', (_, error, reason) => {
    expect(outageReason(error)).toBe(reason);
  });

  /** An engine that refuses whatever it is asked while it is down. */
  class Failing extends MemoryEngine {
    down = false;
    override get available(): boolean {
      return !this.down;
    }
    override start(...sink: Parameters<MemoryEngine['start']>): Promise<void> {
      return this.down ? Promise.reject(new Error('connection refused')) : super.start(...sink);
    }
  }

  it('lets functions run once per process, and is told in one line', async () => {
    const engine = new Failing(new MemoryHub());
    const { app, logger } = await startApp({
      imports: [SingleFlightModule.forRoot({ fleet: { app: 'shop', engine } })],
    });
    const service = app.get(SingleFlightService);
    engine.down = true;
    const call = (): Promise<string> => service.run(42, () => 'alone', { fleet: 'one' });
    expect([await call(), await call()]).toEqual(['alone', 'alone']);
    expect(service.fleetHealth()).toMatchObject({ engine: 'memory', up: false });
    const lines = (): string[] => [...logger.warnings, ...logger.logged].filter((line) => line.includes('The engine'));
    expect(lines()).toEqual([
      "The engine 'memory' does not answer, and functions run once per process: it is not available",
    ]);
  });

  it('lets an app start that can do without, and keeps one from starting that cannot', async () => {
    const engine = new Failing(new MemoryHub());
    engine.down = true;
    const { app, logger } = await startApp({
      imports: [SingleFlightModule.forRoot({ fleet: { app: 'shop', engine } })],
    });
    expect(await app.get(SingleFlightService).run(42, () => 'alone', { fleet: 'one' })).toBe('alone');
    expect(logger.errors).toEqual([
      'The fleet has not started, and functions run once per process until it does: connection refused',
    ]);
    const strict = { app: 'shop', engine, whenDown: 'fail' } as const;
    await expect(startApp({ imports: [SingleFlightModule.forRoot({ fleet: strict })] })).rejects.toThrow(
      /connection refused|does not answer/,
    );
  });
});
