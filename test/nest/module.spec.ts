import { EventEmitter } from 'node:events';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable, Module } from '@nestjs/common';
import {
  getSingleFlightToken,
  InjectSingleFlight,
  SingleFlight,
  SingleFlightModule,
  SingleFlightService,
  type SingleFlightModuleOptions,
} from 'nestjs-singleflight';
import { closeApps, startApp } from './support/apps.js';
import { Work } from './support/work.js';

@Injectable()
class Catalog {
  readonly work = new Work();

  constructor(readonly flights: SingleFlightService) {}

  @SingleFlight((id: string) => id)
  find(id: string): Promise<string> {
    return this.work.execute(id);
  }
}

@Module({ providers: [Catalog] })
class CatalogModule {}

@Injectable()
class Settings {
  readonly lingerMs = 20;

  createSingleFlightOptions(): SingleFlightModuleOptions {
    return { name: 'from settings', lingerMs: this.lingerMs };
  }
}

@Module({ providers: [Settings], exports: [Settings] })
class SettingsModule {}

afterEach(closeApps);
afterEach(() => {
  jest.useRealTimers();
});

/** Whether a second call, so many milliseconds after the first, joined it. */
async function joinsAfter(ms: number, service: SingleFlightService): Promise<boolean> {
  const work = new Work();
  jest.useFakeTimers();
  const first = service.run('key', () => work.execute());
  await jest.advanceTimersByTimeAsync(ms);
  const second = service.run('key', () => work.execute());
  const joined = work.count === 1;
  work.resolve('done');
  await Promise.all([first, second]);
  jest.useRealTimers();
  return joined;
}

describe('SingleFlightModule.forRoot', () => {
  it('makes the service known in every module', async () => {
    const { app } = await startApp({ imports: [SingleFlightModule.forRoot(), CatalogModule] });
    expect(app.get(Catalog).flights).toBe(app.get(SingleFlightService));
    expect(app.get(SingleFlightService).group.name).toBe('default');
    expect(app.get(SingleFlightService).enabled).toBe(true);
  });

  it('lets nobody join a call that is older than 30 seconds, unless told otherwise', async () => {
    const { app } = await startApp({ imports: [SingleFlightModule.forRoot()] });
    expect(await joinsAfter(29_999, app.get(SingleFlightService))).toBe(true);
    expect(await joinsAfter(30_000, app.get(SingleFlightService))).toBe(false);
    const longer = await startApp({ imports: [SingleFlightModule.forRoot({ joinWindowMs: 60_000 })] });
    expect(await joinsAfter(59_999, longer.app.get(SingleFlightService))).toBe(true);
    expect(await joinsAfter(60_000, longer.app.get(SingleFlightService))).toBe(false);
  });

  it('has the same default for a service and a decorated method outside of Nest', async () => {
    expect(await joinsAfter(29_999, new SingleFlightService())).toBe(true);
    expect(await joinsAfter(30_000, new SingleFlightService())).toBe(false);
    jest.useFakeTimers();
    const catalog = new Catalog(new SingleFlightService());
    const first = catalog.find('1');
    await jest.advanceTimersByTimeAsync(30_000);
    const second = catalog.find('1');
    expect(catalog.work.count).toBe(2);
    catalog.work.resolve('done');
    await Promise.all([first, second]);
  });

  it('gives its options to every group in the app', async () => {
    const { app } = await startApp({
      imports: [SingleFlightModule.forRoot({ name: 'mine', describeKey: () => 'hidden' }), CatalogModule],
    });
    expect(app.get(SingleFlightService).group.name).toBe('mine');
    const catalog = app.get(Catalog);
    void catalog.flights.run('secret', () => catalog.work.execute());
    expect(catalog.flights.inFlight()).toMatchObject([{ key: 'hidden', callers: 1 }]);
  });

  it('is not known outside of its module with isGlobal: false', async () => {
    const imports = [SingleFlightModule.forRoot({ isGlobal: false }), CatalogModule];
    await expect(startApp({ imports })).rejects.toThrow(/can't resolve dependencies of the Catalog/);
    const { app } = await startApp({ imports: imports.slice(0, 1), providers: [Catalog] });
    expect(app.get(Catalog).flights).toBe(app.get(SingleFlightService));
  });

  it('may be imported twice with the same options', async () => {
    @Module({ imports: [SingleFlightModule.forRoot({ lingerMs: 5 })] })
    class Other {}
    const { app } = await startApp({ imports: [SingleFlightModule.forRoot({ lingerMs: 5 }), Other, CatalogModule] });
    expect(app.get(Catalog).flights.group).toBe(app.get(SingleFlightService, { strict: false }).group);
  });

  it('is refused twice with different options', async () => {
    @Module({ imports: [SingleFlightModule.forRoot({ lingerMs: 6 })] })
    class Other {}
    await expect(startApp({ imports: [SingleFlightModule.forRoot({ lingerMs: 5 }), Other] })).rejects.toMatchObject({
      code: 'ERR_SINGLEFLIGHT_INVALID_OPTION',
      message:
        'SingleFlightModule.forRoot is imported twice with different options. Import it once, in the root module; ' +
        'a group with options of its own is for forFeature. [ERR_SINGLEFLIGHT_INVALID_OPTION]',
    });
  });

  it.each([
    [
      { lingerMs: -1 },
      'forRoot: `lingerMs` is the number -1. It must be a number of milliseconds from 0 to 2147483647.',
    ],
    [{ enabled: 'yes' }, 'forRoot: `enabled` is the string "yes". It must be true or false.'],
    [
      { http: { share: 'all' } },
      "forRoot({ http }): `share` is the string \"all\". It must be 'client', 'user' or 'public'.",
    ],
    [
      { http: { vary: 'accept' } },
      'forRoot({ http }): `vary` is the string "accept". It must be an array of header names.',
    ],
    [
      { http: { vary: ['accept', '*'] } },
      'forRoot({ http }): `vary` is the string "*". It must be an array of header names, each without blanks and none of them *.',
    ],
    [
      { http: { vary: ['accept, origin'] } },
      'forRoot({ http }): `vary` is the string "accept, origin". It must be an array of header names, each without blanks and none of them *.',
    ],
    [
      { http: { identity: 1 } },
      'forRoot({ http }): `identity` is the number 1. It must be a function from an execution context to a key.',
    ],
    [
      { http: { ttl: 1 } },
      /^forRoot\(\{ http \}\): there is no option `ttl`\. The options are `share`, `identity`, `vary`, `waitTimeoutMs`/,
    ],
    [
      { http: { share: 'user' } },
      "forRoot({ http: { share: 'user' } }) shares answers per 'user', and nothing says who asks. " +
        'Give forRoot({ http: { identity: (context) => … } }), a function that returns a key of the user.',
    ],
    [
      { waitTimeoutMs: 5 },
      /^forRoot: there is no option `waitTimeoutMs`\. .* It is given to a call, to @SingleFlight, to wrap, or to forRoot\(\{ http \}\)\. \[/,
    ],
    [{ name: 'shop', lingerMs: -1 }, /^forRoot: `lingerMs` is the number -1\./],
    [{ fleet: { app: '' } }, /^forRoot\(\{ fleet \}\): `app` is the string ""\./],
    [{ fleet: { app: 'shop', engine: new EventEmitter() } }, /^forRoot\(\{ fleet \}\): `engine` is an EventEmitter\./],
    [{ ttl: 5 }, /^forRoot: there is no option `ttl`\. The options are `name`, `joinWindowMs`, .*`enabled`, `http`/],
  ])('is refused at start with %j', async (options, message) => {
    const module = SingleFlightModule.forRoot(options as SingleFlightModuleOptions);
    await expect(startApp({ imports: [module] })).rejects.toMatchObject({
      code: 'ERR_SINGLEFLIGHT_INVALID_OPTION',
      message:
        typeof message === 'string' ? `${message} [ERR_SINGLEFLIGHT_INVALID_OPTION]` : expect.stringMatching(message),
    });
  });

  it('may be left out: the bare class is forRoot() for the module that imports it', async () => {
    const { app } = await startApp({ imports: [SingleFlightModule], providers: [Catalog] });
    const catalog = app.get(Catalog);
    expect(catalog.flights).toBe(app.get(getSingleFlightToken()));
    expect(await joinsAfter(30_000, catalog.flights)).toBe(false);
    catalog.flights.enabled = false;
    const calls = [catalog.find('1'), catalog.find('1')];
    expect(catalog.work.count).toBe(2);
    catalog.work.resolve('done');
    await Promise.all(calls);
  });
});

describe('SingleFlightModule.forRootAsync', () => {
  const useFactory = (settings: Settings): SingleFlightModuleOptions => ({
    name: 'from factory',
    lingerMs: settings.lingerMs,
  });

  it.each([
    ['useFactory', 'from factory', { imports: [SettingsModule], inject: [Settings], useFactory }],
    ['useClass', 'from settings', { useClass: Settings }],
    ['useExisting', 'from settings', { imports: [SettingsModule], useExisting: Settings }],
  ])('takes its options from %s', async (_, name, options) => {
    const { app } = await startApp({ imports: [SingleFlightModule.forRootAsync(options), CatalogModule] });
    const service = app.get(SingleFlightService);
    expect(app.get(Catalog).flights).toBe(service);
    expect(service.group.name).toBe(name);
    const work = new Work();
    const first = service.run('key', () => work.execute());
    work.resolve('lingers');
    await first;
    expect(await service.do('key', () => work.execute())).toMatchObject({ value: 'lingers', role: 'follower' });
    expect(service.forget('key')).toBe(true);
  });

  it('waits for options that come later', async () => {
    const options = { useFactory: () => Promise.resolve({ name: 'later' }) };
    const { app } = await startApp({ imports: [SingleFlightModule.forRootAsync(options)] });
    expect(app.get(SingleFlightService).group.name).toBe('later');
  });

  it('is not known outside of its module with isGlobal: false', async () => {
    const module = SingleFlightModule.forRootAsync({ useClass: Settings, isGlobal: false });
    await expect(startApp({ imports: [module, CatalogModule] })).rejects.toThrow(/can't resolve dependencies/);
  });

  it('is refused at start with a bad option', async () => {
    const module = SingleFlightModule.forRootAsync({ useFactory: () => ({ joinWindowMs: 0 }) });
    await expect(startApp({ imports: [module] })).rejects.toMatchObject({
      message:
        'forRoot: `joinWindowMs` is the number 0. It must be a number of milliseconds above 0, or Infinity. [ERR_SINGLEFLIGHT_INVALID_OPTION]',
    });
  });
});

describe('SingleFlightModule.forFeature', () => {
  @Injectable()
  class Prices {
    constructor(
      @InjectSingleFlight('prices') readonly prices: SingleFlightService,
      @InjectSingleFlight() readonly root: SingleFlightService,
    ) {}
  }

  @Module({ imports: [SingleFlightModule.forFeature('prices')], providers: [Prices] })
  class PricesModule {}

  it('gives a group of its own by name', async () => {
    const { app } = await startApp({ imports: [SingleFlightModule.forRoot(), PricesModule] });
    const { prices, root } = app.get(Prices);
    expect(root).toBe(app.get(SingleFlightService));
    expect(prices).toBe(app.get(getSingleFlightToken('prices'), { strict: false }));
    expect(prices.group.name).toBe('prices');
    const work = new Work();
    const calls = [prices.run('1', () => work.execute()), root.run('1', () => work.execute())];
    expect(work.count).toBe(2);
    work.resolve('done');
    await Promise.all(calls);
  });

  it('is one group for one name, in however many modules', async () => {
    @Injectable()
    class Other {
      constructor(@InjectSingleFlight('prices') readonly prices: SingleFlightService) {}
    }
    @Module({ imports: [SingleFlightModule.forFeature({ name: 'prices', lingerMs: 50 }, 'b')], providers: [Other] })
    class OtherModule {}
    const { app } = await startApp({ imports: [PricesModule, OtherModule, SingleFlightModule.forRoot()] });
    const { prices } = app.get(Prices);
    expect(app.get(Other).prices).toBe(prices);
    // The options hold wherever they are given.
    await prices.run('1', () => 'lingers');
    expect(prices.group.size).toBe(1);
    prices.forgetAll();
  });

  it("has the root's options where it has none of its own", async () => {
    const { app } = await startApp({
      imports: [
        SingleFlightModule.forFeature('plain', { name: 'own', lingerMs: 0 }),
        SingleFlightModule.forRoot({ name: 'root', lingerMs: 50, describeKey: () => 'hidden' }),
      ],
    });
    const [plain, own] = ['plain', 'own'].map((name) => app.get<SingleFlightService>(getSingleFlightToken(name)));
    await Promise.all([plain!.run('1', () => 'lingers'), own!.run('1', () => 'does not')]);
    expect([plain!.group.size, own!.group.size]).toEqual([1, 0]);
    expect(plain!.group.name).toBe('plain');
    plain!.forgetAll();
  });

  it('is refused at start with different options for one name', async () => {
    @Module({ imports: [SingleFlightModule.forFeature({ name: 'prices', lingerMs: 6 })] })
    class OtherModule {}
    const imports = [
      SingleFlightModule.forRoot(),
      SingleFlightModule.forFeature({ name: 'prices', lingerMs: 5 }),
      OtherModule,
    ];
    await expect(startApp({ imports })).rejects.toMatchObject({
      code: 'ERR_SINGLEFLIGHT_INVALID_OPTION',
      group: 'prices',
      message:
        "The group 'prices' is registered twice with different options. Give them once, and elsewhere only the name: " +
        "SingleFlightModule.forFeature('prices'). [ERR_SINGLEFLIGHT_INVALID_OPTION]",
    });
  });

  it.each([
    [{ name: 'prices', lingerMs: -1 }, /^forFeature\('prices'\): `lingerMs` is the number -1\. It must be /],
    [
      { name: '' },
      /^forFeature\(''\): `name` is the string ""\. It must be a string that is not empty\. \[ERR_SINGLEFLIGHT_INVALID_OPTION\]$/,
    ],
    [
      '',
      /^forFeature\(''\): `name` is the string ""\. It must be a string that is not empty\. \[ERR_SINGLEFLIGHT_INVALID_OPTION\]$/,
    ],
    [
      { name: 'prices', ttl: 1 },
      /^forFeature\('prices'\): there is no option `ttl`\. The options are `name`, `joinWindowMs`, /,
    ],
    [
      { name: 'prices', waitTimeoutMs: 1 },
      /^forFeature\('prices'\): .* It is given to a call, to @SingleFlight, to wrap, /,
    ],
  ])('is refused with %j', (group, message) => {
    expect(() => SingleFlightModule.forFeature(group)).toThrow(message);
  });

  it('gives two apps two groups', async () => {
    const first = await startApp({ imports: [SingleFlightModule.forRoot(), PricesModule] });
    const second = await startApp({ imports: [SingleFlightModule.forRoot(), PricesModule] });
    expect(first.app.get(Prices).prices).not.toBe(second.app.get(Prices).prices);
    first.app.get(Prices).prices.enabled = false;
    expect(first.app.get(SingleFlightService).enabled).toBe(false);
    expect(second.app.get(Prices).prices.enabled).toBe(true);
  });
});

describe('getSingleFlightToken', () => {
  it('is one symbol for one name, in every copy of the library', () => {
    expect(getSingleFlightToken()).toBe(Symbol.for('nestjs-singleflight@0:SingleFlightModule.forRoot()'));
    expect(getSingleFlightToken('prices')).toBe(
      Symbol.for("nestjs-singleflight@0:SingleFlightModule.forFeature('prices')"),
    );
  });

  it('says in what Nest prints which import is missing', async () => {
    @Injectable()
    class Prices {
      constructor(@InjectSingleFlight('prices') readonly prices: SingleFlightService) {}
    }
    await expect(startApp({ imports: [SingleFlightModule.forRoot()], providers: [Prices] })).rejects.toThrow(
      /can't resolve dependencies of the Prices[^]*Symbol\(nestjs-singleflight@0:SingleFlightModule\.forFeature\('prices'\)\)/,
    );
    @Injectable()
    class Root {
      constructor(@InjectSingleFlight() readonly root: SingleFlightService) {}
    }
    await expect(startApp({ providers: [Root] })).rejects.toThrow(
      /can't resolve dependencies of the Root[^]*Symbol\(nestjs-singleflight@0:SingleFlightModule\.forRoot\(\)\)/,
    );
  });

  it('lets a test put another service in its place', async () => {
    const double = new SingleFlightService();
    @Injectable()
    class Prices {
      constructor(@InjectSingleFlight('prices') readonly flights: SingleFlightService) {}
    }
    const { app } = await startApp({
      providers: [Prices, { provide: getSingleFlightToken('prices'), useValue: double }],
    });
    expect(app.get(Prices).flights).toBe(double);
  });
});
