import { afterEach, describe, expect, it } from '@jest/globals';
import {
  ClassSerializerInterceptor,
  Controller,
  Get,
  Module,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { APP_INTERCEPTOR, NestFactory } from '@nestjs/core';
import { ClientProxyFactory, MessagePattern, Transport, type MicroserviceOptions } from '@nestjs/microservices';
import { Exclude } from 'class-transformer';
import {
  FlightSignal,
  getSingleFlightToken,
  SingleFlightInterceptor,
  SingleFlightKey,
  SingleFlightModule,
  SingleFlightShare,
  type SingleFlightService,
} from 'nestjs-singleflight';
import {
  defer,
  firstValueFrom,
  from,
  lastValueFrom,
  map,
  of,
  startWith,
  Subject,
  switchMap,
  take,
  type Observable,
} from 'rxjs';
import { deferred } from '../../support/deferred.js';
import { freePort } from '../../support/redis-server.js';
import { Client, until } from './support/client.js';
import { closeServers, hold, httpFlights, PLATFORMS, TestServer, turn } from './support/server.js';

/** Between the two places where the interceptor stands. */
let between = 0;
let gate = deferred();
const slowly: NestInterceptor = {
  intercept: (_context: ExecutionContext, next: CallHandler) => {
    between++;
    return from(gate.promise).pipe(switchMap(() => next.handle()));
  },
};
const wrapping: NestInterceptor = {
  intercept: (_context: ExecutionContext, next: CallHandler) => next.handle().pipe(map((data: unknown) => ({ data }))),
};

class User {
  name = 'Anna';
  @Exclude() password = 'secret';
}

@Controller()
@SingleFlightShare('public')
class Twice {
  @Get('wrapped')
  @UseInterceptors(slowly, wrapping, SingleFlightInterceptor)
  wrapped(): Promise<string> {
    return hold.work('x');
  }

  @Get('excluded')
  @UseInterceptors(slowly, ClassSerializerInterceptor, SingleFlightInterceptor)
  excluded(): Promise<User> {
    return hold.work(new User());
  }
}

/** Asks for the answer anew, as one that retries after a time limit does. */
const again = new Subject<void>();
const anew: NestInterceptor = {
  intercept: (_context: ExecutionContext, next: CallHandler) =>
    again.pipe(
      startWith(undefined),
      switchMap(() => next.handle()),
      take(1),
    ),
};

let signals: AbortSignal[] = [];

@Controller()
@SingleFlightShare('public')
@UseInterceptors(anew, SingleFlightInterceptor)
class Retried {
  @Get('stopped')
  stopped(@FlightSignal() signal: AbortSignal): Promise<string> {
    signals.push(signal);
    return hold.work('in time');
  }
}

describe.each(PLATFORMS)('The interceptor before the app and before the handler, on %s', (platform) => {
  afterEach(async () => {
    hold.open();
    await closeServers();
  });

  it.each([
    ['what a wrapping one makes of it', '/wrapped', '200 {"data":"x"}'],
    ['what is left without what is excluded', '/excluded', '200 {"name":"Anna"}'],
  ])('gives each request %s, also when it is switched on in between', async (_, path, answer) => {
    between = 0;
    gate = deferred();
    hold.shut();
    const server = await TestServer.start(platform, {
      imports: httpFlights(),
      controllers: [Twice],
      providers: [{ provide: APP_INTERCEPTOR, useClass: SingleFlightInterceptor }],
    });
    server.flights.enabled = false;
    const before = new Client(server.port, path);
    await until(() => between === 1);
    server.flights.enabled = true;
    gate.resolve();
    await until(() => hold.runs === 1);
    const after = new Client(server.port, path);
    await until(() => hold.runs === 2);
    hold.open();
    expect([await before.answer, await after.answer]).toEqual([answer, answer]);
    expect(server.stats()).toMatchObject({ bypassed: 1, flights: 1, followers: 0 });
  });

  it('gives each request what is left without what is excluded, also when the flight around it has timed out', async () => {
    between = 0;
    gate = deferred();
    hold.shut();
    const server = await TestServer.start(platform, {
      imports: [SingleFlightModule.forRoot(), SingleFlightModule.forFeature({ name: 'http', flightTimeoutMs: 50 })],
      controllers: [Twice],
      providers: [{ provide: APP_INTERCEPTOR, useClass: SingleFlightInterceptor }],
    });
    const late = new Client(server.port, '/excluded');
    await until(() => between === 1);
    await expect(late.answer).resolves.toMatch(/^504/);
    gate.resolve();
    await until(() => hold.runs === 1);
    const entered = server.entered;
    const next = new Client(server.port, '/excluded');
    await until(() => server.entered > entered);
    await turn();
    hold.open();
    await expect(next.answer).resolves.toBe('200 {"name":"Anna"}');
  });

  it('lets a request that is tried again board anew, where its flight is being stopped', async () => {
    signals = [];
    hold.shut();
    const server = await TestServer.start(platform, { imports: httpFlights(), controllers: [Retried] });
    const client = new Client(server.port, '/stopped');
    await until(() => hold.runs === 1);
    again.next();
    await until(() => hold.runs === 2);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(server.stats()).toMatchObject({ flights: 2, left: 1, bypassed: 0 });
    hold.open();
    await expect(client.answer).resolves.toBe('200 in time');
  });
});

@Controller()
@UseInterceptors(SingleFlightInterceptor)
class Messages {
  @MessagePattern('keyed')
  @SingleFlightKey(() => 'one')
  keyed(): Promise<string> {
    return hold.work('answered');
  }
}

/** Of one message. */
function contextOf(): ExecutionContext {
  return {
    getType: () => 'rpc',
    getClass: () => Messages,
    getHandler: () => Object.getOwnPropertyDescriptor(Messages.prototype, 'keyed')?.value as object,
    getArgByIndex: () => undefined,
    switchToRpc: () => ({ getContext: () => ({}) }),
  } as unknown as ExecutionContext;
}

describe('The interceptor before a microservice and before the handler', () => {
  it('lets a message through a flight once, and those who follow too', async () => {
    hold.shut();
    @Module({
      imports: [SingleFlightModule.forRoot(), SingleFlightModule.forFeature('http')],
      controllers: [Messages],
      providers: [{ provide: APP_INTERCEPTOR, useClass: SingleFlightInterceptor }],
    })
    class AppModule {}
    const options = { transport: Transport.TCP, options: { host: '127.0.0.1', port: await freePort() } } as const;
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest means the shape of the class
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(AppModule, options);
    app.useLogger(false);
    await app.listen();
    const client = ClientProxyFactory.create(options);
    const flights = app.get<SingleFlightService>(getSingleFlightToken('http'));
    const answers = Promise.all([0, 1, 2].map(() => firstValueFrom(client.send('keyed', {}))));
    await until(() => flights.stats().callers === 3);
    hold.open();
    await expect(answers).resolves.toEqual(['answered', 'answered', 'answered']);
    expect(hold.runs).toBe(1);
    await expect(firstValueFrom(client.send('keyed', {}))).resolves.toBe('answered');
    expect(flights.stats()).toMatchObject({ flights: 2, callers: 4, active: 0 });
    client.close();
    await app.close();
  });

  it('gives each call what one in between makes of it, also where its caller has left', async () => {
    const interceptor = new SingleFlightInterceptor();
    const answered = deferred();
    const inBetween = deferred();
    const handle = (): Observable<string> => from(answered.promise).pipe(map(() => 'secret'));
    const call = (): Observable<unknown> => {
      const context = contextOf();
      const stripped = async (): Promise<string> => {
        await inBetween.promise;
        await lastValueFrom(interceptor.intercept(context, { handle }));
        return 'stripped';
      };
      return interceptor.intercept(context, { handle: () => defer(stripped) });
    };
    const gone = call().subscribe({ error: () => undefined });
    await turn();
    gone.unsubscribe();
    await turn();
    inBetween.resolve();
    await turn();
    const next = firstValueFrom(call());
    await turn();
    answered.resolve();
    await expect(next).resolves.toBe('stripped');
  });

  it('lets a call that is tried again through', async () => {
    const interceptor = new SingleFlightInterceptor();
    const context = contextOf();
    const pass = (handle: () => Observable<unknown>): Observable<unknown> =>
      defer(() => interceptor.intercept(context, { handle }));
    await expect(firstValueFrom(pass(() => pass(() => of('answered'))))).resolves.toBe('answered');
    await expect(firstValueFrom(pass(() => pass(() => of('again'))))).resolves.toBe('again');
    await expect(
      firstValueFrom(
        pass(() => {
          throw new Error('at once');
        }),
      ),
    ).rejects.toThrow('at once');
    await expect(firstValueFrom(pass(() => of('after that')))).resolves.toBe('after that');
  });
});
