import { describe, expect, it } from '@jest/globals';
import { SingleFlight, singleFlightOf } from 'nestjs-singleflight';
import { firstValueFrom, from, type Observable } from 'rxjs';
import { rejection, Work } from './support/work.js';

const load = Symbol('load');

class Users {
  static readonly rates = new Work();
  readonly work = new Work();

  @SingleFlight((currency: string) => currency)
  static async rate(currency: string): Promise<string> {
    return Users.rates.execute(currency);
  }

  @SingleFlight((id: string) => id)
  async find(id: string, locale = 'en'): Promise<string> {
    return this.work.execute('find', id, locale);
  }

  @SingleFlight((id: string) => id)
  promise(id: string): Promise<string> {
    return this.work.execute('promise', id);
  }

  @SingleFlight((id: string) => id)
  watch(id: string): Observable<string> {
    return from(this.work.execute('watch', id));
  }

  @SingleFlight((id: string) => id)
  async [load](id: string): Promise<string> {
    return this.work.execute('load', id);
  }

  both(id: string): Promise<string[]> {
    return Promise.all([this.hidden(id), this.hidden(id)]);
  }

  @SingleFlight((id: string) => id)
  private async hidden(id: string): Promise<string> {
    return this.work.execute('hidden', id);
  }
}

class Cached extends Users {
  executions = 0;

  @SingleFlight((id: string) => id)
  override async find(id: string): Promise<string> {
    this.executions++;
    return `cached ${await super.find(id)}`;
  }
}

/** Whatever the methods return, all calls make so many executions, and get the same. */
async function share(users: Users, calls: () => Promise<unknown>[], executions: number): Promise<void> {
  const before = users.work.count;
  const all = calls();
  expect(users.work.count - before).toBe(executions);
  users.work.resolve('Ada');
  expect(new Set(await Promise.all(all))).toEqual(new Set(['Ada']));
}

describe('@SingleFlight as a decorator of TC39', () => {
  it('is what is tested here: the decorators are not the legacy ones', () => {
    const contexts: unknown[] = [];
    const remember = (_method: unknown, context: unknown): void => void contexts.push(context);
    class Decorated {
      @remember
      method(): void {
        // Only decorated.
      }
    }
    expect(Decorated.name).toBe('Decorated');
    expect(contexts).toMatchObject([{ kind: 'method', name: 'method' }]);
  });

  it('shares one execution between calls with equal keys', async () => {
    const users = new Users();
    await share(users, () => [users.find('1'), users.find('1'), users.find('2')], 2);
    await share(users, () => [users.promise('1'), users.promise('1')], 1);
    expect([users.find.name, users.find.length]).toEqual(['find', 1]);
  });

  it('has a group of its own for each instance and method', async () => {
    const [first, second] = [new Users(), new Users()];
    const calls = [first.find('1'), second.find('1'), first.promise('1')];
    expect([first.work.count, second.work.count]).toEqual([2, 1]);
    first.work.resolve('first');
    second.work.resolve('second');
    expect(await Promise.all(calls)).toEqual(['first', 'second', 'first']);
  });

  it('decorates static, private and symbol-named methods', async () => {
    const users = new Users();
    await share(users, () => [users[load]('1'), users[load]('1')], 1);
    const both = users.both('1');
    users.work.resolve('Ada');
    expect(await both).toEqual(['Ada', 'Ada']);
    expect(users.work.args.filter(([method]) => method === 'hidden')).toHaveLength(1);
    const rates = [Users.rate('EUR'), Users.rate('EUR')];
    expect(Users.rates.count).toBe(1);
    expect(singleFlightOf(Users, 'rate').inFlight()).toMatchObject([{ key: 'EUR', callers: 2 }]);
    Users.rates.resolve('1');
    expect(await Promise.all(rates)).toEqual(['1', '1']);
  });

  it('decorates methods that return an Observable', async () => {
    const users = new Users();
    await share(users, () => [firstValueFrom(users.watch('1')), firstValueFrom(users.watch('1'))], 1);
    await share(users, () => [firstValueFrom(users.watch('1')), firstValueFrom(users.watch('1'))], 1);
  });

  it('lets a method call the decorated one that it overrides', async () => {
    const cached = new Cached();
    const calls = [cached.find('1'), cached.find('1')];
    expect([cached.executions, cached.work.count]).toEqual([1, 1]);
    cached.work.resolve('Ada');
    expect(await Promise.all(calls)).toEqual(['cached Ada', 'cached Ada']);
  });

  it('is reached by singleFlightOf', async () => {
    const cached = new Cached();
    const old = [cached.find('1'), cached.promise('1')];
    expect(singleFlightOf(cached, 'find').forget('1')).toBe(true);
    expect(singleFlightOf(cached, 'find').forget('1')).toBe(false);
    expect(singleFlightOf(cached, 'promise').inFlight()).toMatchObject([{ key: '1', callers: 1 }]);
    expect(singleFlightOf(cached, load).inFlight()).toEqual([]);
    const fresh = cached.find('1');
    expect(cached.executions).toBe(2);
    cached.work.resolve('Ada');
    await Promise.all([...old, fresh]);
    expect(() => singleFlightOf(cached, 'both')).toThrow(
      'Cached.both is not decorated with @SingleFlight, so it has no flights.',
    );
  });

  it('names class and method in its errors', async () => {
    class Broken {
      @SingleFlight((key: unknown) => key as string)
      async find(key: unknown): Promise<unknown> {
        return key;
      }
    }
    expect(await rejection(new Broken().find({}))).toMatchObject({
      message:
        'The key function of Broken.find returned an object. ' +
        'Use a string, a number, or an array of them, such as [user.tenantId, user.id]. [ERR_SINGLEFLIGHT_INVALID_KEY]',
    });
  });

  it('is refused twice on one method', () => {
    expect(() => {
      class Twice {
        @SingleFlight((id: string) => id)
        @SingleFlight((id: string) => id)
        async find(id: string): Promise<string> {
          return id;
        }
      }
      return Twice;
    }).toThrow('@SingleFlight stands twice on find. One call would wait for itself: remove one.');
  });

  it('an option that does not exist', () => {
    expect(() => {
      class Users {
        @SingleFlight((id: string) => id, { ttl: 1 } as object)
        async find(id: string): Promise<string> {
          return id;
        }
      }
      return Users;
    }).toThrow('@SingleFlight on find: there is no option `ttl`. The options are `waitTimeoutMs`, ');
  });

  it('is refused on anything but a method', () => {
    const decorate = SingleFlight(() => 'all') as unknown as (...place: unknown[]) => void;
    expect(() => decorate(Users, { kind: 'class', name: 'Users' })).toThrow(
      "@SingleFlight stands on 'Users', which is not a method. Only a method can be decorated.",
    );
    expect(() => decorate(undefined, { kind: 'field', name: 'name' })).toThrow(
      "@SingleFlight stands on 'name', which is not a method. Only a method can be decorated.",
    );
  });
});
