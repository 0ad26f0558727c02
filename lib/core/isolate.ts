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
        let ready: [unknown] | undefined = [clone(value, place)];
        return () => {
          const share = ready === undefined ? clone(value, place) : ready[0];
          ready = undefined;
          return share;
        };
      };
    case 'freeze':
      return (value, place) => {
        const frozen = frozenCopy(value, place);
        return () => frozen;
      };
    default:
      return (value) => () => isolation(value) as unknown;
  }
}
