import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Controller, Get, Inject, Injectable, Module, UseInterceptors } from '@nestjs/common';
import {
  getSingleFlightToken,
  SingleFlight,
  SingleFlightInterceptor,
  SingleFlightModule,
  SingleFlightService,
  SingleFlightShare,
} from 'nestjs-singleflight';
import { firstValueFrom, from, Observable } from 'rxjs';
import { closeApps, listen, PLATFORMS, startApp } from './support/apps.js';
import { rejection, until, Work } from './support/work.js';

@Injectable()
class Users {
  readonly work = new Work();

  @SingleFlight((id: string) => id, { group: 'users' })
  find(id: string): Promise<string> {
    return this.work.execute(id);
  }

  @SingleFlight((id: string) => id, { group: 'users' })
  watch(id: string): Observable<string> {
    return from(this.work.execute(id));
  }
}

let service: SingleFlightService;
let group: SingleFlightService;
let users: Users;
let work: Work;

async function start(options: { enabled?: boolean } = {}): Promise<void> {
  const imports = [SingleFlightModule.forRoot(options), SingleFlightModule.forFeature('users')];
  const { app } = await startApp({ imports, providers: [Users] });
  service = app.get(SingleFlightService);
  group = app.get(getSingleFlightToken('users'));
  users = app.get(Users);
  ({ work } = users);
}

afterEach(closeApps);
afterEach(() => {
  jest.useRealTimers();
});

describe('The kill switch', () => {
  beforeEach(() => start());

  it('is one for the whole app', () => {
    group.enabled = false;
    expect(service.enabled).toBe(false);
    service.enabled = true;
    expect(group.enabled).toBe(true);
  });

  it('lets every call of a service through alone: leader, not shared, counted as bypassed', async () => {
    service.enabled = false;
    const calls = [
      service.do('1', () => work.execute()),
      service.do('1', () => work.execute()),
      firstValueFrom(service.doChan('1', () => work.execute())),
    ];
    const plain = service.run('1', () => work.execute());
    expect(work.count).toBe(4);
    expect(service.group.size).toBe(0);
    work.resolve('done');
    const alone = { ok: true, value: 'done', shared: false, role: 'leader' };
    expect(await Promise.all(calls)).toEqual([alone, alone, alone]);
    expect(await plain).toBe('done');
    expect(service.stats()).toMatchObject({ bypassed: 4, flights: 0, callers: 0, followers: 0 });
  });

  it('lets every call of a decorated method through alone', async () => {
    service.enabled = false;
    const calls = [
      users.find('1'),
      users.find('1'),
      firstValueFrom(users.watch('1')),
      firstValueFrom(users.watch('1')),
    ];
    expect(work.count).toBe(4);
    work.resolve('done');
    expect(await Promise.all(calls)).toEqual(['done', 'done', 'done', 'done']);
    expect(group.stats()).toMatchObject({ bypassed: 4, flights: 0 });
  });

  it('lets every call of a wrapped function through alone', async () => {
    const load = service.wrap(
      (id: string) => work.execute(id),
      (id) => id,
    );
    service.enabled = false;
    const calls = [load('1'), load('1')];
    expect(work.count).toBe(2);
    work.resolve('done');
    await Promise.all(calls);
    expect(service.stats()).toMatchObject({ bypassed: 2, flights: 0 });
  });

  it('leaves those aboard where they are', async () => {
    const aboard = [users.find('1'), users.find('1')];
    service.enabled = false;
    const alone = users.find('1');
    expect(work.count).toBe(2);
    expect(group.inFlight()).toMatchObject([{ callers: 2, adrift: false }]);
    work.resolve('together', 0);
    work.resolve('alone', 1);
    expect(await Promise.all([...aboard, alone])).toEqual(['together', 'together', 'alone']);
  });

  it('coalesces again once it is back on, with those aboard too', async () => {
    const calls = [users.find('1')];
    service.enabled = false;
    calls.push(users.find('1'));
    service.enabled = true;
    calls.push(users.find('1'));
    expect(work.count).toBe(2);
    work.resolve('done');
    await Promise.all(calls);
    expect(group.stats()).toMatchObject({ bypassed: 1, flights: 1, followers: 1 });
  });

  it('lets a caller still leave by its signal', async () => {
    service.enabled = false;
    const leaving = new AbortController();
    let signal!: AbortSignal;
    const call = service.run(
      '1',
      (flight) => {
        ({ signal } = flight);
        return work.execute();
      },
      { signal: leaving.signal },
    );
    const refused = service.run('1', () => work.execute(), { signal: AbortSignal.abort(new Error('before')) });
    leaving.abort(new Error('gone'));
    expect(await rejection(call)).toBe(leaving.signal.reason);
    expect(signal.aborted).toBe(true);
    expect(await rejection(refused)).toMatchObject({ message: 'before' });
    expect(work.count).toBe(1);
  });

  it('lets a caller still leave after waitTimeoutMs', async () => {
    jest.useFakeTimers();
    service.enabled = false;
    const call = rejection(service.run('1', () => work.execute(), { waitTimeoutMs: 50 }));
    await jest.advanceTimersByTimeAsync(50);
    expect(await call).toMatchObject({ code: 'ERR_SINGLEFLIGHT_WAIT_TIMEOUT' });
  });

  it('does not ask for keys', async () => {
    class Broken {
      @SingleFlight(() => {
        throw new Error('no key today');
      })
      async find(id: string): Promise<string> {
        return id;
      }
    }
    const { app } = await startApp({ imports: [SingleFlightModule.forRoot({ enabled: false })], providers: [Broken] });
    expect(await app.get(Broken).find('1')).toBe('1');
    expect(await app.get(SingleFlightService).run({} as never, () => 'any key')).toBe('any key');
  });
});

describe('The kill switch at the start', () => {
  it('is off with enabled: false, and can be turned on', async () => {
    await start({ enabled: false });
    expect(service.enabled).toBe(false);
    const calls = [users.find('1'), users.find('1')];
    expect(work.count).toBe(2);
    service.enabled = true;
    calls.push(users.find('1'), users.find('1'));
    expect(work.count).toBe(3);
    work.resolve('done');
    await Promise.all(calls);
  });
});

describe('The kill switch of a forRoot that is not global', () => {
  it('reaches the decorated methods of every module', async () => {
    @Module({ providers: [Users] })
    class UsersModule {}
    const imports = [SingleFlightModule.forRoot({ isGlobal: false }), SingleFlightModule.forFeature('users')];
    const { app } = await startApp({ imports: [...imports, UsersModule] });
    const others = app.get(Users);
    const calls = [others.find('1'), others.find('1')];
    expect(others.work.count).toBe(1);
    app.get(SingleFlightService).enabled = false;
    calls.push(others.find('1'), others.find('1'));
    expect(others.work.count).toBe(3);
    others.work.resolve('done');
    await Promise.all(calls);
  });
});

describe.each(PLATFORMS)('The kill switch on %s', (platform) => {
  @Controller()
  @UseInterceptors(SingleFlightInterceptor)
  class Pages {
    readonly work = new Work();

    constructor(@Inject(SingleFlightService) readonly service: SingleFlightService) {}

    @Get('page')
    @SingleFlightShare('public')
    page(): Promise<string> {
      return this.work.execute();
    }
  }

  it('lets every request through the interceptor alone', async () => {
    const { app, fetch } = await listen(platform, {
      imports: [SingleFlightModule.forRoot(), SingleFlightModule.forFeature('http')],
      controllers: [Pages],
    });
    const http = app.get<SingleFlightService>(getSingleFlightToken('http'));
    const pages = app.get(Pages);
    const together = [fetch('/page'), fetch('/page')];
    await until(() => http.inFlight()[0]?.callers === 2);
    expect(pages.work.count).toBe(1);
    pages.service.enabled = false;
    const alone = [fetch('/page'), fetch('/page')];
    await until(() => pages.work.count === 3);
    pages.work.resolve('done');
    for (const answer of await Promise.all([...together, ...alone])) expect(await answer.text()).toBe('done');
    expect(http.stats()).toMatchObject({ flights: 1, followers: 1, bypassed: 2 });
  });
});
