import { describe, expect, it, jest } from '@jest/globals';
import { Group } from '../../lib/core/group.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { CountingPromise, RETURNS } from '../support/returns.js';

type Callback = (value: unknown) => void;
const CALLERS = 5;

/** Several callers, every other one of whom can leave. */
function callers(group: Group, fn: () => unknown): Promise<PromiseSettledResult<unknown>[]> {
  const { signal } = new AbortController();
  return Promise.allSettled(
    Array.from({ length: CALLERS }, (_, index) => group.run('key', fn, index % 2 === 0 ? undefined : { signal })),
  );
}
const all = (result: PromiseSettledResult<unknown>): PromiseSettledResult<unknown>[] =>
  Array.from({ length: CALLERS }, () => result);

describe('6. Everybody settles, once: whatever the function returns', () => {
  it.each(RETURNS)('%s that resolves', async (_, returned) => {
    const group = new Group();
    const work = deferred<string>();
    const answers = callers(group, () => returned(work.promise));
    work.resolve('done');

    expect(await answers).toEqual(all({ status: 'fulfilled', value: 'done' }));
    expect(group.stats()).toMatchObject({ flights: 1, active: 0 });
  });

  it.each(RETURNS)('%s that rejects', async (_, returned) => {
    const group = new Group();
    const work = deferred<string>();
    const answers = callers(group, () => returned(work.promise));
    work.reject('failed');

    expect(await answers).toEqual(all({ status: 'rejected', reason: 'failed' }));
    expect(group.stats()).toMatchObject({ flights: 1, failures: 1, active: 0 });
  });

  it('a lazy thenable runs once, in the tick of the call', async () => {
    const group = new Group();
    const work = deferred<string>();
    const execute = jest.fn((onValue: Callback) => void work.promise.then(onValue));
    const answers = callers(group, () => ({ then: execute }));
    expect(execute).toHaveBeenCalledTimes(1);
    work.resolve('rows');

    expect(await answers).toEqual(all({ status: 'fulfilled', value: 'rows' }));
    expect(execute).toHaveBeenCalledTimes(1);
  });

  it('a subclass is asked once: its own `then` may do work', async () => {
    const group = new Group();
    const promise = new CountingPromise<string>((resolve) => {
      resolve('done');
    });

    expect(await callers(group, () => promise)).toEqual(all({ status: 'fulfilled', value: 'done' }));
    expect(promise.thens).toBe(1);
  });

  it('a promise with a `then` of its own is asked once, and ends once', async () => {
    const group = new Group();
    const promise = Promise.resolve('not this');
    const own = jest.fn((onValue: Callback) => {
      onValue('value');
      throw new Error('after the value');
    });
    promise.then = own as never;

    expect(await callers(group, () => promise)).toEqual(all({ status: 'fulfilled', value: 'value' }));
    expect(own).toHaveBeenCalledTimes(1);
    expect(group.stats()).toMatchObject({ flights: 1, failures: 0, active: 0 });
  });

  it.each<[string, (onValue: Callback, onError: Callback) => void, PromiseSettledResult<unknown>]>([
    [
      'that resolves at once',
      (onValue) => {
        onValue('value');
      },
      { status: 'fulfilled', value: 'value' },
    ],
    [
      'that rejects at once with nothing',
      (_, onError) => {
        onError(undefined);
      },
      { status: 'rejected', reason: undefined },
    ],
    [
      'that calls back twice',
      (onValue, onError) => {
        onValue('value');
        onValue('another');
        onError('an error');
      },
      { status: 'fulfilled', value: 'value' },
    ],
    [
      'that resolves and then throws',
      (onValue) => {
        onValue('value');
        throw new Error('after the value');
      },
      { status: 'fulfilled', value: 'value' },
    ],
    [
      'that throws at once',
      () => {
        throw 'thrown' as never;
      },
      { status: 'rejected', reason: 'thrown' },
    ],
    [
      'that resolves to a thenable',
      (onValue) => {
        onValue({
          then: (inner: Callback) => {
            inner('inner value');
          },
        });
      },
      { status: 'fulfilled', value: 'inner value' },
    ],
  ])('a thenable %s', async (_, then, expected) => {
    const group = new Group();
    expect(await callers(group, () => ({ then }))).toEqual(all(expected));
    expect(group.stats()).toMatchObject({ active: 0 });
    expect(group.size).toBe(0);
  });

  it.each<[string, unknown, PromiseSettledResult<unknown>]>([
    ['a thenable', { then: (inner: Callback) => inner('inner value') }, { status: 'fulfilled', value: 'inner value' }],
    ['a promise that rejects', Promise.reject(new Error('inner')), { status: 'rejected', reason: new Error('inner') }],
    [
      'something whose `then` cannot be read',
      {
        get then(): never {
          throw 'unreadable' as never;
        },
      },
      { status: 'rejected', reason: 'unreadable' },
    ],
  ])('a thenable that comes later to %s', async (_, inner, expected) => {
    const group = new Group();
    const later: Callback[] = [];
    const answers = callers(group, () => ({ then: (onValue: Callback) => void later.push(onValue) }));
    expect(later).toHaveLength(1);
    later[0]!(inner);

    expect(await answers).toEqual(all(expected));
    expect(group.stats()).toMatchObject({ flights: 1, active: 0 });
    expect(group.size).toBe(0);
  });

  it('a thenable that comes later to another has not ended before that has, which is asked once', async () => {
    const group = new Group();
    const later: Callback[] = [];
    const then = jest.fn((onValue: Callback) => void later.push(onValue));
    const answers = callers(group, () => ({ then }));
    later[0]!({ then });
    expect(group.stats()).toMatchObject({ active: 1 });
    expect(group.size).toBe(1);
    later[1]!('rows');

    expect(await answers).toEqual(all({ status: 'fulfilled', value: 'rows' }));
    expect(then).toHaveBeenCalledTimes(2);
  });

  it('a subclass is not handed out, though its `then` is the inherited one', async () => {
    class Cancelable<T> extends Promise<T> {}
    const group = new Group();
    const promise = Cancelable.resolve('done');
    const call = group.run('key', () => promise);

    expect(call).not.toBeInstanceOf(Cancelable);
    await expect(call).resolves.toBe('done');
  });

  it('a function that is a thenable is asked once, as query builders are', async () => {
    const group = new Group();
    const query = Object.assign(() => 'not called', {
      then: jest.fn((onValue: Callback) => onValue('rows')),
    });

    expect(await callers(group, () => query)).toEqual(all({ status: 'fulfilled', value: 'rows' }));
    expect(query.then).toHaveBeenCalledTimes(1);
  });

  it('something whose `then` cannot be read rejects with what reading it threw', async () => {
    const group = new Group();
    const answers = await callers(group, () => ({
      get then(): never {
        throw 'unreadable' as never;
      },
    }));
    expect(answers).toEqual(all({ status: 'rejected', reason: 'unreadable' }));
    expect(group.size).toBe(0);
  });

  it.each<[string, unknown]>([
    ['an object', { value: 1 }],
    ['an object whose `then` is no function', { then: 'later' }],
    ['a function', (): number => 1],
    ['an object without a prototype', Object.create(null)],
  ])('%s is a value like any other', async (_, value) => {
    const group = new Group();
    await expect(group.run('key', () => value)).resolves.toBe(value);
    await expect(group.run('key', () => value, { waitTimeoutMs: 1_000 })).resolves.toBe(value);
  });

  it.each<[string, () => unknown]>([
    ['an object that only inherits from Promise', (): unknown => Object.create(Promise.prototype)],
    ['a Proxy of a promise', () => new Proxy(Promise.resolve(1), {})],
  ])('%s rejects, as it does when it is awaited', async (_, forged) => {
    const group = new Group();
    const awaited = await Promise.resolve(forged()).then(
      () => 'a value',
      (error: unknown) => (error as Error).name,
    );
    expect(awaited).toBe('TypeError');
    await expect(group.run('key', forged)).rejects.toThrow(TypeError);
    await expect(group.run('key', forged, { waitTimeoutMs: 1_000 })).rejects.toThrow(TypeError);
    expect(group.size).toBe(0);
  });

  describe('with a flight timeout', () => {
    fakeTime();

    it.each(RETURNS)('%s that settles in time stops the timer, one that does not is timed out', async (_, returned) => {
      const group = new Group({ flightTimeoutMs: 100 });
      const work = deferred<string>();
      const call = group.run('key', () => returned(work.promise));
      work.resolve('done');
      await expect(call).resolves.toBe('done');
      await pass(0);
      expect(jest.getTimerCount()).toBe(0);

      const late = group.run('key', () => returned(new Promise(() => undefined)));
      const refused = expect(late).rejects.toMatchObject({ name: 'FlightTimeoutError' });
      await pass(100);
      await refused;
      expect(jest.getTimerCount()).toBe(0);
    });
  });
});
