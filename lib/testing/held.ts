/** A function that settles when the test says so. */
export interface Held<T> {
  /** The function: each call waits until the test releases it or makes it fail. */
  (): Promise<T>;
  /** How many calls there were. */
  readonly calls: number;
  /** How many calls wait. */
  readonly waiting: number;
  /** Ends the call that has waited longest. */
  release(value: T): void;
  /** Makes the call that has waited longest fail. */
  fail(error: unknown): void;
}

/**
 * A function for a flight to run, or for a test double to have: it is called, counted, and held until the test lets go.
 *
 * @throws Error from `release` and `fail` when no call waits, so that a test cannot hang on a call that never came
 *
 * @example
 * ```ts
 * import { Group } from 'nestjs-singleflight/core';
 * import { held } from 'nestjs-singleflight/testing';
 *
 * const load = held<string>();
 * const group = new Group();
 * const both = Promise.all([group.run('42', load), group.run('42', load)]);
 * load.release('a lamp');
 * console.log(await both, load.calls); // ['a lamp', 'a lamp'] 1
 * ```
 */
export function held<T = void>(): Held<T> {
  const waiting: { resolve: (value: T) => void; reject: (error: unknown) => void }[] = [];
  let calls = 0;
  const next = (what: string): (typeof waiting)[number] => {
    const call = waiting.shift();
    if (call === undefined) throw new Error(`There is no held call to ${what}: ${calls} came, and none of them waits.`);
    return call;
  };
  const fn = (): Promise<T> =>
    new Promise((resolve, reject) => {
      calls++;
      waiting.push({ resolve, reject });
    });
  return Object.defineProperties(fn, {
    calls: { get: () => calls },
    waiting: { get: () => waiting.length },
    release: {
      value: (value: T) => {
        next('release').resolve(value);
      },
    },
    fail: {
      value: (error: unknown) => {
        next('fail').reject(error);
      },
    },
  }) as Held<T>;
}
