import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Res,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type ModuleMetadata,
  type NestInterceptor,
} from '@nestjs/common';
import {
  FlightSignal,
  SingleFlightInterceptor,
  SingleFlightModule,
  SingleFlightShare,
  WaitTimeoutError,
} from 'nestjs-singleflight';
import { MemoryEngine, MemoryHub } from 'nestjs-singleflight/fleet';
import { retry, startWith, Subject, switchMap, take } from 'rxjs';
import { deferred } from '../../support/deferred.js';
import { Client, until } from './support/client.js';
import { closeServers, hold, httpFlights, PLATFORMS, TestServer, turn } from './support/server.js';

interface AnyResponse {
  header(name: string, value: string): this;
  status(code: number): this;
}

const retrying: NestInterceptor = {
  intercept: (_context: ExecutionContext, next: CallHandler) => next.handle().pipe(retry(1)),
};

/** Has the first request of a test ask for its answer anew, as one that retries after a time limit does. */
let again = new Subject<void>();
let requests = 0;
const anew: NestInterceptor = {
  intercept: (_context: ExecutionContext, next: CallHandler) =>
    (requests++ > 0
      ? next.handle()
      : again.pipe(
          startWith(undefined),
          switchMap(() => next.handle()),
        )
    ).pipe(take(1)),
};

let signals: AbortSignal[] = [];
let runs = 0;
let second = deferred();

@Controller()
@SingleFlightShare('public')
class Retried {
  @Get('flaky')
  @UseInterceptors(retrying, SingleFlightInterceptor)
  async flaky(@Res({ passthrough: true }) response: AnyResponse): Promise<string> {
    response.status(203).header('cache-control', 'private');
    if (++runs === 1) {
      await hold.work('failed');
      throw new Error('flaky');
    }
    await second.promise;
    return 'ok';
  }

  @Get('busy')
  @UseInterceptors(retrying, SingleFlightInterceptor)
  busy(): never {
    runs++;
    throw new WaitTimeoutError({ group: 'products' }, 5);
  }

  @Get('stopped')
  @UseInterceptors(anew, SingleFlightInterceptor)
  stopped(@FlightSignal() signal: AbortSignal, @Res({ passthrough: true }) response: AnyResponse): Promise<string> {
    signals.push(signal);
    response.header('cache-control', 'private');
    return hold.work('in time');
  }

  @Get('stopping')
  @UseInterceptors(anew, SingleFlightInterceptor)
  stopping(@FlightSignal() signal: AbortSignal): Promise<string> {
    signals.push(signal);
    const stop = deferred<string>();
    signal.addEventListener('abort', () => {
      stop.reject(signal.reason);
    });
    return Promise.race([hold.work('in time'), stop.promise]);
  }
}

@Controller()
class Elsewhere {
  @Get('fleet')
  @SingleFlightShare('public', { fleet: 'retried' })
  @UseInterceptors(anew, SingleFlightInterceptor)
  fleet(@FlightSignal() signal: AbortSignal): Promise<string> {
    signals.push(signal);
    return hold.work('in time');
  }
}

describe.each(PLATFORMS)('A request that is tried again, on %s', (platform) => {
  afterEach(async () => {
    hold.open();
    second.resolve();
    await closeServers();
  });

  async function start(metadata: ModuleMetadata = { imports: httpFlights(), controllers: [Retried] }) {
    again = new Subject();
    requests = 0;
    signals = [];
    runs = 0;
    second = deferred();
    hold.shut();
    return TestServer.start(platform, metadata);
  }

  it('gives its followers what its handler wrote the first time, too', async () => {
    const server = await start();
    const leader = server.send({ path: '/flaky' });
    await until(() => server.stats().callers === 1);
    const follower = server.send({ path: '/flaky' });
    await until(() => server.stats().callers === 2);
    hold.open();
    await until(() => server.stats().callers === 4);
    second.resolve();
    for (const { status, headers, body } of await Promise.all([leader, follower])) {
      expect([status, headers['cache-control'], body]).toEqual([203, 'private', 'ok']);
    }
    expect(runs).toBe(2);
  });

  it('boards anew where its flight is being stopped, and gives its followers all headers', async () => {
    const server = await start();
    const leader = server.send({ path: '/stopped' });
    await until(() => hold.runs === 1);
    again.next();
    await until(() => hold.runs === 2);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    const follower = server.send({ path: '/stopped' });
    await until(() => server.stats().callers === 3);
    hold.open();
    for (const { status, headers, body } of await Promise.all([leader, follower])) {
      expect([status, headers['cache-control'], body]).toEqual([200, 'private', 'in time']);
    }
    expect(hold.runs).toBe(2);
  });

  it('has a signal of its own in the fleet, where the flight is still being offered to others', async () => {
    const engine = new MemoryEngine(new MemoryHub());
    const server = await start({
      imports: [SingleFlightModule.forRoot({ fleet: { app: 'shop', engine } }), SingleFlightModule.forFeature('http')],
      controllers: [Elsewhere],
    });
    const reply = server.send({ path: '/fleet' });
    await until(() => hold.runs === 1);
    again.next();
    await until(() => hold.runs === 2);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    hold.open();
    expect((await reply).body).toBe('in time');
  });

  it('is not stopped with the flight that it has left, which others wait for', async () => {
    const server = await start();
    const one = new Client(server.port, '/stopping');
    await until(() => hold.runs === 1);
    const other = new Client(server.port, '/stopping');
    await until(() => server.stats().callers === 2);
    again.next();
    await until(() => hold.runs === 2);
    other.hangUp();
    await until(() => signals[0]?.aborted === true);
    await turn();
    hold.open();
    await expect(one.answer).resolves.toBe('200 in time');
  });

  it('is told of limits as HTTP tells them, also where it goes alone', async () => {
    const server = await start();
    server.flights.enabled = false;
    const { status, headers } = await server.send({ path: '/busy' });
    expect([status, headers['retry-after'], runs]).toEqual([503, '1', 2]);
  });
});
