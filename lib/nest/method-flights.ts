import type { Observable } from 'rxjs';
import type { BoardingMode, Seat } from '../core/callers.js';
import type { ErrorPlace } from '../core/errors.js';
import type { Flight, FlightFunction } from '../core/flight.js';
import type { Group } from '../core/group.js';
import type { Isolation } from '../core/isolate.js';
import { encodeKey, prefixKey, type KeySource } from '../core/key.js';
import type { CallOptions, FlightOptions } from '../core/options.js';
import type { FlightInfo } from '../core/stats.js';
import { boarding, landed, type Landed } from '../rx/observables.js';
import { localKeyOf, type AppFleet } from './app-fleet.js';
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
  readonly keySource: string | KeySource;
  /** Whether no call is ever coalesced. */
  readonly alone?: boolean | undefined;
  /** The name of its flights in the app's fleet, where they are shared by that. */
  readonly shared?: { readonly fleet: AppFleet; readonly name: string } | undefined;
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
    this.direct = from.options === undefined && from.isolate === undefined && from.shared === undefined;
    this.mode = from.isolate === undefined ? undefined : { isolate: from.isolate };
  }

  /** Calls a function that returns a promise, or joins a call of it. */
  run<T>(of: KeyedFunction<PromiseLike<T>>, self: unknown, args: unknown[]): Promise<T> {
    const { group } = this;
    try {
      const encoded = this.keyOf(of, self, args);
      const key = this.localKey(encoded);
      const check = this.check as (value: T, key: string) => T;
      if (key !== undefined && this.direct && group.plain) {
        // No closure is made for a call that joins.
        return group.joinChecked(key, check) ?? group.lead(key, entering(of, self, args));
      }
      const seat = this.board(encoded, entering(of, self, args), this.mode);
      return encoded === undefined ? seat.promise : seat.checked(check as (value: T, key: unknown) => T);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** A cold Observable of what a function that returns one comes to. */
  observe<T>(of: KeyedFunction<Observable<T>>, self: unknown, args: unknown[]): Observable<T> {
    const { group, isolate } = this.from;
    return boarding<T>(() => {
      const encoded = this.keyOf(of, self, args);
      const place = (): ErrorPlace => group.place(this.localKey(encoded) ?? ALONE);
      const call = entering(of, self, args);
      const fn = (flight: Flight): Promise<Landed<T>> => landed(call(flight), flight, place);
      return this.board(encoded, fn, { isolate, leavable: true });
    });
  }

  /** @param made what the key function made of some arguments */
  forget(made: KeyResult): boolean {
    const { shared } = this.from;
    const encoded = this.encode(made);
    const key = this.localKey(encoded);
    if (key === undefined || encoded === undefined) return false;
    const found = this.group.forget(key);
    // The next flight here waits until the others have been told; where that fails, it is the next flight that fails.
    shared?.fleet.forget(this.group, { name: shared.name, key: encoded }).catch(ignore);
    return found;
  }

  /** As {@link forget}, and resolves when every process of the fleet has forgotten it. */
  async forgetEverywhere(made: KeyResult): Promise<boolean> {
    const { shared } = this.from;
    const encoded = this.encode(made);
    if (shared === undefined || encoded === undefined) return this.forget(made);
    return shared.fleet.forget(this.group, { name: shared.name, key: encoded });
  }

  inFlight(): FlightInfo[] {
    const { group, namespace, shared } = this.from;
    if (namespace === undefined) return group.inFlight();
    const prefix = shared === undefined ? prefixKey(namespace, '') : localKeyOf({ name: shared.name, key: '' });
    return group.inFlightWhere((key) => key.startsWith(prefix));
  }

  /** A call that asks for more than its group does by itself, or goes alone. */
  private board<T>(encoded: string | undefined, fn: FlightFunction<T>, mode?: BoardingMode): Seat<T> {
    const { group, options, shared } = this.from;
    if (encoded === undefined) return group.board(ALONE, fn, options, { ...mode, alone: true });
    if (shared === undefined) return group.board(this.localKey(encoded) ?? ALONE, fn, options, mode);
    return shared.fleet.board(group, { name: shared.name, key: encoded }, fn, options, mode);
  }

  /** The key of a call; undefined when it goes alone. */
  private keyOf({ keyFn }: KeyedFunction<unknown>, self: unknown, args: unknown[]): string | undefined {
    if (this.alone || !this.killSwitch.enabled) return undefined;
    return this.encode(Reflect.apply<unknown, unknown[], KeyResult>(keyFn, self, args));
  }

  private encode(key: KeyResult): string | undefined {
    if (key === undefined || key === null) return undefined;
    return encodeKey(key, this.from.keySource);
  }

  /** The key in the group, which others may have a part in. */
  private localKey(encoded: string | undefined): string | undefined {
    if (encoded === undefined) return undefined;
    const { namespace, shared } = this.from;
    if (shared !== undefined) return localKeyOf({ name: shared.name, key: encoded });
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

function ignore(): void {
  // Said at its place.
}

function entering<T>(of: KeyedFunction<T>, self: unknown, args: unknown[]): (flight: Flight) => T {
  return (flight) => enterFlight(flight, of.method, self, args);
}
