import { describe, expect, it } from '@jest/globals';
import { firstValueFrom, from, EMPTY, throwIfEmpty } from 'rxjs';
import { NoResultError } from '../../lib/core/errors.js';
import { Group } from '../../lib/core/group.js';
import type { Result } from '../../lib/core/result.js';
import { doChan } from '../../lib/rx/do-chan.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { turn } from '../support/turns.js';

/** Go's receive from the channel that `DoChan` returns. */
function receive<T>(group: Group, key: string, fn: () => T | PromiseLike<T>): Promise<Result<T>> {
  return firstValueFrom(doChan(group, key, fn));
}

/** The tests of golang.org/x/sync/singleflight, each under its own name, as what they come to here. */
describe("Go's singleflight", () => {
  describe('TestPanicErrorUnwrap', () => {
    // Go wraps what was panicked with, so that its stack survives; a throw needs no wrapper and arrives as it was.
    it.each([
      ['a string', 'string value'],
      ['an error', new TypeError('error value')],
    ])('hands over %s that was thrown without wrapping it', async (_, thrown) => {
      const group = new Group();
      await expect(
        group.do('key', () => {
          throw thrown;
        }),
      ).rejects.toBe(thrown);
    });
  });

  // The value of the function is the value of the call.
  it('TestDo', async () => {
    const group = new Group();
    await expect(group.do('key', () => 'bar')).resolves.toEqual({
      ok: true,
      value: 'bar',
      shared: false,
      role: 'leader',
    });
    await expect(group.run('key', async () => 'bar')).resolves.toBe('bar');
  });

  // The error that Go's function returns is a rejection here, with the same instance and no value.
  it('TestDoErr', async () => {
    const group = new Group();
    const error = new Error('Some error');
    await expect(group.do('key', () => Promise.reject(error))).rejects.toBe(error);
    await expect(receive(group, 'key', () => Promise.reject(error))).resolves.toEqual({
      ok: false,
      error,
      shared: false,
      role: 'leader',
    });
  });

  // Go can only say that fewer than ten ran; with one thread it is exactly one.
  it('TestDoDupSuppress', async () => {
    const group = new Group();
    const work = deferred<string>();
    let runs = 0;
    const calls = Array.from({ length: 10 }, () =>
      group.do('key', () => {
        runs++;
        return work.promise;
      }),
    );
    work.resolve('bar');
    const answers = await Promise.all(calls);

    expect(runs).toBe(1);
    expect(answers.map(({ value, shared }) => [value, shared])).toEqual(answers.map(() => ['bar', true]));
    expect(answers.filter(({ role }) => role === 'leader')).toHaveLength(1);
  });

  // After a forget the end of the first flight must not remove the second (golang/go#31420): the third call joins it.
  it('TestForget', async () => {
    const group = new Group();
    const [first, second] = [deferred<number>(), deferred<number>()];
    const firstResult = group.do('key', () => first.promise);
    expect(group.forget('key')).toBe(true);
    const secondResult = receive(group, 'key', () => second.promise);
    first.resolve(1);
    await firstResult;
    const thirdResult = receive(group, 'key', () => 3);
    second.resolve(2);

    await expect(secondResult).resolves.toMatchObject({ ok: true, value: 2, role: 'leader' });
    await expect(thirdResult).resolves.toMatchObject({ ok: true, value: 2, role: 'follower' });
  });

  // The channel is an Observable of one Result, which completes after it.
  it('TestDoChan', async () => {
    const group = new Group();
    const heard: unknown[] = [];
    await new Promise<void>((resolve, reject) => {
      doChan(group, 'key', () => 'bar').subscribe({
        next: (result) => heard.push(result),
        error: reject,
        complete: resolve,
      });
    });

    expect(heard).toEqual([{ ok: true, value: 'bar', shared: false, role: 'leader' }]);
  });

  describe('TestPanicDo', () => {
    // A panic is a throw here: it reaches every caller, none hangs, the process lives and the key is free (golang/go#41133).
    it.each([
      ['at once', undefined],
      ['later', turn],
    ])('throws %s', async (_, before) => {
      const group = new Group();
      const error = new Error('invalid memory address or nil pointer dereference');
      const panic = (): Promise<never> => {
        if (before === undefined) throw error;
        return before().then(() => {
          throw error;
        });
      };
      const answers = await Promise.allSettled(Array.from({ length: 5 }, () => group.do('key', panic)));

      expect(answers.map((answer) => answer.status === 'rejected' && answer.reason === error)).toEqual(
        answers.map(() => true),
      );
      expect(group.size).toBe(0);
      await expect(group.do('key', () => 'alive')).resolves.toMatchObject({ value: 'alive' });
    });
  });

  describe('TestGoexitDo', () => {
    fakeTime();

    // A function that ends without a result: a source that completes empty rejects its callers with a NoResultError.
    it('ends when the source completes empty', async () => {
      const group = new Group({ name: 'go' });
      const place = { group: 'go', describedKey: 'key' };
      const source = (): Promise<never> =>
        firstValueFrom(
          from(turn()).pipe(
            () => EMPTY,
            throwIfEmpty(() => new NoResultError(place)),
          ),
        );
      const answers = await Promise.allSettled(Array.from({ length: 5 }, () => group.do('key', source)));

      for (const answer of answers) {
        expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'ERR_SINGLEFLIGHT_NO_RESULT', ...place } });
      }
      expect(new Set(answers.map((answer) => (answer as PromiseRejectedResult).reason as unknown)).size).toBe(1);
    });

    // A function that never settles: the flight timeout answers all its callers and frees the key.
    it('ends by the flight timeout', async () => {
      const group = new Group({ flightTimeoutMs: 1_000 });
      const calls = Array.from({ length: 5 }, () => group.do('key', () => new Promise(() => undefined)));
      const answers = Promise.allSettled(calls);
      await pass(1_000);

      expect((await answers).map((answer) => (answer as PromiseRejectedResult).reason as unknown)).toEqual(
        calls.map(() => expect.objectContaining({ code: 'ERR_SINGLEFLIGHT_FLIGHT_TIMEOUT' })),
      );
      await expect(group.do('key', () => 'alive')).resolves.toMatchObject({ value: 'alive' });
    });

    // Or the join window frees the key, and those who come later are served.
    it('is left behind by the join window', async () => {
      const group = new Group({ joinWindowMs: 1_000 });
      const hung = [1, 2, 3].map(() => group.do('key', () => new Promise(() => undefined), { waitTimeoutMs: 5_000 }));
      const refused = hung.map((call) => expect(call).rejects.toMatchObject({ code: 'ERR_SINGLEFLIGHT_WAIT_TIMEOUT' }));
      await pass(1_000);
      await expect(group.do('key', () => 'alive')).resolves.toMatchObject({ value: 'alive', role: 'leader' });
      expect(group.inFlight()).toMatchObject([{ callers: 3, adrift: true }]);
      await pass(4_000);
      await Promise.all(refused);
    });
  });

  // Go crashes the process, as nobody could recover the panic; here it comes down the channel as a Result that failed.
  it('TestPanicDoChan', async () => {
    const group = new Group();
    const error = new Error('Panicking in DoChan');
    const result = await receive(group, '', () => {
      throw error;
    });

    expect(result).toEqual({ ok: false, error, shared: false, role: 'leader' });
    expect(group.size).toBe(0);
  });

  // A panic in Do reaches the channel that joined, whose own function never runs.
  it('TestPanicDoSharedByDoChan', async () => {
    const group = new Group();
    const unblock = deferred();
    const error = new Error('Panicking in Do');
    const call = group.do('', async () => {
      await unblock.promise;
      throw error;
    });
    let ran = false;
    const result = receive(group, '', () => {
      ran = true;
    });
    unblock.resolve();

    await expect(call).rejects.toBe(error);
    await expect(result).resolves.toEqual({ ok: false, error, shared: true, role: 'follower' });
    expect(ran).toBe(false);
  });

  // Two calls of one key: the first function runs, both get its result, and both know that it was shared.
  it('ExampleGroup', async () => {
    const group = new Group();
    const block = deferred();
    const one = receive(group, 'key', async () => {
      await block.promise;
      return 'func 1';
    });
    const two = receive(group, 'key', async () => {
      await block.promise;
      return 'func 2';
    });
    block.resolve();

    await expect(one).resolves.toEqual({ ok: true, value: 'func 1', shared: true, role: 'leader' });
    await expect(two).resolves.toEqual({ ok: true, value: 'func 1', shared: true, role: 'follower' });
  });
});
