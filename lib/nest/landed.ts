import { parcel } from '../core/isolate.js';
import type { FlightLimits } from '../core/options.js';
import { isReplay, type Replay } from './replay.js';

/** What a flight of requests comes to. Without a replay nobody but the leader may have it. */
export interface Landed {
  readonly values: readonly unknown[];
  readonly replay: Replay | undefined;
}

export const NOT_SHARED: Landed = parcel({ values: [], replay: undefined }, () => NOT_SHARED);

/** What all may have; of it, the values alone are isolated. */
export function landedWith(values: readonly unknown[], replay: Replay, { handOut }: FlightLimits): Landed {
  const landed = { values, replay };
  if (handOut === undefined) return landed;
  return parcel(landed, (isolate) => ({ values: values.map((value) => isolate(value)), replay }));
}

/** What came from another process of the fleet, which may be of another make. */
export function received(came: unknown, limits: FlightLimits): Landed {
  const { values, replay } = (came ?? {}) as Partial<Landed>;
  return Array.isArray(values) && isReplay(replay) ? landedWith(values, replay, limits) : NOT_SHARED;
}

/** The end of a flight, seen on its way. A thenable and no promise: who comes next hears of it in the very callback. */
export function passing<T>(
  flying: PromiseLike<unknown>,
  landed: (came: unknown) => T,
  ended: () => void,
): PromiseLike<T> {
  const then = (resolve: (came: T) => void, reject: (error: unknown) => void): void => {
    flying.then(
      (came) => {
        ended();
        resolve(landed(came));
      },
      (error: unknown) => {
        ended();
        reject(error);
      },
    );
  };
  return { then } as PromiseLike<T>;
}
