import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  Controller,
  Get,
  NotFoundException,
  Res,
  Sse,
  StreamableFile,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type MessageEvent,
  type NestInterceptor,
} from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightModule, SingleFlightShare } from 'nestjs-singleflight';
import { defer, EMPTY, finalize, from, map, of, switchMap, type Observable } from 'rxjs';
import { Client, until } from './support/client.js';
import { closeServers, hold, PLATFORMS, TestServer } from './support/server.js';

interface AnyResponse {
  header(name: string, value: string): this;
  send(body: string): void;
}

/** Requests that an outer interceptor has let in and not seen the end of. */
let pending = 0;
/** The files that handlers have opened. */
let files: Readable[] = [];

class Outer implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    pending++;
    return next.handle().pipe(finalize(() => pending--));
  }
}

/** Inside: what the handler does at once comes late. */
class Late implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return from(hold.work(undefined)).pipe(switchMap(() => next.handle()));
  }
}

const held = (): Observable<undefined> => defer(() => hold.work(undefined));

@Controller('hanging')
@UseInterceptors(Outer, SingleFlightInterceptor)
@SingleFlightShare('public')
class Handlers {
  @Get('plain')
  plain(): string {
    hold.runs++;
    return 'plain';
  }

  @Get('late-plain')
  @UseInterceptors(Late)
  latePlain(): string {
    return 'plain';
  }

  @Get('promise')
  promise(): Promise<string> {
    return hold.work('promised');
  }

  @Get('observable')
  observable(): Observable<string> {
    return held().pipe(switchMap(() => of('first', 'last')));
  }

  @Get('empty')
  empty(): Observable<string> {
    return held().pipe(switchMap(() => EMPTY));
  }

  @Get('by-hand')
  async byHand(@Res() response: AnyResponse): Promise<void> {
    response.send(await hold.work('by hand'));
  }

  @Get('passthrough')
  async passthrough(@Res({ passthrough: true }) response: AnyResponse): Promise<string> {
    response.header('x-before', 'set');
    const value = await hold.work('passed');
    response.header('x-after', 'set');
    return value;
  }

  @Sse('events')
  events(): Observable<MessageEvent> {
    return held().pipe(
      switchMap(() => ['one', 'two']),
      map((data) => ({ data })),
    );
  }

  @Get('file')
  async file(): Promise<StreamableFile> {
    await hold.work(undefined);
    const file = Readable.from([Buffer.from('a file')]);
    files.push(file);
    return new StreamableFile(file);
  }

  @Get('throws')
  throws(): string {
    hold.runs++;
    throw new NotFoundException('thrown');
  }

  @Get('late-throws')
  @UseInterceptors(Late)
  lateThrows(): string {
    throw new NotFoundException('thrown');
  }

  @Get('rejects')
  async rejects(): Promise<string> {
    await hold.work(undefined);
    throw new Error('rejected');
  }

  @Get('never')
  never(): Promise<string> {
    return hold.work('too late');
  }
}

/** By the name of the handler: its answer, and whether one run is for all or each request has its own. */
type Runs = 'one for all' | 'each its own' | 'each its own that stays';

const AT_ONCE: Readonly<Record<string, string>> = {
  plain: '200 plain',
  throws: '404 {"message":"thrown","error":"Not Found","statusCode":404}',
};
const HELD: readonly (readonly [handler: string, answer: string, Runs])[] = [
  ['late-plain', '200 plain', 'one for all'],
  ['promise', '200 promised', 'one for all'],
  ['observable', '200 last', 'one for all'],
  ['empty', '500 {"statusCode":500,"message":"Internal server error"}', 'one for all'],
  ['by-hand', '200 by hand', 'each its own'],
  ['passthrough', '200 passed', 'one for all'],
  ['events', '200 \nid: 1\ndata: one\n\nid: 2\ndata: two\n\n', 'each its own'],
  ['file', '200 a file', 'each its own that stays'],
  ['late-throws', AT_ONCE.throws!, 'one for all'],
  ['rejects', '500 {"statusCode":500,"message":"Internal server error"}', 'one for all'],
  ['never', '504 {"message":"Gateway Timeout","statusCode":504}', 'one for all'],
];
/** Of three clients, by their places: the first one leads. */
const LEAVERS: readonly (readonly [who: string, readonly number[]])[] = [
  ['nobody leaves', []],
  ['the leader leaves', [0]],
  ['a follower leaves', [1]],
  ['the leader and a follower leave', [0, 2]],
  ['everybody leaves', [0, 1, 2]],
];
const CASES = HELD.flatMap(([handler, answer, runs]) =>
  LEAVERS.map(([who, leavers]) => [handler, who, { answer, runs, leavers }] as const),
);
const CLIENTS = [0, 1, 2];
const FLIGHT_TIMEOUT_MS = 60_000;

describe.each(PLATFORMS)('Nothing hangs and nothing remains, on %s', (platform) => {
  let server: TestServer;
  /** Responses that are under way, and those whose client went away. */
  let open: number;
  let gone: number;
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown): unknown => unhandled.push(error);

  beforeEach(async () => {
    process.on('unhandledRejection', onUnhandled);
    [open, gone, pending, files] = [0, 0, 0, []];
    server = await TestServer.start(platform, {
      imports: [
        SingleFlightModule.forRoot(),
        SingleFlightModule.forFeature({ name: 'http', flightTimeoutMs: FLIGHT_TIMEOUT_MS }),
      ],
      controllers: [Handlers],
      setup: (app) =>
        app.use((_request: IncomingMessage, response: ServerResponse, next: () => void) => {
          open++;
          response.on('close', () => {
            open--;
            if (!response.writableFinished) gone++;
          });
          next();
        }),
    });
    // Those of the flights only: Node's own and the event loop's go on.
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance', 'Date'] });
  });
  afterEach(async () => {
    jest.useRealTimers();
    process.removeListener('unhandledRejection', onUnhandled);
    hold.open();
    await closeServers();
  });

  async function join(handler: string): Promise<Client[]> {
    hold.shut();
    const clients: Client[] = [];
    for (const place of CLIENTS) {
      clients.push(new Client(server.port, `/hanging/${handler}`));
      await until(() => server.stats().callers + server.stats().bypassed === place + 1);
    }
    return clients;
  }

  async function expectNothingRemains(handler: string): Promise<void> {
    await until(() => open === 0 && server.stats().active === 0 && pending === 0);
    expect(server.flights.inFlight()).toEqual([]);
    expect(server.flights.group.size).toBe(0);
    expect(server.stats()).toMatchObject({ active: 0, adrift: 0 });
    // Nest has timers of its own for events.
    if (handler !== 'events') expect(jest.getTimerCount()).toBe(0);
    expect(unhandled).toEqual([]);
  }

  it.each(Object.entries(AT_ONCE))('%s, at once: everybody is answered', async (handler, answer) => {
    const clients = await join(handler);
    expect(await Promise.all(clients.map((client) => client.answer))).toEqual(CLIENTS.map(() => answer));
    expect(hold.runs).toBeGreaterThanOrEqual(1);
    expect(hold.runs).toBe(server.stats().flights);
    await expectNothingRemains(handler);
  });

  it.each(CASES)('%s: %s', async (handler, _who, { answer, runs, leavers }) => {
    const clients = await join(handler);
    for (const place of leavers) clients[place]!.hangUp();
    await until(() => gone === leavers.length);
    const aboard = CLIENTS.length - leavers.length;
    const listed = runs === 'each its own' ? [] : [{ callers: aboard, adrift: false }];
    expect(server.flights.inFlight()).toMatchObject(listed);
    if (handler === 'never') {
      jest.advanceTimersByTime(FLIGHT_TIMEOUT_MS - 1);
      expect(server.stats().active).toBe(1);
      jest.advanceTimersByTime(1);
    } else {
      hold.open();
    }
    const settled = await Promise.allSettled(clients.map((client) => client.answer));
    expect(settled.map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason)))).toEqual(
      CLIENTS.map((place) => (leavers.includes(place) ? 'Error: hung up' : answer)),
    );
    // The leader's handler runs in any case.
    const stayed = CLIENTS.filter((place) => place === 0 || !leavers.includes(place)).length;
    expect(hold.runs).toBe({ 'one for all': 1, 'each its own': 3, 'each its own that stays': stayed }[runs]);
    if (handler === 'never') {
      // It can still be seen, and nobody waits for it but a leader who has gone: its response is not to be written yet.
      expect(server.flights.inFlight()).toMatchObject([{ callers: 0, adrift: true }]);
      expect(server.flights.group.size).toBe(0);
      expect(server.stats()).toMatchObject({ active: 1, adrift: 1 });
      expect(pending).toBe(leavers.includes(0) ? 1 : 0);
      hold.open();
    }
    await expectNothingRemains(handler);
    await until(() => files.every((file) => file.destroyed));
  });
});
