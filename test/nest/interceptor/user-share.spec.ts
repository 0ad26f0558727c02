import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Injectable,
  Param,
  Req,
  Session,
  UseGuards,
  UseInterceptors,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import {
  InvalidOptionError,
  SingleFlightInterceptor,
  SingleFlightModule,
  SingleFlightShare,
  type SingleFlightModuleOptions,
} from 'nestjs-singleflight';
import {
  bodies,
  closeServers,
  hold,
  httpFlights,
  PLATFORMS,
  statuses,
  TestServer,
  type Asked,
} from './support/server.js';

interface WithUser {
  headers: Record<string, string | undefined>;
  user?: { tenant: string; id: string };
}

/** Takes the token for the user, as an authentication would. */
@Injectable()
class Authentication implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<WithUser>();
    const [tenant, id] = request.headers.authorization?.split(' ') ?? [];
    if (tenant !== undefined && id !== undefined) request.user = { tenant, id };
    return true;
  }
}

@Controller('mine')
@UseGuards(Authentication)
@UseInterceptors(SingleFlightInterceptor)
@SingleFlightShare('user', { vary: ['accept-language'] })
class Mine {
  @Get()
  async get(@Req() { user }: WithUser): Promise<string> {
    return hold.work(`of ${user?.tenant ?? 'nobody'} ${user?.id ?? ''}`);
  }

  @Get('of/:id')
  async of(@Param('id') id: string, @Req() { user }: WithUser): Promise<string> {
    return hold.work(`${id} for ${user?.id ?? 'nobody'}`);
  }

  @Get('session')
  session(@Session() session: unknown): Promise<string> {
    return hold.work(`session: ${typeof session}`);
  }
}

const identity = (context: ExecutionContext): [string, string] | undefined => {
  const { user } = context.switchToHttp().getRequest<WithUser>();
  return user === undefined ? undefined : [user.tenant, user.id];
};
/** As a query of a database says that there is nobody. */
const noIdentity = (): undefined => null as unknown as undefined;

describe.each(PLATFORMS)("The share 'user', on %s", (platform) => {
  let server: TestServer;

  beforeAll(async () => {
    server = await TestServer.start(platform, {
      imports: httpFlights({ http: { identity } }),
      controllers: [Mine],
      providers: [Authentication],
    });
  });
  afterAll(closeServers);

  const ask = (authorization: string, more: Record<string, string> = {}, path = '/mine'): Asked => ({
    path,
    headers: { ...(authorization === '' ? {} : { Authorization: authorization }), ...more },
  });

  it("merges one user's requests, whatever else their headers say", async () => {
    const burst = await server.burst(
      ask('acme anna', { 'User-Agent': 'a browser', Cookie: 'theme=dark' }),
      ask('acme anna', { 'User-Agent': 'a telephone' }),
      ask('acme anna', { 'X-Forwarded-For': '10.0.0.1' }),
    );
    expect(burst.runs).toBe(1);
    expect(bodies(burst)).toEqual(['of acme anna', 'of acme anna', 'of acme anna']);
  });

  it('never merges two users, nor users of one name in two tenants', async () => {
    const burst = await server.burst(ask('acme anna'), ask('acme bert'), ask('other anna'), ask('acme anna'));
    expect(burst.runs).toBe(3);
    expect(bodies(burst)).toEqual(['of acme anna', 'of acme bert', 'of other anna', 'of acme anna']);
  });

  it('lets those who are nobody go alone', async () => {
    const burst = await server.burst(ask(''), ask(''));
    expect(burst.runs).toBe(2);
  });

  it('lets those go alone of whom it is said that they are null', async () => {
    const other = await TestServer.start(platform, {
      imports: httpFlights({ http: { identity: noIdentity } }),
      controllers: [Mine],
      providers: [Authentication],
    });
    const burst = await other.burst(ask('acme anna'), ask('acme anna'));
    expect(burst.runs).toBe(2);
    expect(bodies(burst)).toEqual(['of acme anna', 'of acme anna']);
  });

  it('tells the headers named in vary, the URL and the host apart', async () => {
    const burst = await server.burst(
      ask('acme anna', { 'Accept-Language': 'de' }),
      ask('acme anna', { 'Accept-Language': 'en' }),
      ask('acme anna', { 'Accept-Language': 'de', Host: 'other.example' }),
      ask('acme anna', { 'Accept-Language': 'de' }, '/mine?page=2'),
      ask('acme anna', { 'Accept-Language': 'de' }),
    );
    expect(burst.runs).toBe(4);
  });

  it.each<[string, Record<string, string>]>([
    ['a condition', { 'If-None-Match': '"tag"' }],
    ['a range', { Range: 'bytes=0-1' }],
    ['a handshake of its connection', { Authorization: 'Negotiate anna' }],
  ])('lets requests with %s go alone', async (_what, headers) => {
    const burst = await server.burst(ask('acme anna', headers), ask('acme anna', headers));
    expect(burst.runs).toBe(2);
  });

  it('lets a handler with a session go alone', async () => {
    const burst = await server.burst(ask('acme anna', {}, '/mine/session'), ask('acme anna', {}, '/mine/session'));
    expect(burst.runs).toBe(2);
  });
});

describe("The share 'user', where nobody says who asks", () => {
  afterEach(closeServers);

  const start = (options: SingleFlightModuleOptions | undefined, controllers: never[]): Promise<unknown> =>
    TestServer.start('Express', {
      imports: [SingleFlightModule.forRoot(options)],
      controllers,
      providers: [Authentication],
    });

  it('is refused at the start, as the default', async () => {
    await expect(start({ http: { share: 'user' } }, [])).rejects.toThrow(InvalidOptionError);
  });

  it('is refused at the start, on a controller', async () => {
    await expect(start({}, [Mine as never])).rejects.toThrow(
      /Mine shares answers per 'user', and nothing says who asks/,
    );
  });

  it('is an error of the request, with an interceptor that no module has made', async () => {
    @Controller('lone')
    @UseInterceptors(new SingleFlightInterceptor())
    class Lone {
      @Get()
      @SingleFlightShare('user')
      get(): string {
        return 'never';
      }
    }
    const server = await TestServer.start('Express', { controllers: [Lone] });
    const { status, body } = await server.send({ path: '/lone' });
    expect({ status, body }).toEqual({ status: 500, body: '{"statusCode":500,"message":"Internal server error"}' });
  });

  it.each([
    [{ identity: 'anna' }, '`identity` is the string "anna"'],
    [{ waitTimeoutMs: -1 }, '`waitTimeoutMs` is the number -1'],
  ])('refuses %p', async (http, message) => {
    await expect(start({ http } as never, [])).rejects.toThrow(message);
  });

  it('makes an error of the request of a key that is none', async () => {
    const server = await TestServer.start('Express', {
      imports: [SingleFlightModule.forRoot({ http: { identity: () => ({ id: 1 }) as never } })],
      controllers: [Mine],
      providers: [Authentication],
    });
    expect(statuses({ runs: 0, replies: [await server.send({ path: '/mine' })] })).toEqual([500]);
  });
});
