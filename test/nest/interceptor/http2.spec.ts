import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, UseInterceptors } from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightShare } from 'nestjs-singleflight';
import { closeServers, hold, httpFlights, statuses, TestServer, times, type Asked } from './support/server.js';

@Controller()
@UseInterceptors(SingleFlightInterceptor)
class Products {
  @Get('client')
  client(): Promise<string> {
    return hold.work('client');
  }

  @Get('public')
  @SingleFlightShare('public', { vary: [] })
  public(): Promise<string> {
    return hold.work('public');
  }
}

describe('Over HTTP/2, on Fastify', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start('Fastify', { imports: httpFlights(), controllers: [Products], http2: true });
  });
  afterAll(closeServers);

  it.each(['/client', '/public'])('merges identical requests: %s', async (path) => {
    const burst = await server.burst(...times(4, { path }));
    expect(burst.runs).toBe(1);
    expect(statuses(burst)).toEqual([200, 200, 200, 200]);
  });

  it.each(['/client', '/public'])('splits by :authority: %s', async (path) => {
    const asked = ['one.example:1', 'two.example:1', 'one.example:2'].map((host) => ({
      path,
      headers: { ':authority': host },
    }));
    expect((await server.burst(...asked, ...asked)).runs).toBe(3);
  });

  it('splits by :authority where a trusted proxy tells one host for all', async () => {
    const trusting = await TestServer.start('Fastify', {
      imports: httpFlights(),
      controllers: [Products],
      http2: true,
      trustProxy: true,
    });
    const asked = ['one.example', 'two.example'].map((host) => ({
      path: '/public',
      headers: { ':authority': host, 'x-forwarded-host': 'app.example' },
    }));
    expect((await trusting.burst(...asked, ...asked)).runs).toBe(2);
  });

  it('splits by any header', async () => {
    const asked = ['one', 'two'].map((cookie) => ({ path: '/client', headers: { cookie } }));
    expect((await server.burst(...asked, ...asked)).runs).toBe(2);
  });

  it('lets a body go alone that no header announces', async () => {
    const asked: Asked = { path: '/client', body: 'some' };
    expect((await server.burst(...times(3, asked))).runs).toBe(3);
  });
});
