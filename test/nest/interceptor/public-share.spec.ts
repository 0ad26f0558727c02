import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, UseInterceptors } from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightShare } from 'nestjs-singleflight';
import { closeServers, hold, httpFlights, PLATFORMS, statuses, TestServer, type Asked } from './support/server.js';

@Controller('stated')
@UseInterceptors(SingleFlightInterceptor)
class Stated {
  @Get('public')
  @SingleFlightShare('public')
  public(): Promise<string> {
    return hold.work('public');
  }

  @Get('by-tenant')
  @SingleFlightShare('public', { vary: ['X-Tenant', 'accept-language'] })
  byTenant(): Promise<string> {
    return hold.work('by tenant');
  }

  @Get('by-nothing')
  @SingleFlightShare('public', { vary: [] })
  byNothing(): Promise<string> {
    return hold.work('by nothing');
  }

  @Get('by-cookie')
  @SingleFlightShare('public', { vary: ['cookie'] })
  byCookie(): Promise<string> {
    return hold.work('by cookie');
  }

  @Get('unstated')
  unstated(): Promise<string> {
    return hold.work('unstated');
  }
}

@Controller('class')
@SingleFlightShare('public', { vary: ['x-tenant'] })
@UseInterceptors(SingleFlightInterceptor)
class OfClass {
  @Get('its')
  its(): Promise<string> {
    return hold.work('its');
  }

  @Get('other')
  other(): Promise<string> {
    return hold.work('other');
  }

  @Get('client')
  @SingleFlightShare('client')
  client(): Promise<string> {
    return hold.work('client');
  }

  @Get('defaults')
  @SingleFlightShare('public')
  defaults(): Promise<string> {
    return hold.work('defaults');
  }
}

@Controller('derived')
@UseInterceptors(SingleFlightInterceptor)
class Derived extends OfClass {}

const COOKIES = ['session=a', 'session=b', 'session=c'];
const byCookies = (path: string): Asked[] => COOKIES.map((Cookie) => ({ path, headers: { Cookie } }));

describe.each(PLATFORMS)("Share 'public', on %s", (platform) => {
  let server: TestServer;
  let behindProxy: TestServer;
  beforeAll(async () => {
    const options = {
      imports: httpFlights(),
      controllers: [Stated, OfClass, Derived],
    };
    server = await TestServer.start(platform, options);
    behindProxy = await TestServer.start(platform, { ...options, trustProxy: true });
  });
  afterAll(closeServers);

  /** How many handlers run for this header's values, each asked for twice. */
  const runsBy = async (path: string, name: string, ...values: string[]): Promise<number> => {
    const asked = values.map((value) => ({ path, headers: { [name]: value } }));
    const burst = await server.burst(...asked, ...asked);
    expect(new Set(statuses(burst))).toEqual(new Set([200]));
    return burst.runs;
  };

  it.each([
    ['Authorization', ['Bearer a', 'Bearer b', 'Negotiate YII=']],
    ['Cookie', COOKIES],
    ['User-Agent', ['a', 'b']],
    ['X-Anything', ['a', 'b']],
    ['X-Forwarded-For', ['10.0.0.1', '10.0.0.2']],
    ['Range', ['bytes=0-1', 'bytes=2-3']],
    ['If-None-Match', ['"a"', '"b"']],
  ])('merges whatever %s', async (name, values) => {
    expect(await runsBy('/stated/public', name, ...values)).toBe(1);
  });

  it.each(['Accept', 'accept', 'Accept-Language'])('splits by %s, unless told otherwise', async (name) => {
    expect(await runsBy('/stated/public', name, 'a', 'b', 'c')).toBe(3);
  });

  it('does not merge having no vary header with having an empty one', async () => {
    const empty: Asked = { path: '/stated/public', headers: { Accept: '' } };
    expect((await server.burst(empty, { path: '/stated/public' }, empty, { path: '/stated/public' })).runs).toBe(2);
  });

  it('does not merge one value under two names', async () => {
    const asked: Asked[] = [
      { path: '/stated/by-tenant', headers: { 'X-Tenant': 'de' } },
      { path: '/stated/by-tenant', headers: { 'Accept-Language': 'de' } },
    ];
    expect((await server.burst(...asked, ...asked)).runs).toBe(2);
  });

  it('splits by the vary headers that are stated, and by no others', async () => {
    expect(await runsBy('/stated/by-tenant', 'x-tenant', 'a', 'b')).toBe(2);
    expect(await runsBy('/stated/by-tenant', 'Accept-Language', 'a', 'b')).toBe(2);
    expect(await runsBy('/stated/by-tenant', 'Accept', 'a', 'b')).toBe(1);
    expect(await runsBy('/stated/by-cookie', 'Cookie', ...COOKIES)).toBe(3);
    expect(await runsBy('/stated/by-nothing', 'Accept', 'a', 'b')).toBe(1);
  });

  it('splits by query and by method', async () => {
    const asked: Asked[] = [
      { path: '/stated/public' },
      { path: '/stated/public?page=1' },
      { path: '/stated/public?page=2' },
      { path: '/stated/public', method: 'HEAD' },
    ];
    expect((await server.burst(...asked, ...asked)).runs).toBe(4);
  });

  it('splits by host', async () => {
    expect(await runsBy('/stated/public', 'Host', 'a.example', 'b.example')).toBe(2);
  });

  it('splits by the host that a trusted proxy names', async () => {
    const asked = ['a.example', 'b.example'].map((host) => ({
      path: '/stated/public',
      headers: { Host: 'internal', 'X-Forwarded-Host': host },
    }));
    expect((await behindProxy.burst(...asked, ...asked)).runs).toBe(2);
    // Whoever is not trusted cannot split what belongs together.
    expect((await server.burst(...asked, ...asked)).runs).toBe(1);
  });

  it('leaves the routes alone that do not state it', async () => {
    expect(await runsBy('/stated/unstated', 'Cookie', ...COOKIES)).toBe(3);
  });

  describe('stated by a controller', () => {
    it('holds for each of its routes, which never meet', async () => {
      expect((await server.burst(...byCookies('/class/its'), ...byCookies('/class/other'))).runs).toBe(2);
      expect(await runsBy('/class/its', 'X-Tenant', 'a', 'b')).toBe(2);
      expect(await runsBy('/class/its', 'Accept', 'a', 'b')).toBe(1);
    });

    it('gives way to what a handler states', async () => {
      expect((await server.burst(...byCookies('/class/client'))).runs).toBe(3);
      expect(await runsBy('/class/defaults', 'Accept', 'a', 'b')).toBe(2);
      expect(await runsBy('/class/defaults', 'X-Tenant', 'a', 'b')).toBe(1);
    });

    it('holds for a class that extends it', async () => {
      expect((await server.burst(...byCookies('/derived/its'))).runs).toBe(1);
    });
  });
});

describe.each(PLATFORMS)('forRoot({ http }), on %s', (platform) => {
  afterAll(closeServers);

  it("share: 'public' holds for every route that states nothing, with the app's vary", async () => {
    const server = await TestServer.start(platform, {
      imports: httpFlights({ http: { share: 'public', vary: ['x-app'] } }),
      controllers: [Stated, OfClass],
    });
    expect((await server.burst(...byCookies('/stated/unstated'))).runs).toBe(1);
    const byApp = ['a', 'b'].map((app) => ({ path: '/stated/unstated', headers: { 'X-App': app } }));
    expect((await server.burst(...byApp, ...byApp)).runs).toBe(2);
    expect((await server.burst(...byCookies('/class/client'))).runs).toBe(3);
    expect((await server.burst(...byApp.map((asked) => ({ ...asked, path: '/class/its' })))).runs).toBe(1);
  });

  it('vary holds for the routes that state a share without', async () => {
    const server = await TestServer.start(platform, {
      imports: httpFlights({ http: { vary: ['x-app'] } }),
      controllers: [Stated],
    });
    const byApp = ['a', 'b'].map((app) => ({ path: '/stated/public', headers: { 'X-App': app, Accept: app } }));
    expect((await server.burst(...byApp, ...byApp)).runs).toBe(2);
    const byAccept = ['a', 'b'].map((Accept) => ({ path: '/stated/public', headers: { Accept } }));
    expect((await server.burst(...byAccept, ...byAccept)).runs).toBe(1);
    expect((await server.burst(...byCookies('/stated/unstated'))).runs).toBe(3);
  });
});

describe('What is stated wrongly', () => {
  it('is refused when the class is defined', () => {
    expect(() => SingleFlightShare('everybody' as 'public')).toThrow(
      "@SingleFlightShare: `share` is the string \"everybody\". It must be 'client', 'user' or 'public'.",
    );
    expect(() => SingleFlightShare('public', { vary: 'accept' as unknown as string[] })).toThrow(
      '@SingleFlightShare: `vary` is the string "accept". It must be an array of header names.',
    );
    expect(() => SingleFlightShare('public', { very: [] } as { vary?: string[] })).toThrow(
      '@SingleFlightShare: there is no option `very`. The options are `vary`, `fleet`.',
    );
    expect(() => SingleFlightShare('public', { fleet: '' })).toThrow('@SingleFlightShare: `fleet` is the string ""');
  });
});
