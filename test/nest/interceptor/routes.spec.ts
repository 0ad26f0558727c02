import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, UseInterceptors, Version, VersioningType, type INestApplication } from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightModule, SingleFlightShare } from 'nestjs-singleflight';
import {
  bodies,
  burstOn,
  closeServers,
  hold,
  PLATFORMS,
  TestServer,
  times,
  type Asked,
  type Platform,
} from './support/server.js';

// Everything here says 'public' and varies by nothing: only the address and the route are left to tell requests apart.

@Controller('items')
@SingleFlightShare('public', { vary: [] })
@UseInterceptors(SingleFlightInterceptor)
class Versions {
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

@Controller({ path: 'items', version: '3' })
@SingleFlightShare('public', { vary: [] })
@UseInterceptors(SingleFlightInterceptor)
class Third {
  readonly name: string = 'third';

  @Get()
  get(): Promise<string> {
    return hold.work(this.name);
  }
}

@Controller({ path: 'items', version: '4' })
class Fourth extends Third {
  override readonly name = 'fourth';
}

@Controller({ path: 'items', version: '5' })
class Fifth extends Third {
  override readonly name = 'fifth';
}

/** Another class with the very same handler function. */
@Controller({ path: 'items', version: '6' })
@SingleFlightShare('public', { vary: [] })
@UseInterceptors(SingleFlightInterceptor)
class Sixth {
  readonly name = 'sixth';
  declare readonly get: () => Promise<string>;
}
Object.defineProperty(Sixth.prototype, 'get', Object.getOwnPropertyDescriptor(Third.prototype, 'get')!);

/** Of the same name as another. */
const Namesake = ((): new () => object => {
  @Controller({ path: 'items', version: '7' })
  @SingleFlightShare('public', { vary: [] })
  @UseInterceptors(SingleFlightInterceptor)
  class Third {
    @Get()
    get(): Promise<string> {
      return hold.work('namesake');
    }
  }
  return Third;
})();

const CONTROLLERS = [Versions, Third, Fourth, Fifth, Sixth, Namesake];
const ANSWERS = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'namesake'];

describe.each(PLATFORMS)('Two routes never meet, on %s', (platform) => {
  afterEach(closeServers);

  const startWith = (setup: (app: INestApplication) => void): Promise<TestServer> =>
    TestServer.start(platform, { imports: [SingleFlightModule.forRoot()], controllers: CONTROLLERS, setup });

  it('where a header chooses the handler of one URL', async () => {
    const server = await startWith((app) => app.enableVersioning({ type: VersioningType.HEADER, header: 'X-Version' }));
    const asked = ANSWERS.map((_answer, i) => ({ path: '/items', headers: { 'X-Version': String(i + 1) } }));
    const burst = await server.burst(...asked, ...asked, ...asked);
    expect(bodies(burst)).toEqual([...ANSWERS, ...ANSWERS, ...ANSWERS]);
    expect(burst.runs).toBe(ANSWERS.length);
  });

  it('where the URI does', async () => {
    const server = await startWith((app) => app.enableVersioning({ type: VersioningType.URI }));
    const asked = ANSWERS.map((_answer, i) => ({ path: `/v${i + 1}/items` }));
    const burst = await server.burst(...asked, ...asked, ...asked);
    expect(bodies(burst)).toEqual([...ANSWERS, ...ANSWERS, ...ANSWERS]);
    expect(burst.runs).toBe(ANSWERS.length);
  });
});

@Controller('app')
@SingleFlightShare('public')
@UseInterceptors(SingleFlightInterceptor)
class Injected {
  @Get()
  get(): Promise<string> {
    return hold.work('of one app');
  }
}

@Controller('app')
@SingleFlightShare('public')
@UseInterceptors(new SingleFlightInterceptor())
class Ready {
  @Get()
  get(): Promise<string> {
    return hold.work('of one app');
  }
}

@Controller('app')
@SingleFlightShare('public')
class Bare {
  @Get()
  get(): Promise<string> {
    return hold.work('of one app');
  }
}

const ready = new SingleFlightInterceptor();

describe.each(PLATFORMS)('Two apps in one process never meet, on %s', (platform: Platform) => {
  afterEach(closeServers);

  it.each([
    ['an injected interceptor', { imports: [SingleFlightModule.forRoot()], controllers: [Injected] }],
    ['an injected interceptor, without the module', { controllers: [Injected] }],
    ['one ready-made interceptor on the class', { controllers: [Ready] }],
    [
      'one ready-made interceptor before both apps',
      { controllers: [Bare], setup: (app: INestApplication) => app.useGlobalInterceptors(ready) },
    ],
  ])('with %s', async (_how, options) => {
    const one = await TestServer.start(platform, options);
    const other = await TestServer.start(platform, options);
    const asked: Asked = { path: '/app', headers: { Host: 'app.example' } };
    const { runs } = await burstOn(
      [one, other].flatMap((server) => times(4, asked).map((each) => [server, each] as const)),
      () => undefined,
    );
    expect(runs).toBe(2);
  });
});
