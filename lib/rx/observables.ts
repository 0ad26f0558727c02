import { Observable, fromEvent, lastValueFrom, take, takeUntil, toArray } from 'rxjs';
import type { Seat } from '../core/callers.js';
import { UnshareableResultError, type ErrorPlace } from '../core/errors.js';
import type { Flight } from '../core/flight.js';
import { parcel } from '../core/isolate.js';

/** What an Observable of one value or none came to. */
export type Landed<T> = readonly [] | readonly [T];

/**
 * Subscribes to a source as a flight's function: it lands with the source's completion, and unsubscribes when nobody
 * waits any more.
 *
 * @returns rejects with an `UnshareableResultError` on a second value: who came in between would have missed the first
 */
export async function landed<T, K>(
  source: Observable<T>,
  flight: Flight<K>,
  place: () => ErrorPlace,
): Promise<Landed<T>> {
  const values = await lastValueFrom(source.pipe(take(2), takeUntil(fromEvent(flight.signal, 'abort')), toArray()));
  if (values.length > 1) throw new UnshareableResultError(place(), 'an Observable of more than one value');
  return parcel(values, (isolate) => values.map((value) => isolate(value) as T)) as unknown as Landed<T>;
}

/** A cold Observable that boards when it is subscribed to, leaves when it is unsubscribed from, and emits what landed. */
export function boarding<T>(board: () => Seat<Landed<T>>): Observable<T> {
  return new Observable<T>((subscriber) => {
    let seat: Seat<Landed<T>>;
    try {
      seat = board();
    } catch (error) {
      subscriber.error(error);
      return undefined;
    }
    seat.promise.then(
      ([...values]) => {
        for (const value of values) subscriber.next(value);
        subscriber.complete();
      },
      (error: unknown) => {
        subscriber.error(error);
      },
    );
    return () => {
      seat.abandon();
    };
  });
}
