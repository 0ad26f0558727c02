import { clone, frozenCopy } from './copy.js';
import type { ErrorPlace } from './errors.js';

/**
 * How the callers of one flight are kept from changing each other's result: not at all; one frozen copy for all; a
 * copy for each; or whatever a function makes of it for each.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a result may be of any type
export type Isolation = 'none' | 'freeze' | 'clone' | ((value: any) => any);

/** Begins to hand out a result: each call of what it returns is one caller's share. */
export type HandOut = (value: unknown, place: () => ErrorPlace) => () => unknown;

/** How a result is handed out; undefined when everybody gets the very same one. */
export function handOutOf(isolation: Isolation | undefined): HandOut | undefined {
  switch (isolation) {
    case undefined:
    case 'none':
      return undefined;
    case 'clone':
      return (value, place) => {
        // The first one now: that it cannot be copied is found out before anybody has a share.
        const copy = (): unknown => shareBy((part) => clone(part, place), value);
        let ready: [unknown] | undefined = [copy()];
        return () => {
          const share = ready === undefined ? copy() : ready[0];
          ready = undefined;
          return share;
        };
      };
    case 'freeze':
      return (value, place) => {
        const frozen = shareBy((part) => frozenCopy(part, place), value);
        return () => frozen;
      };
    default:
      return (value) => () => shareBy(isolation, value);
  }
}

type Isolate = (value: unknown) => unknown;

/** Results that hold more than users know of, and how a share of one is made. */
const parcels = new WeakMap<object, (isolate: Isolate) => unknown>();

/**
 * Says that a result is no value itself, but holds some: these are isolated, and are what errors speak of.
 *
 * @param unpack makes a share of the result, given what makes one of a value
 */
export function parcel<T extends object>(result: T, unpack: (isolate: Isolate) => T): T {
  parcels.set(result, unpack);
  return result;
}

function shareBy(isolate: Isolate, result: unknown): unknown {
  const unpack = typeof result === 'object' && result !== null ? parcels.get(result) : undefined;
  return unpack === undefined ? isolate(result) : unpack(isolate);
}
