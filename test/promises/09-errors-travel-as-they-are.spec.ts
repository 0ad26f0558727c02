import { describe, expect, it } from '@jest/globals';
import { Group } from '../../lib/core/group.js';
import { doChan } from '../../lib/rx/do-chan.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { RETURNS } from '../support/returns.js';

class NotFound extends Error {
  readonly status = 404;
}

async function reasons(calls: readonly Promise<unknown>[]): Promise<unknown[]> {
  const answers = await Promise.allSettled(calls);
  return answers.map((answer) => (answer.status === 'rejected' ? (answer.reason as unknown) : 'no error'));
}

describe('9. Errors travel as they are', () => {
  it.each(RETURNS)('gives every caller the same instance when the function returned %s', async (_, returned) => {
    const group = new Group();
    const work = deferred<string>();
    const fn = (): PromiseLike<string> => returned(work.promise);
    const calls = Array.from({ length: 100 }, (__, index) => {
      switch (index % 5) {
        case 0:
          return group.run('key', fn);
        case 1:
          return group.do('key', fn);
        case 2:
          return group.run('key', fn, { signal: new AbortController().signal });
        case 3:
          return group.do('key', fn, { waitTimeoutMs: 60_000 });
        default:
          return group.run('key', fn, { flightTimeoutMs: 60_000 });
      }
    });
    const error = Object.freeze(new NotFound('no such product'));
    work.reject(error);

    expect(new Set(await reasons(calls))).toEqual(new Set([error]));
    expect((await reasons(calls)).every((reason) => reason === error)).toBe(true);
    expect(error).toBeInstanceOf(NotFound);
    expect(Object.keys(error)).toEqual(['status']);
  });

  it('gives those who joined from inside the instance that the function threw', async () => {
    const group = new Group({ detectDeadlocks: false });
    const error = new NotFound('at once');
    const calls: Promise<unknown>[] = [];
    calls.push(
      group.run('key', () => {
        for (let index = 0; index < 10; index++) calls.push(group.run('key', () => 'not run'));
        throw error;
      }),
    );
    expect((await reasons(calls)).every((reason) => reason === error)).toBe(true);
    expect(calls).toHaveLength(11);
  });

  it.each([[{ code: 1 }], [Object.create(null)], [Symbol('error')], ['a string'], [[1, 2]]])(
    'passes on what is no Error: %p',
    async (thrown) => {
      const group = new Group();
      const work = deferred();
      const calls = [group.run('key', () => work.promise), group.run('key', () => work.promise, { lingerMs: 10 })];
      work.reject(thrown);
      expect((await reasons(calls)).every((reason) => reason === thrown)).toBe(true);
    },
  );

  it('hands the same instance to `doChan`', async () => {
    const group = new Group();
    const work = deferred();
    const error = new NotFound('no such product');
    const results: unknown[] = [];
    const channel = doChan(group, 'key', () => work.promise);
    const call = group.run('key', () => work.promise);
    channel.subscribe((result) => results.push(result));
    work.reject(error);
    await expect(call).rejects.toBe(error);
    await new Promise<void>((resolve) => {
      channel.subscribe({ complete: resolve });
    });

    expect(results).toEqual([{ ok: false, error, shared: true, role: 'leader' }]);
    expect((results[0] as { error: unknown }).error).toBe(error);
  });

  it('runs the function once for an error, and does not keep it: the next call runs it again', async () => {
    const group = new Group({ lingerMs: 60_000 });
    let runs = 0;
    const fail = async (): Promise<never> => {
      throw new NotFound(`run ${++runs}`);
    };
    const [one, two] = await reasons([group.run('key', fail), group.run('key', fail)]);
    expect(one).toBe(two);
    expect(group.size).toBe(0);
    await expect(group.run('key', fail)).rejects.toThrow('run 2');
  });

  describe('of its own', () => {
    fakeTime();

    it('gives all callers of a timed-out flight one FlightTimeoutError', async () => {
      const group = new Group({ flightTimeoutMs: 100, name: 'products' });
      const calls = Array.from({ length: 10 }, () => group.run('42', () => new Promise(() => undefined)));
      const rejected = reasons(calls);
      await pass(100);
      const [first, ...others] = await rejected;

      expect(others.every((error) => error === first)).toBe(true);
      expect(first).toMatchObject({
        name: 'FlightTimeoutError',
        flightTimeoutMs: 100,
        message:
          "The function did not settle within 100 ms for key '42' in group 'products'. Its key is free again and its " +
          'signal aborted. Raise `flightTimeoutMs`, or stop the function when `flight.signal` aborts. [ERR_SINGLEFLIGHT_FLIGHT_TIMEOUT]',
      });
    });
  });
});
