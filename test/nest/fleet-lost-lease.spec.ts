import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Res, UseInterceptors } from '@nestjs/common';
import { FlightSignal, SingleFlightInterceptor, SingleFlightModule, SingleFlightShare } from 'nestjs-singleflight';
import { MemoryEngine, MemoryHub } from 'nestjs-singleflight/fleet';
import { deferred } from '../support/deferred.js';
import { until } from './interceptor/support/client.js';
import { closeServers, PLATFORMS, TestServer } from './interceptor/support/server.js';

interface AnyResponse {
  status(code: number): this;
  header(name: string, value: string): this;
}

let runs = 0;
let stopped = 0;
let gate = deferred();

@Controller()
@UseInterceptors(SingleFlightInterceptor)
class Prices {
  @Get('prices')
  @SingleFlightShare('public', { fleet: 'prices' })
  async all(@FlightSignal() signal: AbortSignal, @Res({ passthrough: true }) response: AnyResponse): Promise<string> {
    const run = ++runs;
    const stop = deferred();
    signal.addEventListener('abort', () => {
      stopped++;
      stop.reject(signal.reason);
    });
    await Promise.race([gate.promise, stop.promise]);
    response.status(203).header('cache-control', `private, run=${run}`);
    return `run ${run}`;
  }
}

/** Tells which flight it leads, so that the test can take that away. */
class Told extends MemoryEngine {
  led: { readonly flight: string; readonly token: string } | undefined = undefined;

  override async join(request: Parameters<MemoryEngine['join']>[0]): ReturnType<MemoryEngine['join']> {
    const joined = await super.join(request);
    if (joined.role === 'leader') this.led = { flight: request.flight, token: request.token };
    return joined;
  }
}

describe.each(PLATFORMS)('A request whose process has lost the lead, on %s', (platform) => {
  afterEach(closeServers);

  it('is answered as all others are: with the value, the status and the headers of who leads now', async () => {
    runs = 0;
    stopped = 0;
    gate = deferred();
    const hub = new MemoryHub();
    const engines = [new Told(hub), new Told(hub)] as const;
    const start = (engine: MemoryEngine): Promise<TestServer> =>
      TestServer.start(platform, {
        controllers: [Prices],
        imports: [
          SingleFlightModule.forRoot({ fleet: { app: 'shop', engine, leaseMs: 900 } }),
          SingleFlightModule.forFeature('http'),
        ],
      });
    const [one, other] = [await start(engines[0]), await start(engines[1])];
    const asked = { path: '/prices', headers: { Host: 'shop.example' } };
    const leader = one.send(asked);
    await until(() => runs === 1);
    const follower = one.send(asked);
    await until(() => one.stats().callers === 2);
    await engines[0].abandon({ ...engines[0].led!, unlessWaiting: false });
    const elsewhere = other.send(asked);
    await until(() => runs === 2);
    // It hears of it when it renews its lease.
    await until(() => stopped === 1);
    gate.resolve();
    for (const { status, headers, body } of await Promise.all([leader, follower, elsewhere])) {
      expect([status, headers['cache-control'], body]).toEqual([203, 'private, run=2', 'run 2']);
    }
    expect(runs).toBe(2);
  });
});
