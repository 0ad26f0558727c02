import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  currentFlight,
  getSingleFlightToken,
  SingleFlight,
  singleFlightOf,
  SingleFlightModule,
  SingleFlightService,
} from 'nestjs-singleflight';
import { closeApps, startApp } from './support/apps.js';
import { rejection, Work } from './support/work.js';

@Injectable()
class Users {
  readonly work = new Work();
  readonly signals: AbortSignal[] = [];

  @SingleFlight((id: string) => id, { waitTimeoutMs: 100 })
  patiently(id: string): Promise<string> {
    return this.work.execute(id);
  }

  @SingleFlight((id: string) => id, { waitTimeoutMs: 100 })
  stoppable(id: string): Promise<string> {
    this.signals.push(currentFlight().signal);
    return this.work.execute(id);
  }

  @SingleFlight((id: string) => id, { flightTimeoutMs: 100 })
  limited(id: string): Promise<string> {
    this.signals.push(currentFlight().signal);
    return this.work.execute(id);
  }

  @SingleFlight((id: string) => id, { lingerMs: 100 })
  lingering(id: string): Promise<string> {
    return this.work.execute(id);
  }

  @SingleFlight((id: string) => id, { joinWindowMs: 100 })
  fresh(id: string): Promise<string> {
    return this.work.execute(id);
  }

  @SingleFlight((id: string) => id)
  plain(id: string): Promise<string> {
    return this.work.execute(id);
  }
}

let users: Users;
let work: Work;

async function start(options = {}): Promise<void> {
  const { app } = await startApp({ imports: [SingleFlightModule.forRoot(options)], providers: [Users] });
  users = app.get(Users);
  ({ work } = users);
  jest.useFakeTimers();
}

afterEach(async () => {
  jest.useRealTimers();
  await closeApps();
});

describe('The options of @SingleFlight', () => {
  beforeEach(() => start());

  it('waitTimeoutMs: a caller that has waited so long leaves, the others stay', async () => {
    const early = rejection(users.patiently('1'));
    await jest.advanceTimersByTimeAsync(60);
    const late = users.patiently('1');
    await jest.advanceTimersByTimeAsync(40);
    expect(await early).toMatchObject({
      code: 'ERR_SINGLEFLIGHT_WAIT_TIMEOUT',
      message:
        "No result within 100 ms for key '1' in group 'Users.patiently'. This caller left, the flight goes on for the " +
        'others. Raise `waitTimeoutMs`, or find out why the function takes so long. [ERR_SINGLEFLIGHT_WAIT_TIMEOUT]',
    });
    expect(singleFlightOf(users, 'patiently').inFlight()).toMatchObject([{ callers: 1, adrift: false }]);
    work.resolve('Ada');
    expect(await late).toBe('Ada');
    expect(work.count).toBe(1);
    await jest.advanceTimersByTimeAsync(0);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('waitTimeoutMs: the last one out aborts the signal that the method took, and frees the key', async () => {
    const early = rejection(users.stoppable('1'));
    await jest.advanceTimersByTimeAsync(60);
    const late = rejection(users.stoppable('1'));
    await jest.advanceTimersByTimeAsync(40);
    expect(await early).toMatchObject({ code: 'ERR_SINGLEFLIGHT_WAIT_TIMEOUT' });
    expect(users.signals.map(({ aborted }) => aborted)).toEqual([false]);
    await jest.advanceTimersByTimeAsync(60);
    expect(await late).toMatchObject({ code: 'ERR_SINGLEFLIGHT_WAIT_TIMEOUT' });
    expect(users.signals[0]!.reason).toMatchObject({ code: 'ERR_SINGLEFLIGHT_ABANDONED' });
    const next = users.stoppable('1');
    expect(work.count).toBe(2);
    work.resolve('Ada');
    expect(await next).toBe('Ada');
    expect(users.signals[1]!.aborted).toBe(false);
  });

  it('flightTimeoutMs: all are rejected, the key is free, then the signal aborts', async () => {
    const retry = users.limited('1').catch(() => users.limited('1'));
    const follower = rejection(users.limited('1'));
    await jest.advanceTimersByTimeAsync(100);
    expect(await follower).toMatchObject({ code: 'ERR_SINGLEFLIGHT_FLIGHT_TIMEOUT', group: 'Users.limited' });
    expect(users.signals[0]!.reason).toBe(await follower);
    expect(work.count).toBe(2);
    work.resolve('Ada', 1);
    expect(await retry).toBe('Ada');
    work.resolve('too late', 0);
  });

  it('lingerMs: a late caller still gets the result', async () => {
    const first = users.lingering('1');
    work.resolve('Ada');
    await first;
    await jest.advanceTimersByTimeAsync(99);
    expect(await users.lingering('1')).toBe('Ada');
    expect(work.count).toBe(1);
    await jest.advanceTimersByTimeAsync(1);
    const next = users.lingering('1');
    expect(work.count).toBe(2);
    expect(singleFlightOf(users, 'lingering').forget('1')).toBe(true);
    work.resolve('Bob');
    expect(await next).toBe('Bob');
  });

  it('lingerMs: a failure does not linger', async () => {
    const first = rejection(users.lingering('1'));
    work.reject(new Error('no database'));
    await first;
    const next = users.lingering('1');
    expect(work.count).toBe(2);
    singleFlightOf(users, 'lingering').forget('1');
    work.resolve('Ada');
    await next;
  });

  it('joinWindowMs: an older flight is not joined any more', async () => {
    const first = users.fresh('1');
    await jest.advanceTimersByTimeAsync(99);
    const second = users.fresh('1');
    expect(work.count).toBe(1);
    await jest.advanceTimersByTimeAsync(1);
    const third = users.fresh('1');
    expect(work.count).toBe(2);
    expect(singleFlightOf(users, 'fresh').inFlight()).toMatchObject([
      { callers: 2, adrift: true },
      { callers: 1, adrift: false },
    ]);
    work.resolve('old', 0);
    work.resolve('new', 1);
    expect(await Promise.all([first, second, third])).toEqual(['old', 'old', 'new']);
  });

  it('no option: no timer', async () => {
    const calls = [users.plain('1'), users.plain('1')];
    expect(jest.getTimerCount()).toBe(1); // The clock's own immediate: the time is read once per turn.
    await jest.advanceTimersByTimeAsync(0);
    expect(jest.getTimerCount()).toBe(0);
    work.resolve('Ada');
    await Promise.all(calls);
  });
});

describe('The options of forRoot', () => {
  it("hold for a decorated method, under the method's own", async () => {
    await start({ flightTimeoutMs: 50, lingerMs: 100 });
    const plain = rejection(users.plain('1'));
    const limited = users.limited('1');
    await jest.advanceTimersByTimeAsync(50);
    expect(await plain).toMatchObject({ code: 'ERR_SINGLEFLIGHT_FLIGHT_TIMEOUT', flightTimeoutMs: 50 });
    work.resolve('Ada');
    expect(await limited).toBe('Ada');
    expect(await users.limited('1')).toBe('Ada');
    expect(work.count).toBe(2);
    singleFlightOf(users, 'limited').forget('1');
  });
});

describe('The group of a method', () => {
  @Injectable()
  class Grouped {
    readonly work = new Work();

    @SingleFlight((id: string) => id, { group: 'users' })
    find(id: string): Promise<string> {
      return this.work.execute('find', id);
    }

    @SingleFlight((id: string) => id, { group: 'users', flightTimeoutMs: 1_000 })
    load(id: string): Promise<string> {
      return this.work.execute('load', id);
    }
  }

  async function startGrouped() {
    const { app } = await startApp({
      imports: [SingleFlightModule.forRoot(), SingleFlightModule.forFeature({ name: 'users', flightTimeoutMs: 100 })],
      providers: [Grouped, { provide: 'again', useClass: Grouped }],
    });
    const group = app.get<SingleFlightService>(getSingleFlightToken('users'));
    return { group, grouped: app.get(Grouped), again: app.get<Grouped>('again') };
  }

  it('gives it statistics and a name, and its keys never meet another’s', async () => {
    const { group, grouped, again } = await startGrouped();
    const calls = [grouped.find('1'), grouped.find('1'), grouped.load('1'), again.find('1')];
    calls.push(group.run('1', () => grouped.work.execute('run', '1')));
    expect(grouped.work.args).toEqual([
      ['find', '1'],
      ['load', '1'],
      ['run', '1'],
    ]);
    expect(again.work.args).toEqual([['find', '1']]);
    expect(group.stats()).toMatchObject({ flights: 4, callers: 5, followers: 1, active: 4 });
    // What stands in the group cannot be reached through the service.
    for (const { key } of group.inFlight()) expect(group.forget(key)).toBe(key === '1');
    grouped.work.resolve('Ada');
    again.work.resolve('Bob');
    expect(await Promise.all(calls)).toEqual(['Ada', 'Ada', 'Ada', 'Bob', 'Ada']);
  });

  it("gives it limits, under the method's own", async () => {
    const { grouped } = await startGrouped();
    jest.useFakeTimers();
    const find = rejection(grouped.find('1'));
    const load = rejection(grouped.load('1'));
    await jest.advanceTimersByTimeAsync(100);
    expect(await find).toMatchObject({ code: 'ERR_SINGLEFLIGHT_FLIGHT_TIMEOUT', group: 'users', flightTimeoutMs: 100 });
    await jest.advanceTimersByTimeAsync(900);
    expect(await load).toMatchObject({ code: 'ERR_SINGLEFLIGHT_FLIGHT_TIMEOUT', flightTimeoutMs: 1_000 });
  });

  it('is for the app: an instance that Nest did not make has a group of its own', async () => {
    const { group } = await startGrouped();
    const own = new Grouped();
    const calls = [own.find('1'), own.find('1')];
    expect(own.work.count).toBe(1);
    expect(group.stats()).toMatchObject({ callers: 0 });
    own.work.resolve('Ada');
    await Promise.all(calls);
  });
});
