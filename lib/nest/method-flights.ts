import type { Observable } from 'rxjs';
import type { BoardingMode } from '../core/callers.js';
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

/** A function whose calls are coalesced, and what makes the key of its arguments. */
export interface KeyedFunction<T> {
  readonly method: AnyFunction<T>;
  readonly keyFn: AnyFunction<KeyResult>;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- whoever makes one has checked its parameters
type AnyFunction<R> = (...args: any[]) => R;

/** The flights of one function: a decorated method of one instance, or a wrapped function. */
export class MethodFlights {
  private readonly group: Group;
  private readonly killSwitch: KillSwitch;
  /** Whether no call is ever coalesced. */
  private readonly alone: boolean;
  /** Whether a call asks for nothing that its group does not do by itself. */
  private readonly direct: boolean;
  /** How results are handed out, where the group does not say it. */
  private readonly mode: BoardingMode | undefined;

  constructor(private readonly from: MethodFlightsOptions) {
    // Beside `from`, because every call reads them.
    this.group = from.group;
    this.killSwitch = from.killSwitch;
    this.alone = from.alone === true;
    this.direct = from.options === undefined && from.isolate === undefined;
    this.mode = from.isolate === undefined ? undefined : { isolate: from.isolate };
  }

  /** Calls a function that returns a promise, or joins a call of it. */
  run<T>(of: KeyedFunction<PromiseLike<T>>, self: unknown, args: unknown[]): Promise<T> {
    const { group } = this;
    try {
      const key = this.keyOf(of, self, args);
      const check = this.check as (value: T, key: string) => T;
      if (key !== undefined && this.direct && group.plain) {
        // No closure is made for a call that joins.
        return group.joinChecked(key, check) ?? group.lead(key, entering(of, self, args));
      }
      const { options } = this.from;
      const fn = entering(of, self, args);
      if (key === undefined) return group.board(ALONE, fn, options, { alone: true }).promise;
      return group.board(key, fn, options, this.mode).checked(check);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** A cold Observable of what a function that returns one comes to. */
  observe<T>(of: KeyedFunction<Observable<T>>, self: unknown, args: unknown[]): Observable<T> {
    const { group, options, isolate } = this.from;
    return boarding<T>(() => {
      const key = this.keyOf(of, self, args);
      const place = (): ErrorPlace => group.place(key ?? ALONE);
      const call = entering(of, self, args);
      const fn = (flight: Flight): Promise<Landed<T>> => landed(call(flight), flight, place);
      return boardToLeave(group, key ?? ALONE, fn, options, { isolate, alone: key === undefined });
    });
  }

  /** @param made what the key function made of some arguments */
  forget(made: KeyResult): boolean {
    const key = this.encode(made);
    return key !== undefined && this.from.group.forget(key);
  }

  inFlight(): FlightInfo[] {
    const { group, namespace } = this.from;
    if (namespace === undefined) return group.inFlight();
    return group.inFlightWhere((key) => key.startsWith(prefixKey(namespace, '')));
  }

  /** The key of a call; undefined when it goes alone. */
  private keyOf({ keyFn }: KeyedFunction<unknown>, self: unknown, args: unknown[]): string | undefined {
    if (this.alone || !this.killSwitch.enabled) return undefined;
    return this.encode(Reflect.apply<unknown, unknown[], KeyResult>(keyFn, self, args));
  }

  private encode(key: KeyResult): string | undefined {
    if (key === undefined || key === null) return undefined;
    const { namespace, keySource } = this.from;
    const encoded = encodeKey(key, keySource);
    return namespace === undefined ? encoded : prefixKey(namespace, encoded);
  }

  /** Gives a follower the value, unless only one caller can have it. */
  private readonly check = (value: unknown, key: string): unknown => shareable(value, () => this.from.group.place(key));
}

/** A function's part of a group that it shares: the number comes first, so that no other part begins like it. */
export function newNamespace(name: string): string {
  return `${++namespaces}~${name}`;
}

/** How many functions have a part of a shared group. */
let namespaces = 0;

/** What stands for the key of a call that nobody can join. */
const ALONE = '';

function entering<T>(of: KeyedFunction<T>, self: unknown, args: unknown[]): (flight: Flight) => T {
  return (flight) => enterFlight(flight, of.method, self, args);
}
