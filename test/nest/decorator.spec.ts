import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Inject, Injectable } from '@nestjs/common';
import { SingleFlight, singleFlightOf, SingleFlightModule } from 'nestjs-singleflight';
import { closeApps, startApp } from './support/apps.js';
import { rejection, Work } from './support/work.js';

@Injectable()
class Users {
  readonly work = new Work();

  @SingleFlight((id: string) => id)
  find(id: string, locale = 'en'): Promise<string> {
    return this.work.execute('find', id, locale);
  }

  @SingleFlight((id: string) => id)
  async load(id: string): Promise<string> {
    return this.work.execute('load', id);
  }
}

const imports = [SingleFlightModule.forRoot()];

afterEach(closeApps);

describe('@SingleFlight on a singleton', () => {
  it('runs one execution for all who ask for one key', async () => {
    const { app } = await startApp({ imports, providers: [Users] });
    const users = app.get(Users);
    const calls = Array.from({ length: 100 }, () => users.find('1'));
    expect(users.work.args).toEqual([['find', '1', 'en']]);
    users.work.resolve('Ada');
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['Ada']));
    void users.find('1');
    expect(users.work.count).toBe(2);
  });

  it('keeps keys, and methods, apart', async () => {
    const { app } = await startApp({ imports, providers: [Users] });
    const users = app.get(Users);
    const calls = [users.find('1'), users.find('2'), users.load('1'), users.load('1')];
    expect(users.work.args).toEqual([
      ['find', '1', 'en'],
      ['find', '2', 'en'],
      ['load', '1'],
    ]);
    users.work.resolve('Ada');
    await Promise.all(calls);
  });

  it('rejects all with the same error', async () => {
    const { app } = await startApp({ imports, providers: [Users] });
    const users = app.get(Users);
    const calls = [rejection(users.load('1')), rejection(users.load('1')), rejection(users.load('1'))];
    const error = new Error('no database');
    users.work.reject(error);
    for (const rejected of await Promise.all(calls)) expect(rejected).toBe(error);
    expect(users.work.count).toBe(1);
  });

  it('rejects all with what the method throws at once, and frees the key', async () => {
    class Broken {
      calls = 0;

      @SingleFlight(() => 'all')
      find(): Promise<string> {
        throw new Error(`broken ${++this.calls}`);
      }
    }
    const broken = new Broken();
    await expect(broken.find()).rejects.toThrow('broken 1');
    await expect(broken.find()).rejects.toThrow('broken 2');
  });

  it('leaves each caller in its own async context', async () => {
    const requests = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    @Injectable()
    class Contexts {
      readonly work = new Work();

      @SingleFlight(() => 'all')
      async find(): Promise<string> {
        seen.push(['inside', requests.getStore()]);
        return this.work.execute();
      }
    }
    const { app } = await startApp({ imports, providers: [Contexts] });
    const contexts = app.get(Contexts);
    const call = (request: string) =>
      requests.run(request, async () => {
        await contexts.find();
        seen.push([request, requests.getStore()]);
      });
    const calls = [call('a'), call('b'), call('c')];
    requests.run('somebody else', () => {
      contexts.work.resolve('done');
    });
    await Promise.all(calls);
    expect(seen).toEqual([
      ['inside', 'a'],
      ['a', 'a'],
      ['b', 'b'],
      ['c', 'c'],
    ]);
  });

  it('keeps the name and the length of the method', () => {
    const { find, load } = Users.prototype;
    expect([find.name, find.length, load.name, load.length]).toEqual(['find', 1, 'load', 1]);
    expect(find).not.toBe(load);
  });

  it('adds nothing to the instance that printing or comparing it would show', async () => {
    @Injectable()
    class Plain {
      readonly field = 1;

      @SingleFlight(() => 'all')
      async find(): Promise<number> {
        return this.field;
      }
    }
    const { app } = await startApp({ imports, providers: [Plain] });
    const plain = app.get(Plain);
    await plain.find();
    expect(plain).toEqual({ field: 1 });
    expect(Reflect.ownKeys(plain)).toEqual(['field']);
    const inherited = [];
    for (const name in plain) inherited.push(name);
    expect(inherited).toEqual(['field']);
  });

  it('works on a frozen instance, which still belongs to its app', async () => {
    @Injectable()
    class Frozen {
      readonly work = new Work();

      constructor() {
        Object.freeze(this);
      }

      @SingleFlight((id: string) => id, { group: 'frozen' })
      find(id: string): Promise<string> {
        return this.work.execute(id);
      }
    }
    const { app } = await startApp({
      imports: [...imports, SingleFlightModule.forFeature('frozen')],
      providers: [Frozen],
    });
    const frozen = app.get(Frozen);
    const calls = [frozen.find('1'), frozen.find('1')];
    expect(frozen.work.count).toBe(1);
    expect(singleFlightOf(frozen, 'find').inFlight()).toMatchObject([{ callers: 2 }]);
    frozen.work.resolve('done');
    await Promise.all(calls);
  });
});

describe('Two instances never meet', () => {
  it('in two apps of one process', async () => {
    const [first, second] = [
      await startApp({ imports, providers: [Users] }),
      await startApp({ imports, providers: [Users] }),
    ].map(({ app }) => app.get(Users));
    const calls = [first!.find('1'), second!.find('1'), first!.find('1'), second!.find('1')];
    expect([first!.work.count, second!.work.count]).toEqual([1, 1]);
    first!.work.resolve('first');
    second!.work.resolve('second');
    expect(await Promise.all(calls)).toEqual(['first', 'second', 'first', 'second']);
  });

  it('as two providers of one class', async () => {
    const { app } = await startApp({ imports, providers: [Users, { provide: 'others', useClass: Users }] });
    const [users, others] = [app.get(Users), app.get<Users>('others')];
    const calls = [users.find('1'), others.find('1')];
    expect([users.work.count, others.work.count]).toEqual([1, 1]);
    users.work.resolve('users');
    others.work.resolve('others');
    expect(await Promise.all(calls)).toEqual(['users', 'others']);
  });

  it('as two instances that Nest did not make, which coalesce all the same', async () => {
    const { app } = await startApp({
      imports,
      providers: [
        { provide: 'a', useFactory: () => new Users() },
        { provide: 'b', useValue: new Users() },
      ],
    });
    for (const users of [app.get<Users>('a'), app.get<Users>('b'), new Users()]) {
      const calls = [users.find('1'), users.find('1')];
      expect(users.work.count).toBe(1);
      users.work.resolve('Ada');
      expect(await Promise.all(calls)).toEqual(['Ada', 'Ada']);
    }
  });

  it('without the module in the app', async () => {
    const { app } = await startApp({ providers: [Users] });
    const users = app.get(Users);
    const calls = [users.find('1'), users.find('1')];
    expect(users.work.count).toBe(1);
    users.work.resolve('Ada');
    await Promise.all(calls);
  });
});

describe('Inheritance', () => {
  class Repository {
    readonly work = new Work();

    @SingleFlight((id: string) => id)
    find(id: string): Promise<string> {
      return this.work.execute(id);
    }
  }

  @Injectable()
  class Products extends Repository {}

  @Injectable()
  class Orders extends Repository {
    @Inject('setting') readonly setting!: string;
  }

  @Injectable()
  class Cached extends Repository {
    executions = 0;

    @SingleFlight((id: string) => id)
    override async find(id: string): Promise<string> {
      this.executions++;
      return `cached ${await super.find(id)}`;
    }
  }

  const providers = [Products, Orders, Cached, { provide: 'setting', useValue: 'set' }];

  it('an inherited method on two subclasses does not meet', async () => {
    const { app } = await startApp({ imports, providers });
    const [products, orders] = [app.get(Products), app.get(Orders)];
    const calls = [products.find('1'), orders.find('1'), products.find('1'), orders.find('1')];
    expect([products.work.count, orders.work.count]).toEqual([1, 1]);
    products.work.resolve('product');
    orders.work.resolve('order');
    expect(await Promise.all(calls)).toEqual(['product', 'order', 'product', 'order']);
    expect(orders.setting).toBe('set');
  });

  it('a decorated method and the decorated one it overrides neither meet nor wait for each other', async () => {
    const { app } = await startApp({ imports, providers });
    const cached = app.get(Cached);
    const calls = [cached.find('1'), cached.find('1'), cached.find('1')];
    expect([cached.executions, cached.work.count]).toEqual([1, 1]);
    cached.work.resolve('product');
    expect(await Promise.all(calls)).toEqual(['cached product', 'cached product', 'cached product']);
  });

  it('forgets the nearest method of a name', async () => {
    const { app } = await startApp({ imports, providers });
    const cached = app.get(Cached);
    const old = cached.find('1');
    expect(singleFlightOf(cached, 'find').forget('1')).toBe(true);
    const fresh = cached.find('1');
    // The inner flight was not forgotten.
    expect([cached.executions, cached.work.count]).toEqual([2, 1]);
    cached.work.resolve('product');
    expect(await Promise.all([old, fresh])).toEqual(['cached product', 'cached product']);
  });
});

describe('@SingleFlight on other methods', () => {
  it('static ones: one group per class', async () => {
    class Rates {
      static readonly work = new Work();

      @SingleFlight((currency: string) => currency)
      static load(currency: string): Promise<string> {
        return this.work.execute(currency);
      }
    }
    class MoreRates extends Rates {}
    const calls = [Rates.load('EUR'), Rates.load('EUR'), MoreRates.load('EUR'), MoreRates.load('EUR')];
    expect(Rates.work.count).toBe(2);
    expect(singleFlightOf(Rates, 'load').inFlight()).toMatchObject([{ key: 'EUR', callers: 2 }]);
    expect(singleFlightOf(MoreRates, 'load').forget('EUR')).toBe(true);
    Rates.work.resolve('1');
    await Promise.all(calls);
  });

  it('private ones', async () => {
    class Users {
      readonly work = new Work();

      both(): Promise<string[]> {
        return Promise.all([this.load('1'), this.load('1')]);
      }

      @SingleFlight((id: string) => id)
      private async load(id: string): Promise<string> {
        return this.work.execute(id);
      }
    }
    const users = new Users();
    const both = users.both();
    expect(users.work.count).toBe(1);
    users.work.resolve('Ada');
    expect(await both).toEqual(['Ada', 'Ada']);
  });

  it('symbol-named ones', async () => {
    const load = Symbol('load');
    class Users {
      readonly work = new Work();

      @SingleFlight((id: string) => id)
      async [load](id: string): Promise<string> {
        return this.work.execute(id);
      }
    }
    const users = new Users();
    const calls = [users[load]('1'), users[load]('1')];
    expect(users.work.count).toBe(1);
    expect(singleFlightOf(users, load).inFlight()).toMatchObject([{ key: '1', callers: 2 }]);
    users.work.resolve('Ada');
    await Promise.all(calls);
  });

  it('ones without a declared return type', async () => {
    class Users {
      readonly work = new Work();

      @SingleFlight((id: string) => id)
      find(id: string) {
        return this.work.execute(id);
      }
    }
    const users = new Users();
    const calls = [users.find('1'), users.find('1'), users.find('1')];
    expect(users.work.count).toBe(1);
    users.work.resolve('Ada');
    expect(await Promise.all(calls)).toEqual(['Ada', 'Ada', 'Ada']);
  });

  it('ones that return another thenable, which is asked once', async () => {
    class Query implements PromiseLike<string> {
      static asked = 0;

      then<A = string, B = never>(
        onValue?: ((value: string) => A | PromiseLike<A>) | null,
        onError?: ((error: unknown) => B | PromiseLike<B>) | null,
      ): Promise<A | B> {
        Query.asked++;
        return Promise.resolve('row').then(onValue, onError);
      }
    }
    class Users {
      @SingleFlight(() => 'all')
      find(): PromiseLike<string> {
        return new Query();
      }
    }
    const users = new Users();
    expect(await Promise.all([users.find(), users.find(), users.find()])).toEqual(['row', 'row', 'row']);
    expect(Query.asked).toBe(1);
  });

  it('ones that are called without an instance, which share nothing', async () => {
    const work = new Work();
    class Users {
      @SingleFlight(() => 'all')
      async find(): Promise<string> {
        return work.execute();
      }
    }
    const { find } = Users.prototype;
    const calls = [find.call(undefined as never), find.call(undefined as never)];
    expect(work.count).toBe(2);
    work.resolve('alone');
    await Promise.all(calls);
  });
});
