import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { IncomingMessage } from 'node:http';
import { Controller, Get, Logger, UseInterceptors } from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightKey, SingleFlightModule, SingleFlightShare } from 'nestjs-singleflight';
import { closeServers, hold, PLATFORMS, TestServer, times, type Asked } from './support/server.js';

@Controller('products')
@UseInterceptors(SingleFlightInterceptor)
class Products {
  @Get('mine')
  mine(): Promise<string> {
    return hold.work('mine');
  }

  @Get('all')
  @SingleFlightShare('public', { vary: ['Accept-Language', 'X-Campaign'] })
  all(): Promise<string> {
    return hold.work('all');
  }

  @Get('by-hand')
  @SingleFlightKey(() => Math.random())
  byHand(): Promise<string> {
    return hold.work('by hand');
  }
}

/** So many requests for one URL, each with another value of a header. */
const differing = (count: number, path: string, header: string): Asked[] =>
  Array.from({ length: count }, (_, index) => ({ path, headers: { [header]: `secret ${index}` } }));

describe.each(PLATFORMS)('A route whose requests overlap and never merge, on %s', (platform) => {
  let server: TestServer;
  const warnings: string[] = [];

  beforeEach(async () => {
    warnings.length = 0;
    jest.spyOn(Logger.prototype, 'warn').mockImplementation((message: string) => void warnings.push(message));
    server = await TestServer.start(platform, {
      imports: [SingleFlightModule.forRoot()],
      controllers: [Products],
      setup: (app) =>
        app.use(({ headers, socket }: IncomingMessage, _response: unknown, next: () => void) => {
          delete headers['x-erased'];
          // As of the PROXY protocol, from a header that is ignored.
          const address = headers['x-request-id'];
          if (address?.includes('.') === true) Object.defineProperty(socket, 'remoteAddress', { value: address });
          next();
        }),
    });
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await closeServers();
  });

  it('gets one warning, which names the header and what to state, and no value', async () => {
    await server.burst(...differing(11, '/products/mine', 'X-Device'));
    expect(warnings).toEqual([
      expect.stringMatching(
        /^10 requests of Products\.mine .* they differ in the header 'x-device'.*'client'.*'public'/,
      ),
    ]);
    expect(warnings[0]).not.toContain('secret');
    await server.burst(...differing(20, '/products/mine', 'X-Device'));
    expect(warnings).toHaveLength(1);
  });

  it('names what differs most often', async () => {
    const devices = differing(4, '/products/mine', 'X-Device');
    await server.burst({ path: '/products/mine' }, ...devices, ...differing(8, '/products/mine', 'X-Campaign'));
    expect(warnings).toEqual([expect.stringMatching(/differ in the header 'x-campaign'/)]);
  });

  it('does not name what is ignored', async () => {
    const asked = Array.from({ length: 11 }, (_, i) => ({
      path: '/products/mine',
      headers: { 'X-Request-Id': `${i}`, 'X-Device': `${i}` },
    }));
    await server.burst(...asked);
    expect(warnings).toEqual([expect.stringMatching(/differ in the header 'x-device'/)]);
  });

  it('names a header of which a middleware has left nothing', async () => {
    await server.burst(...differing(11, '/products/mine', 'X-Erased'));
    expect(warnings).toEqual([expect.stringMatching(/differ in the header 'x-erased', as it was received/)]);
  });

  it("names the client's address", async () => {
    await server.burst(
      ...Array.from({ length: 11 }, (_, i) => ({ path: '/products/mine', headers: { 'X-Request-Id': `10.0.0.${i}` } })),
    );
    expect(warnings).toEqual([expect.stringMatching(/differ in the client's address/)]);
  });

  it('names the header of vary that differs', async () => {
    await server.burst(...differing(11, '/products/all', 'X-Campaign'));
    expect(warnings).toEqual([expect.stringMatching(/differ in the header 'x-campaign'.*'public'.*`vary`/)]);
  });

  it('gets none before ten of them, nor for requests of different URLs, nor for those that come one by one', async () => {
    await server.burst(...differing(10, '/products/mine', 'X-Device'));
    await server.burst(...times(1, { path: '/products/mine' }));
    for (let index = 0; index < 12; index++)
      await server.burst({ path: '/products/mine', headers: { 'X-Device': `${index}` } });
    await server.burst(...Array.from({ length: 20 }, (_, index) => ({ path: `/products/mine?page=${index}` })));
    expect(warnings).toEqual([]);
  });

  it('gets none once two have merged', async () => {
    await server.burst(...times(2, { path: '/products/mine' }));
    await server.burst(...differing(20, '/products/mine', 'X-Device'));
    expect(warnings).toEqual([]);
  });

  it('gets none with a key by hand', async () => {
    await server.burst(...times(20, { path: '/products/by-hand' }));
    expect(warnings).toEqual([]);
  });
});
