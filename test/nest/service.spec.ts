import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { SingleFlightModule, SingleFlightService, type FlightKey } from 'nestjs-singleflight';
import { firstValueFrom } from 'rxjs';
import { closeApps, startApp } from './support/apps.js';
import { rejection, Work } from './support/work.js';

afterEach(closeApps);

const keys: FlightKey[] = [
  '1',
  '',
  '#1',
  '"1',
  '[1]',
  '@1',
  'undefined',
  'null',
  'true',
  '__proto__',
  'constructor',
  1,
  -1,
  1.5,
  Infinity,
  1n,
  true,
  false,
  [],
  [1],
  ['1'],
  [1n],
  [null],
  ['null'],
  [[]],
  [[1]],
  ['a', 'b:c'],
  ['a:b', 'c'],
  ['a,b', 'c'],
  ['a', 'b,c'],
  ['a', ['b', 'c']],
  ['a', 'b', 'c'],
];

describe('SingleFlightService', () => {
  it('runs one execution for all who ask for one key', async () => {
    const { app } = await startApp({ imports: [SingleFlightModule.forRoot()] });
    const service = app.get(SingleFlightService);
    const work = new Work();
    const calls = Array.from({ length: 100 }, () => service.run('1', () => work.execute()));
    expect(work.count).toBe(1);
    work.resolve('done');
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['done']));
    expect(service.stats()).toMatchObject({ flights: 1, callers: 100, followers: 99, bypassed: 0, active: 0 });
    expect(service.group.size).toBe(0);
  });

  it('works without Nest', async () => {
    const service = new SingleFlightService();
    const work = new Work<number>();
    const calls = [service.run(['a', 1], () => work.execute()), service.run(['a', 1], () => work.execute())];
    expect(work.count).toBe(1);
    work.resolve(7);
    expect(await Promise.all(calls)).toEqual([7, 7]);
    expect(service.enabled).toBe(true);
  });

  it('works as a provider of its own, without the module', async () => {
    @Injectable()
    class Users {
      constructor(readonly flights: SingleFlightService) {}
    }
    const { app } = await startApp({ providers: [SingleFlightService, Users] });
    const { flights } = app.get(Users);
    const work = new Work();
    const calls = [flights.run('1', () => work.execute()), flights.run('1', () => work.execute())];
    expect(work.count).toBe(1);
    work.resolve('done');
    await Promise.all(calls);
  });

  it('hands the function its flight', async () => {
    const service = new SingleFlightService();
    const seen = await service.run(['a', 1], ({ key, signal }) => ({ key, aborted: signal.aborted }));
    expect(seen).toEqual({ key: '["a",1]', aborted: false });
  });
});

describe('Keys never collide', () => {
  it('whatever their kinds: each of them meets itself only', async () => {
    const service = new SingleFlightService();
    const works = keys.map(() => new Work<number>());
    const calls = keys.flatMap((key, index) => [
      service.run(key, () => works[index]!.execute()),
      service.do(key, () => works[index]!.execute()),
    ]);
    expect(works.map(({ count }) => count)).toEqual(keys.map(() => 1));
    works.forEach((work, index) => {
      work.resolve(index);
    });
    const expected = keys.flatMap((_, index) => [index, { ok: true, value: index, shared: true, role: 'follower' }]);
    expect(await Promise.all(calls as Promise<unknown>[])).toEqual(expected);
    expect(service.group.size).toBe(0);
  });

  it('and are forgotten one by one', async () => {
    const service = new SingleFlightService();
    const work = new Work();
    const calls = keys.map((key) => service.run(key, () => work.execute()));
    expect(service.group.size).toBe(keys.length);
    keys.forEach((key, index) => {
      expect(service.forget(key)).toBe(true);
      expect(service.forget(key)).toBe(false);
      expect(service.group.size).toBe(keys.length - index - 1);
    });
    work.resolve('done');
    await Promise.all(calls);
    expect(service.stats()).toMatchObject({ forgotten: keys.length, flights: keys.length });
  });
});

describe('A key of undefined or null', () => {
  it.each([[undefined], [null]])('is not coalesced: %p', async (key) => {
    const service = new SingleFlightService();
    const work = new Work<number>();
    const calls = [
      service.do(key, () => work.execute()),
      service.do(key, () => work.execute()),
      service.run(key, () => work.execute()),
    ];
    expect(work.count).toBe(3);
    work.resolve(1, 0);
    work.resolve(2, 1);
    work.resolve(3, 2);
    expect(await Promise.all<unknown>(calls)).toEqual([
      { ok: true, value: 1, shared: false, role: 'leader' },
      { ok: true, value: 2, shared: false, role: 'leader' },
      3,
    ]);
    expect(service.stats()).toMatchObject({ bypassed: 3, flights: 0, callers: 0, coalescingRatio: 0 });
    expect(service.forget(key)).toBe(false);
  });

  it('is not coalesced with the empty string either', async () => {
    const service = new SingleFlightService();
    const work = new Work();
    const calls = [service.run('', () => work.execute()), service.run(undefined, () => work.execute())];
    expect(work.count).toBe(2);
    work.resolve('done');
    await Promise.all(calls);
  });

  it('lets a caller leave all the same', async () => {
    const service = new SingleFlightService();
    const work = new Work();
    const leaving = new AbortController();
    let signal: AbortSignal | undefined;
    const call = service.run(
      undefined,
      (flight) => {
        ({ signal } = flight);
        return work.execute();
      },
      { signal: leaving.signal },
    );
    leaving.abort(new Error('gone'));
    expect(await rejection(call)).toBe(leaving.signal.reason);
    expect(signal?.reason).toMatchObject({ code: 'ERR_SINGLEFLIGHT_ABANDONED' });
  });
});

describe('A key that cannot identify a flight', () => {
  const remedy = 'Use a string, a number, or an array of them, such as [user.tenantId, user.id].';
  it.each([
    [NaN, `Group 'default': the key is NaN. ${remedy}`],
    [{ id: 1 }, `Group 'default': the key is an object. ${remedy}`],
    [new Date(0), `Group 'default': the key is a Date. ${remedy}`],
    [Promise.resolve('1'), `Group 'default': the key is a Promise. ${remedy}`],
    [Symbol('1'), `Group 'default': the key is a symbol. ${remedy}`],
    [() => '1', `Group 'default': the key is a function. ${remedy}`],
    [[1, NaN], `Group 'default': the key is an array with NaN at [1]. ${remedy}`],
    [[1, [{}]], `Group 'default': the key is an array with an object at [1][0]. ${remedy}`],
    [
      [1, undefined],
      "Group 'default': the key is an array with undefined at [1]: callers who lack that value would share one flight. " +
        'Use undefined alone and the call is not coalesced, or put null where having none is a value of its own.',
    ],
  ])('is refused: %p', async (key, message) => {
    const service = new SingleFlightService();
    const work = new Work();
    const code = 'ERR_SINGLEFLIGHT_INVALID_KEY';
    const refusal = { name: 'InvalidKeyError', code, message: `${message} [${code}]`, group: 'default' };
    expect(await rejection(service.run(key as FlightKey, () => work.execute()))).toMatchObject(refusal);
    expect(await rejection(service.do(key as FlightKey, () => work.execute()))).toMatchObject(refusal);
    expect(() => service.forget(key as FlightKey)).toThrow(message);
    expect(work.count).toBe(0);
    expect(service.group.size).toBe(0);
  });

  it('is not the function either', async () => {
    const service = new SingleFlightService();
    expect(await rejection(service.run('1', 'not a function' as never))).toMatchObject({
      message:
        'Group \'default\': `fn` is the string "not a function". It must be a function. [ERR_SINGLEFLIGHT_INVALID_OPTION]',
    });
  });
});

describe('What a caller asks for', () => {
  it('is its own: a follower leaves, the others stay', async () => {
    const service = new SingleFlightService();
    const work = new Work();
    const leaving = new AbortController();
    const staying = service.do('1', () => work.execute());
    const gone = service.run('1', () => work.execute(), { signal: leaving.signal });
    expect(service.inFlight()).toMatchObject([{ key: '1', callers: 2, adrift: false }]);
    leaving.abort(new Error('gone'));
    expect(await rejection(gone)).toBe(leaving.signal.reason);
    expect(service.inFlight()).toMatchObject([{ key: '1', callers: 1, adrift: false }]);
    work.resolve('done');
    expect(await staying).toEqual({ ok: true, value: 'done', shared: true, role: 'leader' });
    expect(service.stats()).toMatchObject({ left: 1 });
  });

  it('is refused when it is no option', async () => {
    const service = new SingleFlightService();
    const options = { ttl: 5 } as object;
    const refusal = {
      code: 'ERR_SINGLEFLIGHT_INVALID_OPTION',
      message: expect.stringMatching(
        /^Group 'default': there is no option `ttl`\. The options are `signal`, .*`lingerMs`, `fleet`\. \[/,
      ),
      group: 'default',
      describedKey: '1',
    };
    expect(await rejection(service.run('1', () => 1, options))).toMatchObject(refusal);
    expect(await rejection(service.do('1', () => 1, options))).toMatchObject(refusal);
    expect(await firstValueFrom(service.doChan('1', () => 1, options))).toMatchObject({ ok: false, error: refusal });
    expect(await rejection(service.run('1', () => 1, 'fleet' as never))).toMatchObject({
      message: expect.stringMatching(/^Group 'default': `options` is the string "fleet"\. It must be an object\./),
    });
  });
});

describe('Forget', () => {
  it('lets those aboard have the old result, and the next caller start anew', async () => {
    const service = new SingleFlightService();
    const work = new Work();
    const old = service.run(1, () => work.execute());
    expect(service.forget(1)).toBe(true);
    expect(service.inFlight()).toMatchObject([{ key: '#1', adrift: true }]);
    const fresh = service.run(1, () => work.execute());
    expect(work.count).toBe(2);
    work.resolve('old', 0);
    work.resolve('new', 1);
    expect(await Promise.all([old, fresh])).toEqual(['old', 'new']);
  });

  it('forgets all', async () => {
    const service = new SingleFlightService();
    const work = new Work();
    const calls = [service.run(1, () => work.execute()), service.run(2, () => work.execute())];
    expect(service.forgetAll()).toBe(2);
    expect(service.forgetAll()).toBe(0);
    work.resolve('done');
    await Promise.all(calls);
  });
});
