import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { SingleFlight, singleFlightOf, SingleFlightModule, type FlightKey } from 'nestjs-singleflight';
import { EMPTY, firstValueFrom, Observable, of, Subject, takeUntil, throwError, toArray } from 'rxjs';
import { closeApps, startApp } from './support/apps.js';
import { nextTurn, until } from './support/work.js';

/** A source that the test drives, and that counts who subscribes and unsubscribes. */
class Source {
  readonly values = new Subject<string>();
  subscribed = 0;
  unsubscribed = 0;

  readonly stream = new Observable<string>((subscriber) => {
    this.subscribed++;
    const subscription = this.values.subscribe(subscriber);
    return () => {
      this.unsubscribed++;
      subscription.unsubscribe();
    };
  });
}

@Injectable()
class Users {
  readonly source = new Source();
  calls = 0;

  @SingleFlight((id: string) => id)
  find(id: string): Observable<string> {
    this.calls++;
    return this.source.stream.pipe((stream) => (id === '' ? EMPTY : stream));
  }

  @SingleFlight((id: string) => id, { waitTimeoutMs: 50 })
  patiently(id: string): Observable<string> {
    return this.find(id);
  }

  @SingleFlight((id: string) => id, { flightTimeoutMs: 50 })
  limited(id: string): Observable<string> {
    return this.source.stream.pipe((stream) => (id === '' ? EMPTY : stream));
  }

  @SingleFlight((id: unknown) => id as FlightKey)
  of(id: unknown): Observable<unknown> {
    this.calls++;
    return of(id);
  }

  @SingleFlight(() => 'all')
  thrown(): Observable<string> {
    throw new Error('at once');
  }
}

function hear(stream: Observable<unknown>) {
  const heard: unknown[] = [];
  const subscription = stream.subscribe({
    next: (value) => heard.push(value),
    error: (error: unknown) => heard.push({ error }),
    complete: () => heard.push('complete'),
  });
  return { heard, leave: () => subscription.unsubscribe() };
}

async function start(): Promise<Users> {
  const { app } = await startApp({ imports: [SingleFlightModule.forRoot()], providers: [Users] });
  return app.get(Users);
}

afterEach(closeApps);
afterEach(() => {
  jest.useRealTimers();
});

describe('@SingleFlight on a method that returns an Observable', () => {
  it('stays cold: nothing runs before somebody subscribes', async () => {
    const users = await start();
    const stream = users.find('1');
    expect(stream).toBeInstanceOf(Observable);
    expect([users.calls, users.source.subscribed]).toEqual([0, 0]);
    hear(stream).leave();
    expect([users.calls, users.source.subscribed]).toEqual([1, 1]);
  });

  it('joins on subscribe, and emits to all when the source completes', async () => {
    const users = await start();
    const stream = users.find('1');
    const all = [hear(stream), hear(stream), hear(users.find('1'))];
    expect([users.calls, users.source.subscribed]).toEqual([1, 1]);
    expect(singleFlightOf(users, 'find').inFlight()).toMatchObject([{ key: '1', callers: 3 }]);
    users.source.values.next('Ada');
    // Nobody has anything before the source is complete.
    await nextTurn();
    expect(all.map(({ heard }) => heard)).toEqual([[], [], []]);
    users.source.values.complete();
    await until(() => all[2]!.heard.length === 2);
    expect(all.map(({ heard }) => heard)).toEqual(Array(3).fill(['Ada', 'complete']));
    // It is as cold as before: the next subscription is the next flight.
    hear(stream).leave();
    expect(users.source.subscribed).toBe(2);
  });

  it('emits what comes at once', async () => {
    const users = await start();
    const all = [hear(users.of(1)), hear(users.of(1)), hear(users.of(2))];
    await until(() => all.every(({ heard }) => heard.length === 2));
    expect(all.map(({ heard }) => heard)).toEqual([
      [1, 'complete'],
      [1, 'complete'],
      [2, 'complete'],
    ]);
    expect(users.calls).toBe(2);
    expect(await firstValueFrom(users.of(3))).toBe(3);
  });

  it('emits undefined, null and other falsy values as they are', async () => {
    class Falsy {
      @SingleFlight((index: number) => index)
      find(index: number): Observable<unknown> {
        return of([undefined, null, 0, '', false][index]);
      }
    }
    const falsy = new Falsy();
    const values = [0, 1, 2, 3, 4].map((index) => firstValueFrom(falsy.find(index).pipe(toArray())));
    expect(await Promise.all(values)).toEqual([[undefined], [null], [0], [''], [false]]);
  });

  it('stays empty when the source is', async () => {
    const users = await start();
    const all = [hear(users.find('1')), hear(users.find('1')), hear(users.find(''))];
    users.source.values.complete();
    await until(() => all.every(({ heard }) => heard.length === 1));
    expect(all.map(({ heard }) => heard)).toEqual(Array(3).fill(['complete']));
  });

  it('passes an error to all', async () => {
    const users = await start();
    const all = [hear(users.find('1')), hear(users.find('1'))];
    const error = new Error('no database');
    users.source.values.error(error);
    await until(() => all.every(({ heard }) => heard.length === 1));
    for (const { heard } of all) expect((heard[0] as { error: unknown }).error).toBe(error);
    const thrown = hear(users.thrown());
    await until(() => thrown.heard.length === 1);
    expect(thrown.heard).toEqual([{ error: new Error('at once') }]);
  });

  it('passes an UnshareableResultError to all on a second value, and stops the source', async () => {
    const users = await start();
    const all = [hear(users.find('1')), hear(users.find('1'))];
    users.source.values.next('Ada');
    users.source.values.next('Bob');
    await until(() => all.every(({ heard }) => heard.length === 1));
    for (const { heard } of all) {
      expect(heard).toEqual([
        {
          error: expect.objectContaining({
            code: 'ERR_SINGLEFLIGHT_UNSHAREABLE_RESULT',
            message:
              "The function came back with an Observable of more than one value for key '1' in group 'Users.find', " +
              'which cannot be shared between callers. Return something that can be read any number of times (such as ' +
              'a Buffer, a string or an array), or do not coalesce this method. [ERR_SINGLEFLIGHT_UNSHAREABLE_RESULT]',
          }),
        },
      ]);
    }
    expect(users.source.unsubscribed).toBe(1);
  });

  it('stops the source with its last subscriber, and frees the key', async () => {
    const users = await start();
    const [first, second] = [hear(users.find('1')), hear(users.find('1'))];
    first.leave();
    expect(users.source.unsubscribed).toBe(0);
    second.leave();
    expect(users.source.unsubscribed).toBe(1);
    const next = hear(users.find('1'));
    expect(users.source.subscribed).toBe(2);
    users.source.values.next('Ada');
    users.source.values.complete();
    await until(() => next.heard.length === 2);
    expect([first.heard, second.heard, next.heard]).toEqual([[], [], ['Ada', 'complete']]);
  });

  it('lets the leader go and the followers have the value', async () => {
    const users = await start();
    const [leader, follower] = [hear(users.find('1')), hear(users.find('1'))];
    leader.leave();
    users.source.values.next('Ada');
    users.source.values.complete();
    await until(() => follower.heard.length === 2);
    expect([leader.heard, follower.heard]).toEqual([[], ['Ada', 'complete']]);
    expect(users.source.subscribed).toBe(1);
  });

  it('can be left while its source is being subscribed to', () => {
    const left = new Subject<void>();
    let stopped = 0;
    class Users {
      @SingleFlight(() => 'all')
      find(): Observable<string> {
        return new Observable(() => {
          left.next();
          return () => {
            stopped++;
          };
        });
      }
    }
    const { heard } = hear(new Users().find().pipe(takeUntil(left)));
    expect(heard).toEqual(['complete']);
    expect(stopped).toBe(1);
  });

  it('tells each subscriber in its own async context', async () => {
    const users = await start();
    const requests = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    for (const request of ['a', 'b']) {
      requests.run(request, () => {
        users.find('1').subscribe(() => seen.push([request, requests.getStore()]));
      });
    }
    requests.run('somebody else', () => {
      users.source.values.next('Ada');
      users.source.values.complete();
    });
    await until(() => seen.length === 2);
    expect(seen).toEqual([
      ['a', 'a'],
      ['b', 'b'],
    ]);
  });

  it('gives a function that isolates what the source emitted, and nothing where it emitted nothing', async () => {
    const given: unknown[] = [];
    class Copied {
      readonly values = new Subject<{ id: string }>();

      @SingleFlight(() => 'all', {
        isolate: (value: { id: string }) => {
          given.push(value);
          return { ...value };
        },
      })
      all(): Observable<{ id: string }> {
        return this.values;
      }
    }
    const copied = new Copied();
    const heard = [copied.all(), copied.all()].map((stream) => firstValueFrom(stream, { defaultValue: undefined }));
    copied.values.next({ id: '1' });
    copied.values.complete();
    const [one, other] = await Promise.all(heard);
    expect([one, other]).toEqual([{ id: '1' }, { id: '1' }]);
    expect(one).not.toBe(other);
    expect(given).toEqual([{ id: '1' }, { id: '1' }]);
    await expect(
      Promise.all([copied.all(), copied.all()].map((stream) => firstValueFrom(stream, { defaultValue: 0 }))),
    ).resolves.toEqual([0, 0]);
    expect(given).toHaveLength(2);
  });

  it('rejects each subscriber for a bad key, when it subscribes', async () => {
    const users = await start();
    const stream = users.of({ id: 1 });
    const { heard } = hear(stream);
    expect(heard).toMatchObject([{ error: { code: 'ERR_SINGLEFLIGHT_INVALID_KEY' } }]);
    expect(users.calls).toBe(0);
  });

  it('does not coalesce a key of undefined', async () => {
    const users = await start();
    const all = [hear(users.of(undefined)), hear(users.of(undefined))];
    expect(users.calls).toBe(2);
    await until(() => all.every(({ heard }) => heard.length === 2));
  });

  it('lets a subscriber go after waitTimeoutMs', async () => {
    const users = await start();
    jest.useFakeTimers();
    const { heard } = hear(users.patiently('1'));
    await jest.advanceTimersByTimeAsync(50);
    expect(heard).toMatchObject([{ error: { code: 'ERR_SINGLEFLIGHT_WAIT_TIMEOUT', group: 'Users.patiently' } }]);
    expect(users.source.unsubscribed).toBe(1);
  });

  it('stops the source after flightTimeoutMs', async () => {
    const users = await start();
    jest.useFakeTimers();
    const all = [hear(users.limited('1')), hear(users.limited('1'))];
    await jest.advanceTimersByTimeAsync(50);
    for (const { heard } of all) expect(heard).toMatchObject([{ error: { code: 'ERR_SINGLEFLIGHT_FLIGHT_TIMEOUT' } }]);
    expect([users.source.subscribed, users.source.unsubscribed]).toEqual([1, 1]);
  });
});

describe('@SingleFlight on a method that does not say that it returns an Observable', () => {
  class Undeclared {
    readonly source = new Source();
    calls = 0;

    @SingleFlight((id: string) => id)
    find(id: string) {
      this.calls++;
      return id === '' ? throwError(() => new Error('empty')) : this.source.stream;
    }

    @SingleFlight((id: string) => id, { lingerMs: 20 })
    lingering(id: string) {
      this.calls++;
      return of(`user ${id}`);
    }

    @SingleFlight((id: string) => id, { waitTimeoutMs: 20 })
    patiently(id: string) {
      this.calls++;
      return of(`user ${id}`);
    }
  }

  it('learns it from the first call, whose source is the first flight', async () => {
    const users = new Undeclared();
    const first = users.find('1');
    expect([users.calls, users.source.subscribed]).toEqual([1, 0]);
    const all = [hear(first), hear(first), hear(users.find('1'))];
    expect([users.calls, users.source.subscribed]).toEqual([1, 1]);
    users.source.values.next('Ada');
    users.source.values.complete();
    await until(() => all.every(({ heard }) => heard.length === 2));
    expect(all.map(({ heard }) => heard)).toEqual(Array(3).fill(['Ada', 'complete']));
    const second = users.find('1');
    expect(users.calls).toBe(1);
    hear(second).leave();
    hear(first).leave();
    expect([users.calls, users.source.subscribed]).toEqual([3, 3]);
  });

  it('is not confused by a result that lingers, or by a caller who could leave', async () => {
    const users = new Undeclared();
    for (const stream of [users.lingering('1'), users.lingering('1'), users.patiently('1'), users.patiently('1')]) {
      expect(await firstValueFrom(stream.pipe(toArray()))).toEqual(['user 1']);
    }
    // One for each first call, and a second for the method without linger.
    expect(users.calls).toBe(3);
    singleFlightOf(users, 'lingering').forget('1');
  });
});
