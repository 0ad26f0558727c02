import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  HostParam,
  RequestMethod,
  UseInterceptors,
  Version,
  VERSION_NEUTRAL,
  VersioningType,
  type INestApplication,
} from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightShare } from 'nestjs-singleflight';
import { bodies, closeServers, hold, httpFlights, PLATFORMS, TestServer, type Asked } from './support/server.js';

// Everything here says 'public' and varies by nothing: only the address and the route are left to tell requests apart.

@Controller('items')
@SingleFlightShare('public', { vary: [] })
@UseInterceptors(SingleFlightInterceptor)
class Items {
  @Get()
  @Version('1')
  first(): Promise<string> {
    return hold.work('first');
  }

  @Get()
  @Version('2')
  second(): Promise<string> {
    return hold.work('second');
  }
}

@Controller({ path: 'neutral', version: VERSION_NEUTRAL })
@SingleFlightShare('public', { vary: [] })
@UseInterceptors(SingleFlightInterceptor)
class Neutral {
  @Get()
  get(): Promise<string> {
    return hold.work('of any version');
  }
}

@Controller('health')
@SingleFlightShare('public', { vary: [] })
@UseInterceptors(SingleFlightInterceptor)
class Health {
  @Get()
  get(): Promise<string> {
    return hold.work('well');
  }
}

@Controller({ path: 'shop', host: ':tenant.example.com' })
@SingleFlightShare('public', { vary: [] })
@UseInterceptors(SingleFlightInterceptor)
class Tenants {
  @Get()
  get(@HostParam('tenant') tenant: string): Promise<string> {
    return hold.work(`shop of ${tenant}`);
  }
}

@Controller({ path: 'page', host: 'admin.example.com' })
@SingleFlightShare('public', { vary: [] })
@UseInterceptors(SingleFlightInterceptor)
class AdminPage {
  @Get()
  get(): Promise<string> {
    return hold.work('for admins');
  }
}

@Controller('page')
@SingleFlightShare('public', { vary: [] })
@UseInterceptors(SingleFlightInterceptor)
class Page {
  @Get()
  get(): Promise<string> {
    return hold.work('for all');
  }
}

const at = (host: string, path: string): Asked => ({ path, headers: { Host: host } });

/** Each of these three times, in turn. */
const thrice = (...asked: Asked[]): Asked[] => [...asked, ...asked, ...asked];

describe.each(PLATFORMS)('The interceptor with versions, on %s', (platform) => {
  afterEach(closeServers);

  const start = (setup: (app: INestApplication) => unknown): Promise<TestServer> =>
    TestServer.start(platform, { imports: httpFlights(), controllers: [Items, Neutral, Health], setup });

  it.each<[string, (app: INestApplication) => unknown, Asked[]]>([
    [
      'in the URI',
      (app) => app.enableVersioning({ type: VersioningType.URI }),
      [{ path: '/v1/items' }, { path: '/v2/items' }],
    ],
    [
      'in a header',
      (app) => app.enableVersioning({ type: VersioningType.HEADER, header: 'X-Version' }),
      ['1', '2'].map((version) => ({ path: '/items', headers: { 'X-Version': version } })),
    ],
    [
      'in the media type',
      (app) => app.enableVersioning({ type: VersioningType.MEDIA_TYPE, key: 'v=' }),
      ['1', '2'].map((version) => ({ path: '/items', headers: { Accept: `application/json;v=${version}` } })),
    ],
    [
      'in the URI, behind a global prefix',
      (app) => app.setGlobalPrefix('api').enableVersioning({ type: VersioningType.URI }),
      [{ path: '/api/v1/items' }, { path: '/api/v2/items' }],
    ],
  ])('%s: two versions never meet, each is merged', async (_place, setup, asked) => {
    const burst = await (await start(setup)).burst(...thrice(...asked));
    expect(bodies(burst)).toEqual(['first', 'second', 'first', 'second', 'first', 'second']);
    expect(burst.runs).toBe(2);
  });

  it('a neutral handler: a header that names a version counts where `vary` names it, and here it does not', async () => {
    const server = await start((app) => app.enableVersioning({ type: VersioningType.HEADER, header: 'X-Version' }));
    const asked = ['1', '2'].map((version) => ({ path: '/neutral', headers: { 'X-Version': version } }));
    expect((await server.burst(...thrice(...asked))).runs).toBe(1);
  });

  it('a global prefix, and a route without it', async () => {
    const server = await start((app) =>
      app
        .setGlobalPrefix('api', { exclude: [{ path: 'health', method: RequestMethod.GET }] })
        .enableVersioning({ type: VersioningType.HEADER, header: 'X-Version', defaultVersion: VERSION_NEUTRAL }),
    );
    const burst = await server.burst(...thrice({ path: '/health' }, { path: '/api/neutral' }));
    expect(bodies(burst)).toEqual(['well', 'of any version', 'well', 'of any version', 'well', 'of any version']);
    expect(burst.runs).toBe(2);
  });
});

describe.each(PLATFORMS)('The interceptor with sub-domains, on %s', (platform) => {
  afterEach(closeServers);

  it('one controller for all of them: two hosts never meet', async () => {
    const server = await TestServer.start(platform, { imports: httpFlights(), controllers: [Tenants] });
    const burst = await server.burst(...thrice(at('one.example.com', '/shop'), at('two.example.com', '/shop')));
    expect(bodies(burst)).toEqual(Array(3).fill(['shop of one', 'shop of two']).flat());
    expect(burst.runs).toBe(2);
  });

  it('behind a proxy that is trusted: nor do two that are forwarded', async () => {
    const options = { imports: httpFlights(), controllers: [Tenants], trustProxy: true };
    const server = await TestServer.start(platform, options);
    const asked = ['one', 'two'].map((tenant) => ({
      path: '/shop',
      headers: { Host: 'inner', 'X-Forwarded-Host': `${tenant}.example.com` },
    }));
    const burst = await server.burst(...thrice(...asked));
    expect(bodies(burst)).toEqual(Array(3).fill(['shop of one', 'shop of two']).flat());
    expect(burst.runs).toBe(2);
  });
});

// Fastify has one handler for each path.
describe('The interceptor with sub-domains, on Express', () => {
  afterEach(closeServers);

  it('two controllers of one path', async () => {
    const server = await TestServer.start('Express', { imports: httpFlights(), controllers: [AdminPage, Page] });
    const burst = await server.burst(...thrice(at('admin.example.com', '/page'), at('www.example.com', '/page')));
    expect(bodies(burst)).toEqual(Array(3).fill(['for admins', 'for all']).flat());
    expect(burst.runs).toBe(2);
  });
});
