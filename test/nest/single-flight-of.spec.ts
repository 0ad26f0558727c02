import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { SingleFlight, singleFlightOf, SingleFlightModule } from 'nestjs-singleflight';
import { closeApps, startApp } from './support/apps.js';
import { Work } from './support/work.js';

@Injectable()
class Users {
  readonly work = new Work();

  @SingleFlight((id: number) => id)
  find(id: number): Promise<string> {
    return this.work.execute(id);
  }

  @SingleFlight((tenant: string, id: number) => [tenant, id], { group: 'users' })
  load(tenant: string, id: number): Promise<string> {
    return this.work.execute(tenant, id);
  }

  @SingleFlight((id: number) => id, { group: 'users' })
  count(id: number): Promise<string> {
    return this.work.execute(id);
  }

  async rename(): Promise<void> {
    // Not decorated.
  }
}

afterEach(closeApps);

async function start(): Promise<Users> {
  const imports = [SingleFlightModule.forRoot(), SingleFlightModule.forFeature('users')];
  const { app } = await startApp({ imports, providers: [Users] });
  return app.get(Users);
}

describe('singleFlightOf', () => {
  it('forgets the flight of some arguments', async () => {
    const users = await start();
    const old = users.find(1);
    expect(singleFlightOf(users, 'find').forget(2)).toBe(false);
    expect(singleFlightOf(users, 'find').forget(1)).toBe(true);
    expect(singleFlightOf(users, 'find').forget(1)).toBe(false);
    const fresh = users.find(1);
    expect(users.work.count).toBe(2);
    users.work.resolve('old', 0);
    users.work.resolve('new', 1);
    expect(await Promise.all([old, fresh])).toEqual(['old', 'new']);
  });

  it('forgets in this instance only', async () => {
    const [first, second] = [new Users(), new Users()];
    const calls = [first.find(1), second.find(1)];
    expect(singleFlightOf(first, 'find').forget(1)).toBe(true);
    expect(singleFlightOf(second, 'find').inFlight()).toMatchObject([{ adrift: false }]);
    first.work.resolve('done');
    second.work.resolve('done');
    await Promise.all(calls);
  });

  it('lists the flights of this method, oldest first, without those of other methods in its group', async () => {
    const users = await start();
    const calls = [users.load('a', 1), users.load('a', 1), users.load('b', 2), users.count(1), users.find(1)];
    singleFlightOf(users, 'load').forget('a', 1);
    expect(singleFlightOf(users, 'load').inFlight()).toMatchObject([
      { key: expect.stringMatching(/Users\.load.* \["a",1\]$/), callers: 2, adrift: true },
      { key: expect.stringMatching(/Users\.load.* \["b",2\]$/), callers: 1, adrift: false },
    ]);
    expect(singleFlightOf(users, 'find').inFlight()).toMatchObject([{ key: '#1' }]);
    expect(singleFlightOf(users, 'count').forget(2)).toBe(false);
    expect(singleFlightOf(users, 'count').forget(1)).toBe(true);
    users.work.resolve('done');
    await Promise.all(calls);
    expect(singleFlightOf(users, 'load').inFlight()).toEqual([]);
  });

  it('refuses a method that is not decorated', () => {
    expect(() => singleFlightOf(new Users(), 'rename')).toThrow(
      'Users.rename is not decorated with @SingleFlight, so it has no flights.',
    );
    class Plain {
      static async load(): Promise<void> {
        // Not decorated.
      }
    }
    expect(() => singleFlightOf(Plain, 'load')).toThrow(
      'Plain.load is not decorated with @SingleFlight, so it has no flights.',
    );
  });
});
