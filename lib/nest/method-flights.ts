import type { Observable } from 'rxjs';
import type { Seat } from '../core/callers.js';
import type { ErrorPlace } from '../core/errors.js';
import type { Flight } from '../core/flight.js';
import type { Group } from '../core/group.js';
import type { Isolation } from '../core/isolate.js';
import { encodeKey, prefixKey } from '../core/key.js';
import type { CallOptions, FlightOptions } from '../core/options.js';
import type { FlightInfo } from '../core/stats.js';
import { boardToLeave } from '../rx/do-chan.js';
import { boarding, landed, type Landed } from '../rx/observables.js';
import { enterFlight } from './current-flight.js';
import type { KeyResult } from './decorator-types.js';
import { shareable } from './single-use.js';

/** Whether calls are coalesced at all: the app's kill switch. */
export interface KillSwitch {
  readonly enabled: boolean;
}

/** What a {@link MethodFlights} is made of. */
export interface MethodFlightsOptions {
  readonly group: Group;
  /** The method's own part of a group that it shares with others; without one, the whole group is the method's. */
  readonly namespace?: string | undefined;
  readonly killSwitch: KillSwitch;
  /** What every call asks for; undefined when that is nothing, so that the plain path is taken. */
  readonly options?: (Omit<CallOptions, 'signal'> & FlightOptions) | undefined;
  /** How results are handed out, where the group does not say it. */
  readonly isolate?: Isolation | undefined;
  /** How a bad key's error begins, such as `The key function of Users.find returned`. */
  readonly keySource: string;
  /** Whether no call is ever coalesced. */
  readonly alone?: boolean | undefined;
}

/** The flights of one function: a decorated method of one instance, or a wrapped function. */
export class MethodFlights {
  constructor(private readonly from: MethodFlightsOptions) {}

  /** Calls a function that returns a promise, or joins a call of it. */
  run<T>(keyOf: () => KeyResult, call: () => PromiseLike<T>): Promise<T> {
    const { group, options, isolate } = this.from;
    let key: string | undefined;
    try {
      key = this.keyOf(keyOf);
      if (key !== undefined && options === undefined && isolate === undefined) {
        const encoded = key;
        return group.runChecked<T>(encoded, entering(call), (value) => shareable(value, () => group.place(encoded)));
      }
      const seat =
        key === undefined
          ? group.board('', entering(call), options, { alone: true })
          : group.board(key, entering(call), options, { isolate });
      return this.checked(seat, key);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** A cold Observable of what a function that returns one comes to. */
  observe<T>(keyOf: () => KeyResult, call: () => Observable<T>): Observable<T> {
    const { group, options, isolate } = this.from;
    return boarding<T>(() => {
      const key = this.keyOf(keyOf);
      const place = (): ErrorPlace => group.place(key ?? '');
      const fn = (flight: Flight): Promise<Landed<T>> => landed(enterFlight(flight, call), flight, place);
      return boardToLeave(group, key ?? '', fn, options, { isolate, alone: key === undefined });
    });
  }

  forget(keyOf: () => KeyResult): boolean {
    const key = this.encode(keyOf());
    return key !== undefined && this.from.group.forget(key);
  }

  inFlight(): FlightInfo[] {
    const { group, namespace } = this.from;
    if (namespace === undefined) return group.inFlight();
    return group.inFlightWhere((key) => key.startsWith(prefixKey(namespace, '')));
  }

  /** The key of a call; undefined when it goes alone. */
  private keyOf(keyOf: () => KeyResult): string | undefined {
    if (this.from.alone === true || !this.from.killSwitch.enabled) return undefined;
    return this.encode(keyOf());
  }

  private encode(key: KeyResult): string | undefined {
    if (key === undefined || key === null) return undefined;
    const { namespace, keySource } = this.from;
    const encoded = encodeKey(key, keySource);
    return namespace === undefined ? encoded : prefixKey(namespace, encoded);
  }

  private checked<T>(seat: Seat<T>, key: string | undefined): Promise<T> {
    if (seat.role === 'leader' || key === undefined) return seat.promise;
    return seat.promise.then((value) => shareable(value, () => this.from.group.place(key)));
  }
}

/** A function's part of a group that it shares: the number comes first, so that no other part begins like it. */
export function newNamespace(name: string): string {
  return `${++namespaces}~${name}`;
}

/** How many functions have a part of a shared group. */
let namespaces = 0;

function entering<T>(call: () => T): (flight: Flight) => T {
  return (flight) => enterFlight(flight, call);
}
