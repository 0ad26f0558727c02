import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { CacheInterceptor, CacheModule } from '@nestjs/cache-manager';
import { Controller, Get, Header, Injectable, NotFoundException, UseInterceptors } from '@nestjs/common';
import {
  InjectSingleFlight,
  SingleFlightInterceptor,
  SingleFlightModule,
  SingleFlightService,
} from 'nestjs-singleflight';
import { bodies, closeServers, hold, httpFlights, PLATFORMS, TestServer, times, type Asked } from './support/server.js';

@Controller('products')
@UseInterceptors(SingleFlightInterceptor)
class Products {
  @Get()
  list(): Promise<string> {
    return hold.work('all');
  }

  @Get('failing')
  async failing(): Promise<never> {
    await hold.work(undefined);
    throw new NotFoundException();
  }

  @Get('of/:id')
  path(): Promise<string> {
    return hold.work('one');
  }
}

@Controller('cached')
@UseInterceptors(SingleFlightInterceptor, CacheInterceptor)
class Cached {
  @Get()
  @Header('Cache-Control', 'no-store')
  async get(): Promise<object> {
    return { run: await hold.work(hold.runs) };
  }
}

/** As an app would look at the interceptor's flights. */
@Injectable()
class Monitor {
  constructor(
    @InjectSingleFlight('http') readonly http: SingleFlightService,
    readonly app: SingleFlightService,
  ) {}
}

const LIST: Asked = { path: '/products' };
const SECRETS = { Authorization: 'Bearer secret-token', Cookie: 'session=secret-cookie', 'X-Tenant': 'secret-header' };

describe.each(PLATFORMS)('Running it, on %s', (platform) => {
  afterEach(async () => {
    jest.restoreAllMocks();
    await closeServers();
  });

  const start = (imports = httpFlights()): Promise<TestServer> =>
    TestServer.start(platform, { imports, controllers: [Products], providers: [Monitor] });

  describe('the kill switch', () => {
    it('off: everybody runs alone; on: merged again', async () => {
      const server = await start();
      const { app, http } = server.app.get(Monitor);
      expect((await server.burst(...times(5, LIST))).runs).toBe(1);
      app.enabled = false;
      expect((await server.burst(...times(5, LIST))).runs).toBe(5);
      app.enabled = true;
      expect((await server.burst(...times(5, LIST))).runs).toBe(1);
      expect(http.stats()).toMatchObject({ flights: 2, callers: 10, followers: 8, bypassed: 5 });
    });

    it('off while a flight is under way: those aboard stay aboard', async () => {
      const server = await start();
      const { app } = server.app.get(Monitor);
      const burst = await server.during(times(5, LIST), () => {
        app.enabled = false;
      });
      expect(burst.runs).toBe(1);
      expect(bodies(burst)).toEqual(['all', 'all', 'all', 'all', 'all']);
    });

    it('off from the start, by forRoot({ enabled: false })', async () => {
      const server = await start(httpFlights({ enabled: false }));
      expect((await server.burst(...times(3, LIST))).runs).toBe(3);
    });
  });

  describe("the group 'http'", () => {
    it('counts flights, callers, followers, failures and those let through alone', async () => {
      const server = await start();
      const { http } = server.app.get(Monitor);
      expect(http.stats()).toMatchObject({ flights: 0, callers: 0, followers: 0, failures: 0, bypassed: 0 });
      await server.burst(...times(4, LIST), { ...LIST, headers: { Cookie: 'another' } });
      await server.burst(...times(2, { path: '/products/failing' }));
      await server.burst(...times(3, { ...LIST, headers: { Range: 'bytes=0-1' } }));
      expect(http.stats()).toMatchObject({ flights: 3, callers: 7, followers: 4, failures: 1, bypassed: 3, active: 0 });
      expect(http.group.size).toBe(0);
    });

    it('is not the default group', async () => {
      const server = await start();
      await server.burst(...times(4, LIST));
      expect(server.app.get(Monitor).app.stats().callers).toBe(0);
    });

    it('takes options of its own', async () => {
      const server = await start([
        SingleFlightModule.forRoot(),
        SingleFlightModule.forFeature({ name: 'http', describeKey: () => 'hidden' }),
      ]);
      const { http } = server.app.get(Monitor);
      const { seen } = await server.during([LIST], () => http.inFlight());
      expect(seen).toMatchObject([{ key: 'hidden', callers: 1, adrift: false }]);
    });
  });

  describe('a key', () => {
    it('is METHOD path #hash, with nothing of query, header or cookie', async () => {
      const server = await start();
      const { http } = server.app.get(Monitor);
      const get = { path: '/products?token=secret-query', headers: SECRETS };
      const { seen } = await server.during([get, get, get, { ...get, method: 'HEAD' }], () => http.inFlight());
      expect(seen.map(({ key, callers }) => [key.replace(/#.*/, '#'), callers])).toEqual(
        expect.arrayContaining([
          ['GET /products #', 3],
          ['HEAD /products #', 1],
        ]),
      );
      for (const { key } of seen) expect(key).toMatch(/^(GET|HEAD) \/products #[\w-]{43}$/);
      expect(JSON.stringify(seen)).not.toContain('secret');
    });

    it('holds no more when the request line names a whole URL, with a password', async () => {
      const server = await start();
      const { http } = server.app.get(Monitor);
      const get: Asked = { path: 'http://anna:secret@127.0.0.1/products?token=secret', headers: SECRETS };
      const { seen, runs } = await server.during(times(2, get), () => http.inFlight());
      expect(runs).toBe(1);
      expect(seen).toHaveLength(1);
      expect(seen[0]!.key).toMatch(/^GET \/products #[\w-]{43}$/);
    });

    it('is told apart from another by its whole path, however it is printed', async () => {
      const server = await start();
      const { http } = server.app.get(Monitor);
      const long = `/products/of/${'a'.repeat(70)}`;
      const asked = [long, `${long}b`, '/products/of/a;token=secret', '/products/of/a;token=other'];
      const { seen, runs } = await server.during(
        asked.flatMap((path) => times(2, { path })),
        () => http.inFlight(),
      );
      expect(runs).toBe(4);
      expect(seen.map(({ callers }) => callers)).toEqual([2, 2, 2, 2]);
      expect(JSON.stringify(seen)).not.toContain('secret');
    });
  });

  it('a cache inside: one expired entry costs one handler run', async () => {
    const server = await TestServer.start(platform, {
      imports: [...httpFlights(), CacheModule.register({ ttl: 60_000 })],
      controllers: [Cached],
    });
    const crowd = times(50, { path: '/cached' });
    const now = Date.now();
    expect((await server.burst(...crowd)).runs).toBe(1);
    expect((await server.burst(...crowd)).runs).toBe(0);
    jest.spyOn(Date, 'now').mockReturnValue(now + 120_000);
    const expired = await server.burst(...crowd);
    expect(expired.runs).toBe(1);
    expect(new Set(bodies(expired))).toEqual(new Set(['{"run":0}']));
  });
});
