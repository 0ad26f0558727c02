import { afterEach, describe, expect, it } from '@jest/globals';
import { Catch, Controller, Get, UseInterceptors, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import {
  SingleFlightInterceptor,
  SingleFlightModule,
  SingleFlightService,
  SingleFlightShare,
  SkipSingleFlight,
  TooManyFollowersError,
  type GroupOptions,
  type SingleFlightModuleOptions,
} from 'nestjs-singleflight';
import { closeServers, hold, PLATFORMS, TestServer, turn, type Reply } from './support/server.js';

@Controller('limited')
@UseInterceptors(SingleFlightInterceptor)
@SingleFlightShare('public')
class Limited {
  constructor(private readonly singleFlight: SingleFlightService) {}

  @Get('secret')
  get(): Promise<string> {
    return hold.work('answered');
  }

  @Get('inside')
  @SkipSingleFlight()
  inside(): Promise<string> {
    return this.singleFlight.run('inside', () => hold.work('answered'), { waitTimeoutMs: 1 });
  }
}

const BUSY = { status: 503, body: '{"message":"Service Unavailable","statusCode":503}' };

describe.each(PLATFORMS)('Limits as HTTP answers, on %s', (platform) => {
  afterEach(async () => {
    hold.open();
    await closeServers();
  });

  const start = (group: GroupOptions, options: SingleFlightModuleOptions = {}): Promise<TestServer> =>
    TestServer.start(platform, {
      imports: [SingleFlightModule.forRoot(options), SingleFlightModule.forFeature({ name: 'http', ...group })],
      controllers: [Limited],
    });

  const answerOf = ({ status, body }: Reply): object => ({ status, body });

  /** Sends a request whose handler is held. */
  function occupy(server: TestServer): Promise<Reply> {
    hold.shut();
    return server.send({ path: '/limited/secret' });
  }

  it('a flight too many: 503 with Retry-After, without the key', async () => {
    const server = await start({ maxFlights: 1 });
    const first = occupy(server);
    await until(() => server.stats().active === 1);
    const second = await server.send({ path: '/limited/secret?token=abc' });
    expect(answerOf(second)).toEqual(BUSY);
    expect(second.headers['retry-after']).toBe('1');
    expect(second.body).not.toContain('secret');
    hold.open();
    expect(answerOf(await first)).toEqual({ status: 200, body: 'answered' });
  });

  it('a follower too many: the same', async () => {
    const server = await start({ maxFollowers: 1 });
    const first = occupy(server);
    await until(() => server.stats().active === 1);
    const second = server.send({ path: '/limited/secret' });
    await until(() => server.stats().followers === 1);
    const third = await server.send({ path: '/limited/secret' });
    expect({ ...answerOf(third), after: third.headers['retry-after'] }).toEqual({ ...BUSY, after: '1' });
    hold.open();
    expect([answerOf(await first), answerOf(await second)]).toEqual([
      { status: 200, body: 'answered' },
      { status: 200, body: 'answered' },
    ]);
  });

  it('a wait that takes too long: the same, and the flight goes on', async () => {
    const server = await start({}, { http: { waitTimeoutMs: 1 } });
    hold.shut();
    const reply = await server.send({ path: '/limited/secret' });
    expect({ ...answerOf(reply), after: reply.headers['retry-after'] }).toEqual({ ...BUSY, after: '1' });
    expect(server.stats()).toMatchObject({ left: 1, active: 1 });
  });

  it('a wait of the leader that takes too long: who comes next is answered, and not told to come back', async () => {
    const server = await start({}, { http: { waitTimeoutMs: 500 } });
    hold.shut();
    const leader = await server.send({ path: '/limited/secret' });
    expect(answerOf(leader)).toEqual(BUSY);
    const follower = server.send({ path: '/limited/secret' });
    await until(() => server.stats().followers === 1);
    hold.open();
    const reply = await follower;
    expect({ ...answerOf(reply), after: reply.headers['retry-after'] }).toEqual({ status: 200, body: 'answered' });
    expect(hold.runs).toBe(1);
  });

  it('a wait inside of the handler: the same', async () => {
    const server = await start({});
    hold.shut();
    expect(answerOf(await server.send({ path: '/limited/inside' }))).toEqual(BUSY);
  });

  it('a flight that takes too long: 504', async () => {
    const server = await start({ flightTimeoutMs: 1 });
    hold.shut();
    const reply = await server.send({ path: '/limited/secret' });
    expect(answerOf(reply)).toEqual({ status: 504, body: '{"message":"Gateway Timeout","statusCode":504}' });
    expect(reply.headers['retry-after']).toBeUndefined();
  });

  it('a group that is closed: 503', async () => {
    const server = await start({});
    await server.flights.group.close();
    expect(answerOf(await server.send({ path: '/limited/secret' }))).toEqual(BUSY);
  });

  it('keeps what happened as the cause, for a filter', async () => {
    const causes: unknown[] = [];
    @Catch()
    class Remembering implements ExceptionFilter {
      catch(error: Error, host: ArgumentsHost): void {
        causes.push(error.cause);
        const response = host.switchToHttp().getResponse<{ status(code: number): { send(body: string): void } }>();
        response.status(503).send('busy');
      }
    }
    const server = await TestServer.start(platform, {
      imports: [SingleFlightModule.forRoot(), SingleFlightModule.forFeature({ name: 'http', maxFollowers: 0 })],
      controllers: [Limited],
      setup: (app) => app.useGlobalFilters(new Remembering()),
    });
    const first = occupy(server);
    await until(() => server.stats().active === 1);
    expect((await server.send({ path: '/limited/secret' })).body).toBe('busy');
    expect(causes[0]).toBeInstanceOf(TooManyFollowersError);
    hold.open();
    await first;
  });
});

async function until(happened: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!happened()) {
    if (performance.now() > deadline) throw new Error('It did not happen within five seconds.');
    await turn();
  }
}
