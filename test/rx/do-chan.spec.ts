import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { doChan, Group, SingleFlightService, type Result } from 'nestjs-singleflight';
import { firstValueFrom, type Observable } from 'rxjs';
import { until, Work } from '../nest/support/work.js';

/** What a subscriber heard, in order. */
function listen<T>(source: Observable<Result<T>>) {
  const heard: unknown[] = [];
  const subscription = source.subscribe({
    next: (result) => heard.push(result),
    error: (error: unknown) => heard.push({ errored: error }),
    complete: () => heard.push('complete'),
  });
  return { heard, leave: () => subscription.unsubscribe() };
}

const kinds = {
  'doChan(group, …)': () => {
    const group = new Group({ name: 'products' });
    return {
      group,
      doChan: <T>(...[key, fn, options]: Parameters<SingleFlightService['doChan']>) =>
        doChan(group, key as string, fn, options) as Observable<Result<T>>,
    };
  },
  'service.doChan(…)': () => {
    const service = new SingleFlightService(new Group({ name: 'products' }));
    return {
      group: service.group,
      doChan: <T>(...args: Parameters<SingleFlightService['doChan']>) =>
        service.doChan(...args) as Observable<Result<T>>,
    };
  },
};

afterEach(() => {
  jest.useRealTimers();
});

describe.each(Object.entries(kinds))('%s', (_, make) => {
  it('is hot: the flight starts with the call, and needs no subscriber', async () => {
    const { group, doChan } = make();
    const work = new Work();
    doChan('1', () => work.execute());
    expect(work.count).toBe(1);
    expect(group.inFlight()).toMatchObject([{ key: '1', callers: 1 }]);
    work.resolve('done');
    await until(() => group.size === 0);
    expect(group.stats()).toMatchObject({ flights: 1, callers: 1, left: 0 });
  });

  it('stays aboard when it was never subscribed, even if its function could be stopped', async () => {
    const { group, doChan } = make();
    const work = new Work();
    let signal!: AbortSignal;
    const never = doChan('1', (flight) => {
      ({ signal } = flight);
      return work.execute();
    });
    const leaving = new AbortController();
    const follower = group.run('1', () => work.execute(), { signal: leaving.signal });
    leaving.abort(new Error('gone'));
    await expect(follower).rejects.toThrow('gone');
    expect(signal.aborted).toBe(false);
    expect(group.inFlight()).toMatchObject([{ callers: 1, adrift: false }]);
    work.resolve('done');
    expect(await firstValueFrom(never)).toEqual({ ok: true, value: 'done', shared: true, role: 'leader' });
  });

  it('joins as one caller, and says in which role', async () => {
    const { group, doChan } = make();
    const work = new Work();
    const leader = listen(doChan('1', () => work.execute()));
    const follower = listen(doChan('1', () => work.execute()));
    expect(work.count).toBe(1);
    expect(group.inFlight()).toMatchObject([{ callers: 2 }]);
    work.resolve('done');
    await until(() => follower.heard.length === 2);
    expect(leader.heard).toEqual([{ ok: true, value: 'done', shared: true, role: 'leader' }, 'complete']);
    expect(follower.heard).toEqual([{ ok: true, value: 'done', shared: true, role: 'follower' }, 'complete']);
  });

  it('emits a rejection as a value, and leaves none unhandled', async () => {
    const { doChan } = make();
    for (const error of [new Error('broken'), undefined, null, 0, '']) {
      const work = new Work();
      const { heard } = listen(doChan('1', () => work.execute()));
      doChan('1', () => work.execute());
      work.reject(error);
      await until(() => heard.length === 2);
      expect(heard).toEqual([{ ok: false, error, shared: true, role: 'leader' }, 'complete']);
      expect((heard[0] as { error: unknown }).error).toBe(error);
    }
  });

  it('emits what the function throws at once', async () => {
    const { group, doChan } = make();
    const error = new Error('at once');
    const throwing = doChan('1', () => {
      throw error;
    });
    expect(group.size).toBe(0);
    expect(await firstValueFrom(throwing)).toEqual({ ok: false, error, shared: false, role: 'leader' });
  });

  it('emits what the function returns at once', async () => {
    const { doChan } = make();
    const result = await firstValueFrom(doChan('1', () => 42));
    expect(result).toEqual({ ok: true, value: 42, shared: false, role: 'leader' });
  });

  it('gives every subscriber, early or late, the same Result', async () => {
    const { doChan } = make();
    const work = new Work();
    const channel = doChan('1', () => work.execute());
    const early = [listen(channel), listen(channel)];
    work.resolve('done');
    await until(() => early[1]!.heard.length === 2);
    const late = listen(channel);
    await until(() => late.heard.length === 2);
    expect(early[0]!.heard).toEqual([{ ok: true, value: 'done', shared: false, role: 'leader' }, 'complete']);
    expect(early[1]!.heard[0]).toBe(early[0]!.heard[0]);
    expect(late.heard[0]).toBe(early[0]!.heard[0]);
    expect(work.count).toBe(1);
  });

  it('tells each subscriber in its own async context', async () => {
    const { doChan } = make();
    const requests = new AsyncLocalStorage<string>();
    const work = new Work();
    const channel = requests.run('leader', () => doChan('1', () => work.execute()));
    const seen: (string | undefined)[] = [];
    const see = () => {
      seen.push(requests.getStore());
    };
    requests.run('first', () => channel.subscribe({ next: see, complete: see }));
    requests.run('second', () => channel.subscribe({ next: see, complete: see }));
    channel.subscribe(see);
    requests.run('resolver', () => work.resolve('done'));
    await until(() => seen.length === 5);
    requests.run('late', () => channel.subscribe(see));
    await until(() => seen.length === 6);
    expect(seen).toEqual(['first', 'first', 'second', 'second', undefined, 'late']);
  });

  it('leaves with its last subscriber, and dooms a flight that can be stopped', async () => {
    const { group, doChan } = make();
    const work = new Work();
    let signal!: AbortSignal;
    const channel = doChan('1', (flight) => {
      ({ signal } = flight);
      return work.execute();
    });
    const [first, second] = [listen(channel), listen(channel)];
    first.leave();
    expect(signal.aborted).toBe(false);
    second.leave();
    expect(signal.reason).toMatchObject({ code: 'ERR_SINGLEFLIGHT_ABANDONED', group: 'products', describedKey: '1' });
    expect(group.size).toBe(0);
    expect(group.stats()).toMatchObject({ left: 1, adrift: 1 });
    // The key is free: the next caller starts a flight of its own.
    const next = group.run('1', () => work.execute());
    expect(work.count).toBe(2);
    work.resolve('done');
    expect(await next).toBe('done');
    expect([first.heard, second.heard]).toEqual([[], []]);
  });

  it('leaves a flight joinable whose signal was never read', async () => {
    const { group, doChan } = make();
    const work = new Work();
    listen(doChan('1', () => work.execute())).leave();
    expect(group.inFlight()).toMatchObject([{ callers: 0, adrift: false }]);
    const next = group.run('1', () => work.execute());
    expect(work.count).toBe(1);
    work.resolve('done');
    expect(await next).toBe('done');
  });

  it('has left for good', async () => {
    const { group, doChan } = make();
    const work = new Work();
    const channel = doChan('1', () => work.execute());
    const other = group.do('1', () => work.execute());
    listen(channel).leave();
    const abandoned = {
      ok: false,
      error: expect.objectContaining({
        name: 'AbandonedError',
        message:
          "Every caller has left for key '1' in group 'products': nobody waits for the result. " +
          '[ERR_SINGLEFLIGHT_ABANDONED]',
      }),
      shared: true,
      role: 'leader',
    };
    const late = listen(channel);
    await until(() => late.heard.length === 2);
    expect(late.heard).toEqual([abandoned, 'complete']);
    work.resolve('done');
    expect(await other).toEqual({ ok: true, value: 'done', shared: true, role: 'follower' });
    expect(await firstValueFrom(channel)).toBe(late.heard[0]);
    expect(group.stats()).toMatchObject({ left: 1 });
  });

  it('leaves nothing by unsubscribing after the Result', async () => {
    const { group, doChan } = make();
    const work = new Work();
    const channel = doChan('1', () => work.execute());
    const subscriber = listen(channel);
    work.resolve('done');
    await until(() => subscriber.heard.length === 2);
    subscriber.leave();
    expect(await firstValueFrom(channel)).toBe(subscriber.heard[0]);
    expect(group.stats()).toMatchObject({ left: 0 });
  });

  it('leaves by signal, with its reason', async () => {
    const { group, doChan } = make();
    const work = new Work();
    const leaving = new AbortController();
    const staying = listen(doChan('1', () => work.execute()));
    const gone = doChan('1', () => work.execute(), { signal: leaving.signal });
    const reason = new Error('gone');
    leaving.abort(reason);
    expect(await firstValueFrom(gone)).toEqual({ ok: false, error: reason, shared: true, role: 'follower' });
    expect(group.inFlight()).toMatchObject([{ callers: 1 }]);
    work.resolve('done');
    await until(() => staying.heard.length === 2);
    expect(staying.heard[0]).toEqual({ ok: true, value: 'done', shared: true, role: 'leader' });
  });

  it('leaves after waitTimeoutMs', async () => {
    jest.useFakeTimers();
    const { doChan } = make();
    const work = new Work();
    const { heard } = listen(doChan('1', () => work.execute(), { waitTimeoutMs: 50 }));
    await jest.advanceTimersByTimeAsync(49);
    expect(heard).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    expect(heard).toMatchObject([
      { ok: false, error: { code: 'ERR_SINGLEFLIGHT_WAIT_TIMEOUT', waitTimeoutMs: 50 }, shared: false, role: 'leader' },
      'complete',
    ]);
  });

  it('emits what refused it before it boarded, without a role', async () => {
    const { group, doChan } = make();
    const work = new Work();
    const reason = new Error('gone before');
    const refused = await Promise.all([
      firstValueFrom(doChan('1', () => work.execute(), { signal: AbortSignal.abort(reason) })),
      firstValueFrom(doChan('1', () => work.execute(), { waitTimeoutMs: 0 })),
      firstValueFrom(doChan(['1', undefined] as never, () => work.execute())),
    ]);
    expect(work.count).toBe(0);
    expect(group.stats()).toMatchObject({ callers: 0, bypassed: 0 });
    expect(refused[0]).toEqual({ ok: false, error: reason, shared: false });
    expect(refused[1]).toMatchObject({ ok: false, error: { code: 'ERR_SINGLEFLIGHT_INVALID_OPTION' }, shared: false });
    expect(refused[2]).toMatchObject({ ok: false, error: { code: 'ERR_SINGLEFLIGHT_INVALID_KEY' }, shared: false });
    for (const result of refused) expect(result).not.toHaveProperty('role');
  });
});

describe('service.doChan(…)', () => {
  it('goes alone with a key of undefined or null', async () => {
    const service = new SingleFlightService();
    const work = new Work<number>();
    const channels = [service.doChan(undefined, () => work.execute()), service.doChan(null, () => work.execute())];
    expect(work.count).toBe(2);
    work.resolve(1, 0);
    work.resolve(2, 1);
    expect(await Promise.all(channels.map((channel) => firstValueFrom(channel)))).toEqual([
      { ok: true, value: 1, shared: false, role: 'leader' },
      { ok: true, value: 2, shared: false, role: 'leader' },
    ]);
    expect(service.stats()).toMatchObject({ bypassed: 2, flights: 0 });
  });

  it('takes keys of every kind, and meets run and do', async () => {
    const service = new SingleFlightService();
    const work = new Work();
    const channel = service.doChan(['a', 1], () => work.execute());
    const calls = [service.run(['a', 1], () => work.execute()), service.do(['a', 1], () => work.execute())];
    expect(work.count).toBe(1);
    work.resolve('done');
    expect(await Promise.all([firstValueFrom(channel), ...calls])).toMatchObject([
      { role: 'leader', shared: true },
      'done',
      { role: 'follower', shared: true },
    ]);
  });
});
