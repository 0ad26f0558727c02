import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Res,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightModule, SingleFlightShare, type GroupOptions } from 'nestjs-singleflight';
import { connect } from 'node:http2';
import { catchError, throwError, type Observable } from 'rxjs';
import { deferred, type Deferred } from '../../support/deferred.js';
import { Client, until } from './support/client.js';
import { closeServers, hold, PLATFORMS, TestServer, turn } from './support/server.js';

interface AnyResponse {
  readonly raw?: AnyResponse;
  readonly destroyed?: boolean;
  readonly stream?: { readonly destroyed: boolean };
  header(name: string, value: string): this;
}

/** One for each run of the handler. */
const gates: Deferred<string>[] = [];
/** What requests whose clients have gone came to. */
let errors: unknown[] = [];

/** Lets a request in once its client has gone. */
class TooLate implements CanActivate {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const response = context.switchToHttp().getResponse<AnyResponse>();
    const node = response.raw ?? response;
    while (!(node.destroyed ?? node.stream?.destroyed)) await turn();
    return true;
  }
}

/** Outside. */
class Noting implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(
      catchError((error: unknown) => {
        errors.push(error);
        return throwError(() => error);
      }),
    );
  }
}

@Controller()
@SingleFlightShare('public')
@UseInterceptors(Noting, SingleFlightInterceptor)
class Slow {
  @Get('tagged')
  async tagged(@Res({ passthrough: true }) response: AnyResponse): Promise<string> {
    const value = await hold.work('tagged');
    response.header('x-run', String(hold.runs));
    return value;
  }

  @Get('failing')
  async failing(): Promise<never> {
    throw new Error(await hold.work('failing'));
  }

  @Get('gated')
  gated(): Promise<string> {
    const gate: Deferred<string> = deferred();
    gates.push(gate);
    return gate.promise;
  }

  @Get('too-late')
  @UseGuards(TooLate)
  tooLate(): Promise<string> {
    return hold.work('too late');
  }
}

const start = (platform: (typeof PLATFORMS)[number], options: GroupOptions = {}, http2 = false): Promise<TestServer> =>
  TestServer.start(platform, {
    imports: [SingleFlightModule.forRoot(), SingleFlightModule.forFeature({ name: 'http', ...options })],
    controllers: [Slow],
    http2,
  });

describe.each(PLATFORMS)('Who comes late, on %s', (platform) => {
  afterEach(async () => {
    for (const gate of gates.splice(0)) gate.resolve('over');
    hold.open();
    await closeServers();
  });

  it('gets a result that lingers, with its headers', async () => {
    const server = await start(platform, { lingerMs: 60_000 });
    hold.shut();
    hold.open();
    const replies = [await server.send({ path: '/tagged' }), await server.send({ path: '/tagged' })];
    expect(hold.runs).toBe(1);
    expect(replies.map(({ body, headers }) => [body, headers['x-run']])).toEqual(Array(2).fill(['tagged', '1']));
    server.flights.forgetAll();
    await server.send({ path: '/tagged' });
    expect(hold.runs).toBe(2);
  });

  it('gets no error that was another’s, whatever lingers', async () => {
    const server = await start(platform, { lingerMs: 60_000 });
    hold.shut();
    hold.open();
    await server.send({ path: '/failing' });
    await server.send({ path: '/failing' });
    expect(hold.runs).toBe(2);
  });

  it('joins the flight that the key leads to, while one is adrift and when that has ended', async () => {
    const server = await start(platform);
    const ask = async (runs: number): Promise<Client> => {
      const { callers } = server.stats();
      const client = new Client(server.port, '/gated');
      await until(() => server.stats().callers === callers + 1 && gates.length === runs);
      return client;
    };
    const first = await ask(1);
    server.flights.forgetAll();
    const second = await ask(2);
    gates[0]!.resolve('first');
    await expect(first.answer).resolves.toBe('200 first');
    const third = await ask(2);
    gates[1]!.resolve('second');
    await expect(second.answer).resolves.toBe('200 second');
    await expect(third.answer).resolves.toBe('200 second');
  });
});

describe('A client that has gone before it boards', () => {
  afterEach(async () => {
    hold.open();
    await closeServers();
  });

  const expectNothing = async (server: TestServer): Promise<void> => {
    await until(() => errors.length === 1);
    expect(errors).toEqual([expect.objectContaining({ status: 499 })]);
    expect(hold.runs).toBe(0);
    expect(server.stats()).toMatchObject({ callers: 0, flights: 0 });
  };

  it.each(PLATFORMS)('costs no handler run, on %s', async (platform) => {
    const server = await start(platform);
    hold.shut();
    errors = [];
    const client = new Client(server.port, '/too-late');
    await until(() => server.entered === 1);
    client.hangUp();
    await expectNothing(server);
  });

  it('nor over HTTP/2, on Fastify', async () => {
    const server = await start('Fastify', {}, true);
    hold.shut();
    errors = [];
    const session = connect(`http://127.0.0.1:${server.port}`);
    const stream = session.request({ ':path': '/too-late' }).on('error', () => undefined);
    await until(() => server.entered === 1);
    stream.close();
    await expectNothing(server);
    session.close();
  });
});
