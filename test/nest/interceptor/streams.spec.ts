import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Controller, Get, Param, StreamableFile, UseInterceptors } from '@nestjs/common';
import { SingleFlightInterceptor } from 'nestjs-singleflight';
import { Observable } from 'rxjs';
import { bodies, closeServers, hold, httpFlights, PLATFORMS, statuses, TestServer, times } from './support/server.js';

const TEXT = 'a line of text\n'.repeat(10_000);

@Controller()
@UseInterceptors(SingleFlightInterceptor)
class Files {
  @Get('streamable')
  async streamable(): Promise<StreamableFile> {
    await hold.work(undefined);
    return new StreamableFile(Readable.from([TEXT]));
  }

  @Get('buffer')
  async buffer(): Promise<StreamableFile> {
    await hold.work(undefined);
    return new StreamableFile(Buffer.from(TEXT));
  }

  @Get('readable')
  async readable(): Promise<Readable> {
    await hold.work(undefined);
    return Readable.from([Buffer.from(TEXT)]);
  }

  @Get('response')
  async response(): Promise<Response> {
    await hold.work(undefined);
    return new Response(TEXT, { headers: { 'content-type': 'text/plain' } });
  }

  @Get('observable')
  observable(): Observable<StreamableFile> {
    return new Observable((subscriber) => {
      void hold.work(undefined).then(() => {
        subscriber.next(new StreamableFile(Readable.from([TEXT])));
        subscriber.complete();
      });
    });
  }

  @Get('either/:kind')
  async either(@Param('kind') kind: string): Promise<StreamableFile | string> {
    await hold.work(undefined);
    return kind === 'file' ? new StreamableFile(Readable.from([TEXT])) : kind;
  }

  @Get('twice/file')
  @UseInterceptors(SingleFlightInterceptor)
  async twice(): Promise<StreamableFile> {
    await hold.work(undefined);
    return new StreamableFile(Readable.from([TEXT]));
  }

  @Get('plain')
  plain(): Promise<string> {
    return hold.work('plain');
  }
}

describe.each(PLATFORMS)('What can be read only once, on %s', (platform) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start(platform, { controllers: [Files], imports: httpFlights() });
  });
  afterAll(closeServers);

  const expectAllInFull = async (path: string): Promise<void> => {
    const burst = await server.burst(...times(5, { path }));
    expect(statuses(burst)).toEqual([200, 200, 200, 200, 200]);
    expect(bodies(burst).map((body) => body === TEXT)).toEqual([true, true, true, true, true]);
    expect(burst.runs).toBe(5);
  };

  it.each(['streamable', 'buffer', 'readable', 'response', 'observable'])(
    '%s: every client gets it in full, from a run of its own, and the route goes alone from then on',
    async (kind) => {
      const before = server.stats().bypassed;
      await expectAllInFull(`/${kind}`);
      // The first burst was boarded; the next one is not.
      expect(server.stats().bypassed).toBe(before);
      await expectAllInFull(`/${kind}`);
      expect(server.stats().bypassed).toBe(before + 5);
    },
  );

  it('says nothing of other routes', async () => {
    expect((await server.burst(...times(5, { path: '/plain' }))).runs).toBe(1);
  });

  it('makes a route go alone as one, whichever of its paths was asked for, for half a minute', async () => {
    expect((await server.burst(...times(3, { path: '/either/plain' }))).runs).toBe(1);
    expect((await server.burst({ path: '/either/file' })).runs).toBe(1);
    expect((await server.burst(...times(3, { path: '/either/plain' }))).runs).toBe(3);
    const now = performance.now.bind(performance);
    const later = jest.spyOn(performance, 'now').mockImplementation(() => now() + 29_000);
    expect((await server.burst(...times(3, { path: '/either/plain' }))).runs).toBe(3);
    later.mockImplementation(() => now() + 30_001);
    expect((await server.burst(...times(3, { path: '/either/plain' }))).runs).toBe(1);
    later.mockRestore();
  });

  it('does not hang a request before which the interceptor stands twice', async () => {
    const burst = await server.burst(...times(4, { path: '/twice/file' }));
    expect(burst.runs).toBe(4);
    expect(new Set(bodies(burst))).toEqual(new Set([TEXT]));
  });
});
