import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Controller,
  ForbiddenException,
  Get,
  Param,
  Post,
  UseGuards,
  UseInterceptors,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightKey, SingleFlightShare, type FlightKey } from 'nestjs-singleflight';
import {
  bodies,
  closeServers,
  hold,
  httpFlights,
  PLATFORMS,
  statuses,
  TestServer,
  times,
  type Asked,
} from './support/server.js';

interface User {
  readonly id: string;
  readonly tenant: string;
}

interface UserRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly params: Readonly<Record<string, string>>;
  user?: User | undefined;
}

const requestOf = (context: ExecutionContext): UserRequest => context.switchToHttp().getRequest<UserRequest>();
const userOf = (context: ExecutionContext): User | undefined => requestOf(context).user;

/** `Authorization: Bearer <tenant>/<id>/<device>`. */
class Authenticating implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = requestOf(context);
    const [tenant, id] = request.headers.authorization?.split(' ')[1]?.split('/') ?? [];
    request.user = tenant === undefined || id === undefined ? undefined : { tenant, id };
    return true;
  }
}

const SECRET = 'secret-4711';
const BAD_KEYS: Record<string, () => unknown> = {
  object: () => ({ token: SECRET }),
  promise: () => Promise.resolve(SECRET),
  symbol: () => Symbol(SECRET),
  function: () => () => SECRET,
  nan: () => NaN,
  hole: () => [SECRET, undefined],
  'object-inside': () => [SECRET, { token: SECRET }],
  throws: () => {
    throw new Error(SECRET);
  },
};
const KEYS: readonly FlightKey[] = [
  1,
  '1',
  1n,
  true,
  'true',
  [1],
  ['1'],
  [[1]],
  [null],
  ['null'],
  [],
  '',
  ['a', 'b:c'],
  // Alike in UTF-8.
  '\ud800',
  '\udfff',
  '\ufffd',
];

@Controller()
@UseGuards(Authenticating)
@UseInterceptors(SingleFlightInterceptor)
class Reports {
  @Get('mine')
  @SingleFlightKey((context) => userOf(context)?.id)
  mine(): Promise<string> {
    return hold.work('mine');
  }

  @Get('also-mine')
  @SingleFlightKey((context) => userOf(context)?.id ?? null)
  alsoMine(): Promise<string> {
    return hold.work('also mine');
  }

  @Get('of-tenant')
  @SingleFlightKey((context) => [userOf(context)?.tenant ?? null, userOf(context)?.id ?? null])
  ofTenant(): Promise<string> {
    return hold.work('of tenant');
  }

  @Get('all')
  @SingleFlightKey(() => 'all')
  @SingleFlightShare('client')
  all(): Promise<string> {
    return hold.work('all');
  }

  @Post('all')
  @SingleFlightKey(() => 'all')
  write(): Promise<string> {
    return hold.work('written');
  }

  @Get('keys')
  @SingleFlightKey((context) => KEYS[Number(requestOf(context).headers['x-index'])])
  keys(): Promise<string> {
    return hold.work('keyed');
  }

  @Get('bad/:kind')
  @SingleFlightKey((context) => BAD_KEYS[requestOf(context).params.kind!]!() as FlightKey)
  bad(@Param('kind') kind: string): Promise<string> {
    return hold.work(kind);
  }

  @Get('forbidden')
  @SingleFlightKey(() => {
    throw new ForbiddenException('not yours');
  })
  forbidden(): Promise<string> {
    return hold.work('forbidden');
  }
}

@Controller('class')
@SingleFlightKey(() => 'all')
@UseGuards(Authenticating)
@UseInterceptors(SingleFlightInterceptor)
class Keyed {
  @Get('its')
  its(): Promise<string> {
    return hold.work('its');
  }

  @Get('other')
  other(): Promise<string> {
    return hold.work('other');
  }

  @Get('mine')
  @SingleFlightKey((context) => userOf(context)?.id)
  mine(): Promise<string> {
    return hold.work('mine');
  }

  @Get('client')
  @SingleFlightShare('client')
  client(): Promise<string> {
    return hold.work('client');
  }
}

const as = (path: string, ...tokens: string[]): Asked[] =>
  tokens.map((token) => ({ path, headers: { Authorization: `Bearer ${token}` } }));

describe.each(PLATFORMS)('@SingleFlightKey, on %s', (platform) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start(platform, { imports: httpFlights(), controllers: [Reports, Keyed] });
  });
  afterAll(closeServers);

  it('merges those with one key, whatever else differs, and no others', async () => {
    const burst = await server.burst(...as('/mine', 't/anna/phone', 't/anna/desk', 't/bert/phone', 't/bert/desk'));
    expect(burst.runs).toBe(2);
    expect(statuses(burst)).toEqual([200, 200, 200, 200]);
  });

  it.each(['/mine', '/also-mine'])('%s: a key that is undefined or null means alone', async (path) => {
    const before = server.stats().bypassed;
    expect((await server.burst(...times(3, { path }))).runs).toBe(3);
    expect(server.stats().bypassed).toBe(before + 3);
  });

  it('takes arrays, part by part', async () => {
    const tokens = ['t/anna', 'u/anna', 't/bert', 't/anna', 'u/anna', 't/bert'];
    expect((await server.burst(...as('/of-tenant', ...tokens))).runs).toBe(3);
  });

  it('never takes two keys for one', async () => {
    const asked = KEYS.map((_key, i) => ({ path: '/keys', headers: { 'X-Index': String(i) } }));
    expect((await server.burst(...asked, ...asked)).runs).toBe(KEYS.length);
  });

  it('replaces the share, and makes no exception for what would go alone', async () => {
    const asked: Asked[] = [
      { path: '/all' },
      { path: '/all', headers: { Cookie: 'a=b' } },
      { path: '/all', headers: { Authorization: 'Negotiate YII=' } },
      { path: '/all', headers: { Range: 'bytes=0-1' } },
      { path: '/all', headers: { Accept: 'text/html', 'X-Anything': 'a' } },
    ];
    expect((await server.burst(...asked)).runs).toBe(1);
  });

  it('does not replace the address', async () => {
    const asked: Asked[] = [
      { path: '/all' },
      { path: '/all?a=1' },
      { path: '/all', method: 'HEAD' },
      { path: '/all', headers: { Host: 'two.example' } },
      { path: '/class/its' },
      { path: '/class/other' },
    ];
    expect((await server.burst(...asked, ...asked)).runs).toBe(asked.length);
  });

  it('does not merge what writes', async () => {
    const write = { path: '/all', method: 'POST', headers: { 'Content-Length': '0' } };
    expect((await server.burst(...times(3, write))).runs).toBe(3);
  });

  it('stated by a controller, gives way to what a handler states: a key, or a share', async () => {
    const users = ['t/anna', 't/bert', 't/carl'];
    expect((await server.burst(...as('/class/its', ...users))).runs).toBe(1);
    expect((await server.burst(...as('/class/mine', ...users))).runs).toBe(3);
    expect((await server.burst(...as('/class/client', ...users))).runs).toBe(3);
  });

  it.each(Object.keys(BAD_KEYS))('answers 500 to a bad key, without a word of it: %s', async (kind) => {
    const burst = await server.burst(...times(3, { path: `/bad/${kind}` }));
    expect(burst.runs).toBe(0);
    expect(bodies(burst).map((body) => JSON.parse(body) as unknown)).toEqual(
      new Array(3).fill({ statusCode: 500, message: 'Internal server error' }),
    );
    expect(JSON.stringify(burst.replies)).not.toContain(SECRET);
  });

  it('answers what the key function throws', async () => {
    const burst = await server.burst(...times(2, { path: '/forbidden' }));
    expect(burst.runs).toBe(0);
    expect(statuses(burst)).toEqual([403, 403]);
    expect(bodies(burst)[0]).toContain('not yours');
  });
});

describe('@SingleFlightKey without a function', () => {
  it('is refused when the class is defined', () => {
    expect(() => SingleFlightKey('user' as never)).toThrow(
      '@SingleFlightKey needs a function from the execution context to a key, not the string "user".',
    );
  });
});
