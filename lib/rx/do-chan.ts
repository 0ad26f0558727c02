import { Observable } from 'rxjs';
import type { BoardingMode, Seat } from '../core/callers.js';
import type { FlightFunction } from '../core/flight.js';
import type { Group } from '../core/group.js';
import type { CallOptions, FlightOptions } from '../core/options.js';
import type { Result } from '../core/result.js';

/**
 * Go's `DoChan`: starts or joins the flight now, and returns an Observable that emits its one `Result` and completes.
 *
 * It is hot, as in Go: the flight does not wait for a subscription. It never errors: a rejection comes as
 * `{ ok: false, error }`. Every subscriber, early or late, gets that same one, in its own async context. It counts as
 * one caller, who leaves for good when the last subscriber unsubscribes before the result; never subscribed, it stays.
 *
 * @example
 * ```ts
 * import { Group, doChan } from 'nestjs-singleflight';
 *
 * const products = new Group();
 * doChan(products, '42', async () => 'a lamp').subscribe((result) => {
 *   console.log(result.ok ? result.value : result.error);
 * });
 * ```
 */
export function doChan<T, K = string>(
  group: Group<K>,
  key: K,
  fn: FlightFunction<T, K>,
  options?: CallOptions & FlightOptions,
): Observable<Result<T>> {
  return resultOf(() => boardToLeave(group, key, fn, options));
}

/** A seat that can be left by hand. */
export function boardToLeave<T, K>(
  group: Group<K>,
  key: K,
  fn: FlightFunction<T, K>,
  options?: CallOptions & FlightOptions,
  mode?: Omit<BoardingMode, 'leavable'>,
): Seat<T> {
  return group.board(key, fn, options, mode === undefined ? LEAVABLE : { ...mode, leavable: true });
}

const LEAVABLE: BoardingMode = { leavable: true };

/** Boards now; emits how it went, or that boarding was refused. */
export function resultOf<T>(board: () => Seat<T>): Observable<Result<T>> {
  let seat: Seat<T>;
  try {
    seat = board();
  } catch (error) {
    return emitting(Promise.resolve({ ok: false, error, shared: false }), () => undefined);
  }
  const result = seat.promise.then(
    (value): Result<T> => seat.success(value),
    (error: unknown): Result<T> => seat.failure(error),
  );
  return emitting(result, () => {
    seat.abandon();
  });
}

function emitting<R>(result: Promise<R>, onLastGone: () => void): Observable<R> {
  let subscribers = 0;
  // One for all subscribers. Also when it completed: the seat knows that there is nothing to leave then.
  const gone = (): void => {
    if (--subscribers === 0) onLastGone();
  };
  return new Observable<R>((subscriber) => {
    subscribers++;
    // A `then` per subscriber: it is called back in the subscriber's own async context. The result never rejects.
    void result.then((value) => {
      subscriber.next(value);
      subscriber.complete();
    });
    return gone;
  });
}
