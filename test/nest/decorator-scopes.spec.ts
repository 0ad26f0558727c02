import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Inject, Injectable, Module, Scope } from '@nestjs/common';
import { ContextIdFactory, LazyModuleLoader, REQUEST } from '@nestjs/core';
import {
  getSingleFlightToken,
  SingleFlight,
  SingleFlightModule,
  singleFlightOf,
  SingleFlightService,
} from 'nestjs-singleflight';
import { closeApps, listen, PLATFORMS, startApp } from './support/apps.js';
import { rejection, until, Work } from './support/work.js';

const imports = [SingleFlightModule.forRoot(), SingleFlightModule.forFeature('users')];
const REMEDY =
  'Make it a singleton and pass it what it needs from the request, or call SingleFlightService.run with a key that ' +
  'holds everything it reads from the request.';

const work = new Work();

/** Who asks: what a singleton would not have. */
@Injectable({ scope: Scope.REQUEST })
class Visitor {
  constructor(@Inject(REQUEST) readonly request: unknown) {}
}

@Injectable({ scope: Scope.REQUEST })
class PerRequest {
  @SingleFlight(() => 'all', { group: 'users' })
  find(): Promise<string> {
    return work.execute();
  }

  @SingleFlight(() => 'all')
  async list(): Promise<string> {
    return work.execute();
  }
}

@Injectable()
class ThroughDependency {
  constructor(readonly visitor: Visitor) {}

  @SingleFlight(() => 'all', { group: 'users' })
  find(): Promise<string> {
    return work.execute(this.visitor);
  }
}

@Injectable({ scope: Scope.REQUEST, durable: true })
class Durable {
  @SingleFlight(() => 'all', { group: 'users' })
  find(): Promise<string> {
    return work.execute();
  }
}

afterEach(closeApps);
afterEach(async () => {
  work.resolve('done');
  work.args.length = 0;
});

/** How many executions the calls start. */
function executions(calls: () => unknown): number {
  const before = work.count;
  calls();
  return work.count - before;
}

describe('@SingleFlight fails closed: a provider that is made per request is never coalesced', () => {
  it.each([
    ['of REQUEST scope', PerRequest, 'find(), list()'],
    ['of REQUEST scope through a dependency', ThroughDependency, 'find()'],
    ['durable', Durable, 'find()'],
  ])('%s, with one warning that names it and the remedy', async (_, provider, methods) => {
    const { app, logger } = await startApp({
      imports,
      providers: [Visitor, provider, { provide: 'again', useClass: provider }],
    });
    expect(logger.warnings).toEqual([
      `${provider.name} is made per request, so calls of its ${methods} are never coalesced. ${REMEDY}`,
    ]);
    const contextId = ContextIdFactory.create();
    const instance = await app.resolve<PerRequest | ThroughDependency | Durable>(provider, contextId);
    expect(await app.resolve(provider, contextId)).toBe(instance);
    expect(executions(() => [instance.find(), instance.find(), instance.find()])).toBe(3);
    const users = app.get<SingleFlightService>(getSingleFlightToken('users'));
    expect(users.stats()).toMatchObject({ bypassed: 3, flights: 0, callers: 0 });
    expect(logger.warnings).toHaveLength(1);
  });

  it('whatever else the app has of the same class', async () => {
    const { app } = await startApp({
      imports,
      providers: [
        { provide: 'singleton', useClass: Durable, scope: Scope.DEFAULT },
        { provide: 'durable', useClass: Durable, scope: Scope.REQUEST, durable: true },
      ],
    });
    const singleton = await app.resolve<Durable>('singleton');
    const durable = await app.resolve<Durable>('durable', ContextIdFactory.create());
    expect(executions(() => [durable.find(), durable.find()])).toBe(2);
    expect(singleton).not.toBe(durable);
  });

  it("and refuses scope: 'class' at start", async () => {
    @Injectable()
    class Shared {
      constructor(readonly visitor: Visitor) {}

      @SingleFlight(() => 'all', { scope: 'class' })
      async find(): Promise<unknown> {
        return this.visitor.request;
      }
    }
    await expect(startApp({ imports, providers: [Visitor, Shared] })).rejects.toMatchObject({
      code: 'ERR_SINGLEFLIGHT_INVALID_OPTION',
      message:
        "Shared is made per request, and scope: 'class' of its find() would share one request's answer with another. " +
        `${REMEDY} [ERR_SINGLEFLIGHT_INVALID_OPTION]`,
    });
  });

  it('also in a module that does not know the service, because forRoot is not global', async () => {
    @Module({ providers: [Durable] })
    class OtherModule {}
    const { app } = await startApp({
      imports: [SingleFlightModule.forRoot({ isGlobal: false }), SingleFlightModule.forFeature('users'), OtherModule],
    });
    const durable = await app.resolve(Durable, ContextIdFactory.create(), { strict: false });
    expect(executions(() => [durable.find(), durable.find()])).toBe(2);
  });

  it('also in a module that is loaded later', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Shared {
      constructor(@Inject(REQUEST) readonly request: unknown) {}

      @SingleFlight(() => 'all', { scope: 'class' })
      find(): Promise<string> {
        return work.execute(this.request);
      }
    }
    @Module({ providers: [Durable, Shared] })
    class LaterModule {}
    const { app, logger } = await startApp({ imports });
    const later = await app.get(LazyModuleLoader).load(() => LaterModule);
    const durable = await later.resolve(Durable, ContextIdFactory.create());
    expect(executions(() => [durable.find(), durable.find()])).toBe(2);
    expect(logger.warnings).toEqual([expect.stringMatching(/^Durable is made per request, /)]);
    const shared = await later.resolve(Shared, ContextIdFactory.create());
    expect(() => shared.find()).toThrow(/^Shared is made per request, and scope: 'class' of its find\(\) would share /);
  });
});

describe.each(PLATFORMS)('@SingleFlight on a controller that is made per request, on %s', (platform) => {
  @Controller({ path: 'me', scope: Scope.REQUEST })
  class Me {
    constructor(@Inject(REQUEST) readonly request: { headers: Record<string, string> }) {}

    @Get()
    @SingleFlight(() => 'me')
    async find(): Promise<string> {
      await work.execute();
      return this.request.headers['x-user']!;
    }
  }

  it('never answers one request with what another one is to get', async () => {
    const { fetch } = await listen(platform, { imports, controllers: [Me] });
    const before = work.count;
    const answers = ['ada', 'bob'].map(async (user) => {
      const response = await fetch('/me', { headers: { 'x-user': user } });
      return response.text();
    });
    await until(() => work.count === before + 2);
    work.resolve('done');
    expect(await Promise.all(answers)).toEqual(['ada', 'bob']);
  });
});

describe('@SingleFlight on a TRANSIENT provider', () => {
  @Injectable({ scope: Scope.TRANSIENT })
  class Transient {
    @SingleFlight(() => 'own')
    find(): Promise<string> {
      return work.execute();
    }

    @SingleFlight(() => 'all', { scope: 'class' })
    list(): Promise<string> {
      return work.execute();
    }
  }

  @Injectable()
  class First {
    constructor(readonly transient: Transient) {}
  }

  @Injectable()
  class Second {
    constructor(readonly transient: Transient) {}
  }

  it('coalesces per instance, without a warning', async () => {
    const { app, logger } = await startApp({ imports, providers: [Transient, First, Second] });
    const [first, second] = [app.get(First).transient, app.get(Second).transient];
    expect(first).not.toBe(second);
    expect(executions(() => [first.find(), first.find()])).toBe(1);
    expect(executions(() => [second.find(), second.find()])).toBe(1);
    expect(logger.warnings).toEqual([]);
  });

  it("shares between its instances with scope: 'class'", async () => {
    const { app } = await startApp({ imports, providers: [Transient, First, Second] });
    const [first, second] = [app.get(First).transient, app.get(Second).transient];
    expect(executions(() => [first.list(), second.list(), second.list()])).toBe(1);
    expect(singleFlightOf(first, 'list').inFlight()).toMatchObject([{ callers: 3 }]);
    expect(singleFlightOf(second, 'list').forget()).toBe(true);
  });
});

describe("scope: 'class'", () => {
  @Injectable()
  class Rates {
    @SingleFlight((currency: string) => currency, { scope: 'class' })
    load(currency: string): Promise<string> {
      return work.execute(this, currency);
    }
  }

  @Injectable()
  class MoreRates extends Rates {}

  const providers = [Rates, { provide: 'again', useClass: Rates }, MoreRates];

  it('shares between instances of one class in one app', async () => {
    const { app } = await startApp({ imports, providers });
    expect(executions(() => [app.get(Rates).load('EUR'), app.get<Rates>('again').load('EUR')])).toBe(1);
    expect(executions(() => [app.get(Rates).load('USD'), app.get<Rates>('again').load('EUR')])).toBe(1);
  });

  it('does not share with a subclass', async () => {
    const { app } = await startApp({ imports, providers });
    expect(executions(() => [app.get(Rates).load('EUR'), app.get(MoreRates).load('EUR')])).toBe(2);
  });

  it('does not share between apps', async () => {
    const [first, second] = [await startApp({ imports, providers }), await startApp({ imports, providers })];
    expect(executions(() => [first.app.get(Rates).load('EUR'), second.app.get(Rates).load('EUR')])).toBe(2);
  });

  it('shares with nobody outside of Nest', async () => {
    const { app } = await startApp({ imports, providers });
    expect(executions(() => [app.get(Rates).load('EUR'), new Rates().load('EUR'), new Rates().load('EUR')])).toBe(3);
  });

  it('passes a rejection to all of them', async () => {
    const { app } = await startApp({ imports, providers });
    const calls = [rejection(app.get(Rates).load('EUR')), rejection(app.get<Rates>('again').load('EUR'))];
    const error = new Error('no rates');
    work.reject(error, work.count - 1);
    for (const rejected of await Promise.all(calls)) expect(rejected).toBe(error);
  });
});
