import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Param,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import {
  currentFlight,
  FlightSignal,
  NoCurrentFlightError,
  SingleFlight,
  SingleFlightInterceptor,
  SingleFlightShare,
  SkipSingleFlight,
  type Flight,
} from 'nestjs-singleflight';
import { startWith, Subject, switchMap, take } from 'rxjs';
import { Client, until } from './support/client.js';
import { closeServers, hold, httpFlights, PLATFORMS, TestServer } from './support/server.js';

/** What handlers and methods saw, in their order. */
let seen: unknown[] = [];
const ask = (): Flight | string => {
  try {
    return currentFlight();
  } catch (error) {
    return (error as Error).name;
  }
};

class Rates {
  @SingleFlight((id: string) => id)
  async load(id: string): Promise<string> {
    seen.push(ask());
    await hold.work(id);
    seen.push(ask());
    return id;
  }
}

/** Asks for the answer anew, as one that retries after a time limit does. */
const again = new Subject<void>();
const anew: NestInterceptor = {
  intercept: (context: ExecutionContext, next: CallHandler) =>
    context.getHandler().name === 'again'
      ? again.pipe(
          startWith(undefined),
          switchMap(() => next.handle()),
          take(1),
        )
      : next.handle(),
};

@Controller('current')
@UseInterceptors(SingleFlightInterceptor)
@SingleFlightShare('public')
class Current {
  private readonly rates = new Rates();

  @Get('one/:id')
  async one(@Param('id') id: string): Promise<string> {
    seen.push(ask());
    await hold.work(id);
    seen.push(ask());
    return id;
  }

  @Get('signalled/:id')
  signalled(@Param('id') id: string): Promise<string> {
    seen.push(currentFlight().signal);
    return hold.work(id);
  }

  @Get('again/:id')
  async again(@Param('id') id: string, @FlightSignal() signal: AbortSignal): Promise<string> {
    expect(currentFlight().signal).toBe(signal);
    seen.push(signal);
    await hold.work(id);
    seen.push(currentFlight().signal);
    return id;
  }

  @Get('alone/:id')
  @SkipSingleFlight()
  alone(@Param('id') id: string): Promise<string> {
    seen.push(ask(), currentFlight().signal);
    return hold.work(id);
  }

  @Get('nested/:id')
  async nested(@Param('id') id: string): Promise<string> {
    const value = await this.rates.load(id);
    seen.push(ask());
    return value;
  }
}

beforeEach(() => {
  seen = [];
  hold.shut();
});

describe.each(PLATFORMS)('currentFlight() in a handler, on %s', (platform) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start(platform, {
      imports: httpFlights({ http: { currentFlight: true } }),
      controllers: [Current],
      setup: (app) => app.useGlobalInterceptors(anew),
    });
  });
  afterAll(closeServers);

  async function aboard(path: string, count: number): Promise<Client[]> {
    const clients = Array.from({ length: count }, () => new Client(server.port, `/current/${path}`));
    await until(() => server.flights.inFlight().at(-1)?.callers === count);
    return clients;
  }

  it('is that of all its requests, behind pipes and after an await', async () => {
    const clients = await aboard('one/7', 3);
    await until(() => hold.runs === 1);
    hold.open();
    for (const { answer } of clients) await expect(answer).resolves.toBe('200 7');
    const [first, later] = seen as Flight[];
    expect(seen).toHaveLength(2);
    expect(later).toBe(first);
    expect(first?.key).toMatch(/^GET \/current\/one\/7 #/);
  });

  it('aborts its signal when the last client has gone', async () => {
    const clients = await aboard('signalled/7', 2);
    await until(() => seen.length === 1);
    const [signal] = seen as AbortSignal[];
    const { left } = server.stats();
    clients[1]?.hangUp();
    await until(() => server.stats().left === left + 1);
    expect(signal?.aborted).toBe(false);
    clients[0]?.hangUp();
    await until(() => signal?.aborted === true);
  });

  it('stays its own, also when its request is tried again and leads another', async () => {
    const [client] = await aboard('again/7', 1);
    await until(() => hold.runs === 1);
    again.next();
    await until(() => hold.runs === 2);
    hold.open();
    await expect(client?.answer).resolves.toBe('200 7');
    await until(() => seen.length === 4);
    const [one, other, oneLater, otherLater] = seen as AbortSignal[];
    expect(one).not.toBe(other);
    expect([oneLater === one, otherLater === other]).toEqual([true, true]);
    expect([one?.aborted, other?.aborted]).toEqual([true, false]);
  });

  it('is one of its own where the request goes alone, and its client ends that', async () => {
    const client = new Client(server.port, '/current/alone/7');
    await until(() => seen.length === 2);
    const [flight, signal] = seen as [Flight, AbortSignal];
    expect(flight.key).toBe('Current.alone');
    client.hangUp();
    await until(() => signal.aborted);
  });

  it('is hidden from a method that has a flight of its own, which ends with its first await', async () => {
    const [client] = await aboard('nested/7', 1);
    await until(() => hold.runs === 1);
    hold.open();
    await expect(client?.answer).resolves.toBe('200 7');
    const [ofMethod, after, ofHandler] = seen as [Flight, string, Flight];
    expect([ofMethod.key, after]).toEqual(['7', 'NoCurrentFlightError']);
    expect(ofHandler.key).toMatch(/^GET \/current\/nested\/7 #/);
  });
});

describe('currentFlight() in a handler, unless it is asked for', () => {
  afterAll(closeServers);

  it('is refused, and the error says how to have it', async () => {
    const server = await TestServer.start('Express', { imports: httpFlights(), controllers: [Current] });
    hold.open();
    await expect(new Client(server.port, '/current/one/7').answer).resolves.toBe('200 7');
    expect(seen).toEqual(['NoCurrentFlightError', 'NoCurrentFlightError']);
    expect(new NoCurrentFlightError().message).toContain('http: { currentFlight: true }');
  });
});
