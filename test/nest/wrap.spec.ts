import { describe, expect, it, jest } from '@jest/globals';
import { SingleFlightService, type FlightKey } from 'nestjs-singleflight';
import { rejection, Work } from './support/work.js';

describe('service.wrap', () => {
  it('shares one execution between calls with equal keys', async () => {
    const service = new SingleFlightService();
    const work = new Work();
    const load = jest.fn((id: number, locale: string) => work.execute().then((text) => `${text} ${id} ${locale}`));
    const wrapped = service.wrap(load, (id, locale) => [id, locale]);
    const calls = [wrapped(1, 'en'), wrapped(1, 'en'), wrapped(2, 'en'), wrapped(1, 'de')];
    expect(load.mock.calls).toEqual([
      [1, 'en'],
      [2, 'en'],
      [1, 'de'],
    ]);
    work.resolve('product');
    expect(await Promise.all(calls)).toEqual(['product 1 en', 'product 1 en', 'product 2 en', 'product 1 de']);
    expect(service.stats()).toMatchObject({ flights: 3, callers: 4 });
  });

  it('keeps `this` and the name', async () => {
    const service = new SingleFlightService();
    const shop = {
      name: 'corner shop',
      greet: service.wrap(
        async function greet(this: unknown, guest: string) {
          return `${(this as { name: string }).name} greets ${guest}`;
        },
        (guest: string) => guest,
      ),
    };
    expect(await shop.greet('Ada')).toBe('corner shop greets Ada');
    expect(shop.greet.name).toBe('greet');
  });

  it('forgets by arguments', async () => {
    const work = new Work();
    const load = new SingleFlightService().wrap(
      (id: number, locale: string) => work.execute(id, locale),
      (id) => id,
    );
    const old = load(1, 'en');
    expect(load.forget(2, 'en')).toBe(false);
    expect(load.forget(1, 'de')).toBe(true);
    expect(load.forget(1, 'de')).toBe(false);
    const fresh = load(1, 'en');
    expect(work.count).toBe(2);
    work.resolve('old', 0);
    work.resolve('new', 1);
    expect(await Promise.all([old, fresh])).toEqual(['old', 'new']);
  });

  it('does not coalesce a call whose key is undefined or null', async () => {
    const service = new SingleFlightService();
    const work = new Work();
    const load = service.wrap(
      (id: string | undefined | null) => work.execute(id),
      (id) => id,
    );
    const calls = [load(undefined), load(undefined), load(null)];
    expect(work.count).toBe(3);
    expect(load.forget(undefined)).toBe(false);
    work.resolve('done');
    await Promise.all(calls);
    expect(service.stats()).toMatchObject({ bypassed: 3, flights: 0 });
  });

  it('rejects when the key function throws or returns what is no key', async () => {
    const service = new SingleFlightService();
    const work = new Work();
    const broken = new Error('no tenant');
    const load = service.wrap(
      async function load(key: () => FlightKey) {
        return work.execute(key);
      },
      (key) => key(),
    );
    const throwing = load(() => {
      throw broken;
    });
    expect(await rejection(throwing)).toBe(broken);
    expect(await rejection(load(() => ({ id: 1 }) as never))).toMatchObject({
      code: 'ERR_SINGLEFLIGHT_INVALID_KEY',
      message:
        'The key function of load returned an object. ' +
        'Use a string, a number, or an array of them, such as [user.tenantId, user.id]. [ERR_SINGLEFLIGHT_INVALID_KEY]',
    });
    expect(work.count).toBe(0);
  });

  it('lets its callers leave after waitTimeoutMs', async () => {
    jest.useFakeTimers();
    const work = new Work();
    const load = new SingleFlightService().wrap(
      (id: number) => work.execute(id),
      (id) => id,
      { waitTimeoutMs: 100 },
    );
    const early = rejection(load(1));
    await jest.advanceTimersByTimeAsync(99);
    const late = load(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(await early).toMatchObject({ code: 'ERR_SINGLEFLIGHT_WAIT_TIMEOUT', waitTimeoutMs: 100 });
    expect(work.count).toBe(1);
    work.resolve('done');
    expect(await late).toBe('done');
    jest.useRealTimers();
  });

  it('refuses a bad option at once', () => {
    const service = new SingleFlightService();
    const wrap = (options: object) =>
      service.wrap(
        async () => 1,
        () => 1,
        options,
      );
    expect(() => wrap({ waitTimeoutMs: 0 })).toThrow(
      "Group 'default': `waitTimeoutMs` is the number 0. " +
        'It must be a number of milliseconds above 0 and at most 2147483647, or Infinity for none.',
    );
    expect(() => wrap({ ttl: 1 })).toThrow(/^Group 'default': there is no option `ttl`\. /);
    // A signal is one caller's, and would end the calls of all.
    expect(() => wrap({ signal: AbortSignal.abort() })).toThrow(/^Group 'default': there is no option `signal`\. /);
  });

  it('refuses what is no function at once', () => {
    const wrap = (fn: unknown, key: unknown) => new SingleFlightService().wrap(fn as () => never, key as () => string);
    expect(() => wrap(undefined, () => 1)).toThrow("Group 'default': `fn` is undefined. It must be a function.");
    expect(() => wrap(async () => 1, 'id')).toThrow(
      'Group \'default\': `keyFn` is the string "id". It must be a function from the arguments of `fn` to a key.',
    );
  });
});

describe('Keys never collide', () => {
  function named(name: string, work: Work) {
    return Object.defineProperty((id: string) => work.execute(id), 'name', { value: name });
  }

  it('two wrapped functions never meet, whatever their names and keys', async () => {
    const service = new SingleFlightService();
    const work = new Work();
    const load = named('load', work);
    const first = service.wrap(load, (id) => id);
    const second = service.wrap(load, (id) => id);
    const calls = [first('1'), second('1'), first('1'), second('1')];
    expect(work.count).toBe(2);
    expect(first.forget('1')).toBe(true);
    expect(service.group.size).toBe(1);
    work.resolve('done');
    await Promise.all(calls);
  });

  it('nor where one name contains all that stands before the other function’s key', async () => {
    const service = new SingleFlightService();
    const work = new Work();
    const first = service.wrap(named('a', work), (id) => id);
    void first('probe');
    // As it stands in the group: what comes before the key is the first function's namespace.
    const namespace = service
      .inFlight()[0]!
      .key.replace(/^@/, '')
      .replace(/ probe$/, '');
    expect(namespace).not.toContain('probe');
    const second = service.wrap(named(`${namespace} b`, work), (id) => id);
    void second('probe');
    const rest = service.inFlight()[1]!.key.replace(`@${namespace} `, '');
    void first(rest);
    expect(work.count).toBe(3);
  });

  it('service.run cannot reach a wrapped function’s flight', async () => {
    const service = new SingleFlightService();
    const work = new Work();
    const load = service.wrap(named('load', work), (id) => id);
    const calls = [load('1')];
    const inside = service.inFlight()[0]!.key;
    calls.push(...[inside, [inside], `"${inside}`].map((key) => service.run(key, () => work.execute())));
    expect(work.count).toBe(4);
    expect(service.forget(`"${inside}`)).toBe(true);
    expect(service.forget(inside)).toBe(true);
    expect(service.forget(inside)).toBe(false);
    expect(load.forget('1')).toBe(true);
    work.resolve('done');
    await Promise.all(calls);
  });
});
