import { runInNewContext } from 'node:vm';

/** A promise class of somebody else's, whose `then` counts who calls it. */
export class CountingPromise<T> extends Promise<T> {
  thens = 0;

  override then<A = T, B = never>(
    onValue?: ((value: T) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.thens++;
    return super.then(onValue, onError);
  }
}

/** A thenable that is no promise. */
export function thenableOf<T>(promise: Promise<T>): PromiseLike<T> {
  return { then: (onValue, onError) => promise.then(onValue, onError) };
}

/** A promise of another realm, as a function gets from a sandbox or, under Jest, from Node itself. */
export function foreignOf<T>(promise: Promise<T>): Promise<T> {
  return runInNewContext('new Promise((resolve, reject) => promise.then(resolve, reject))', { promise }) as Promise<T>;
}

/** A native promise with a `then` of its own. */
export function withOwnThen<T>(promise: Promise<T>): Promise<T> {
  const own = Promise.resolve() as Promise<unknown> as Promise<T>;
  own.then = ((onValue: (value: T) => void, onError: (error: unknown) => void) =>
    Promise.prototype.then.call(promise, onValue as never, onError)) as never;
  return own;
}

/** What a function may return instead of a plain promise, and what is made of one. */
export const RETURNS: readonly (readonly [string, <T>(promise: Promise<T>) => PromiseLike<T>])[] = [
  ['a promise', (promise) => promise],
  ['a thenable', thenableOf],
  ['a promise of a subclass', (promise) => CountingPromise.resolve(promise)],
  ['a promise of another realm', foreignOf],
  ['a promise with a then of its own', withOwnThen],
];
