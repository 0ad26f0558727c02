import { inspect } from './inspect.js';

/** Where an error happened: on which group and, where one is known, which key, as `describeKey` prints it. */
export interface ErrorPlace {
  /** What was called, as it stands in the code, such as `forRoot({ http })` or `@SingleFlight on Users.find`. */
  readonly site?: string | undefined;
  readonly group?: string | undefined;
  readonly describedKey?: string | undefined;
}

/**
 * What every error of this library extends. Errors of your own functions are never wrapped in it.
 *
 * @example
 * ```ts
 * import { Group, SingleFlightError } from 'nestjs-singleflight/core';
 *
 * const products = new Group({ name: 'products' });
 * try {
 *   await products.run('42', () => fetch('http://localhost/products/42'), { waitTimeoutMs: 200 });
 * } catch (error) {
 *   if (error instanceof SingleFlightError) console.error(error.code, error.group, error.describedKey);
 *   else throw error;
 * }
 * ```
 */
export abstract class SingleFlightError extends Error {
  /** Stable and unique per class, such as `ERR_SINGLEFLIGHT_WAIT_TIMEOUT`: what to compare and to search for. */
  readonly code: string;
  /** The name of the group it happened in, where there is one. */
  declare readonly group?: string;
  /** The key, as the group's `describeKey` prints it, where there is one. */
  declare readonly describedKey?: string;

  protected constructor(name: string, code: string, message: string, place: ErrorPlace = {}, options?: ErrorOptions) {
    super(`${message} [${code}]`, options);
    // Not enumerable, as the language's own errors have it: printing the error shows the name once.
    Object.defineProperty(this, 'name', { value: name, configurable: true, writable: true });
    this.code = code;
    if (place.group !== undefined) this.group = place.group;
    if (place.describedKey !== undefined) this.describedKey = place.describedKey;
  }
}

/** The key is of a kind that cannot identify a flight: nothing was started. */
export class InvalidKeyError extends SingleFlightError {
  constructor(message: string, place?: ErrorPlace) {
    super('InvalidKeyError', 'ERR_SINGLEFLIGHT_INVALID_KEY', message, place);
  }
}

/** An option is unknown or has a value that is not allowed: nothing was started or constructed. */
export class InvalidOptionError extends SingleFlightError {
  constructor(message: string, place?: ErrorPlace) {
    super('InvalidOptionError', 'ERR_SINGLEFLIGHT_INVALID_OPTION', message, place);
  }

  /** An option whose value is not allowed. */
  static value(option: string, value: unknown, allowed: string, place?: ErrorPlace): InvalidOptionError {
    return new InvalidOptionError(`${within(place)}\`${option}\` is ${inspect(value)}. It must be ${allowed}.`, place);
  }

  /** An option that does not exist; `hint` says where it does. */
  static unknown(option: string, known: readonly string[], place?: ErrorPlace, hint?: string): InvalidOptionError {
    const options = known.map((name) => `\`${name}\``).join(', ');
    const where = within(place);
    return new InvalidOptionError(
      `${where}${where === '' ? 'There' : 'there'} is no option \`${option}\`. ` +
        `The options are ${options}.${hint === undefined ? '' : ` ${hint}`}`,
      place,
    );
  }
}

/** This caller waited for `waitTimeoutMs` and left; the flight goes on for the others. */
export class WaitTimeoutError extends SingleFlightError {
  constructor(
    place: ErrorPlace,
    /** How long the caller had waited for, in milliseconds. */
    readonly waitTimeoutMs: number,
  ) {
    super(
      'WaitTimeoutError',
      'ERR_SINGLEFLIGHT_WAIT_TIMEOUT',
      `No result within ${waitTimeoutMs} ms${on(place)}. This caller left, the flight goes on for the others. ` +
        'Raise `waitTimeoutMs`, or find out why the function takes so long.',
      place,
    );
  }
}

/** The flight did not settle within `flightTimeoutMs`: all its callers are rejected with this, and its key is free. */
export class FlightTimeoutError extends SingleFlightError {
  constructor(
    place: ErrorPlace,
    /** How long the flight had, in milliseconds. */
    readonly flightTimeoutMs: number,
  ) {
    super(
      'FlightTimeoutError',
      'ERR_SINGLEFLIGHT_FLIGHT_TIMEOUT',
      `The function did not settle within ${flightTimeoutMs} ms${on(place)}. Its key is free again and its signal ` +
        'aborted. Raise `flightTimeoutMs`, or stop the function when `flight.signal` aborts.',
      place,
    );
  }
}

/**
 * Nobody waits for the flight any more: the reason of `flight.signal` when the last caller has left, and what a late
 * subscriber of an abandoned `doChan` is given.
 */
export class AbandonedError extends SingleFlightError {
  constructor(place: ErrorPlace) {
    super(
      'AbandonedError',
      'ERR_SINGLEFLIGHT_ABANDONED',
      `Every caller has left${on(place)}: nobody waits for the result.`,
      place,
    );
  }
}

/** A source completed without a value where one was awaited. */
export class NoResultError extends SingleFlightError {
  constructor(place: ErrorPlace) {
    super(
      'NoResultError',
      'ERR_SINGLEFLIGHT_NO_RESULT',
      `The flight ended without a result${on(place)}: its source completed empty, or the loader of doMany left the key ` +
        'out. Emit one value before completing, or put the key into the Map.',
      place,
    );
  }
}

/**
 * Why a part of a result is not copied: it cannot be kept from changing (a Date, a Map, a Buffer), it is an instance of a
 * class, or it is a function or a symbol.
 */
export type CopyObstacle = 'changeable' | 'instance' | 'uncopyable';

/** What refused to copy a result, and why. */
export interface CopyRefusal {
  /** The option that asked for the copy; none when it was to travel to another process. */
  readonly isolate?: 'freeze' | 'clone' | undefined;
  readonly obstacle?: CopyObstacle | undefined;
}

/**
 * The result cannot be given to more than one caller: those who followed are rejected, and the leader has it. Where
 * `isolate` refuses it all callers of the flight are rejected, because nobody is to have the original.
 */
export class UnshareableResultError extends SingleFlightError {
  /** Which `isolate` refused it, where one did. */
  declare readonly isolate?: 'freeze' | 'clone';
  /** Why it was not copied, where it was to be. */
  declare readonly obstacle?: CopyObstacle;

  constructor(
    place: ErrorPlace,
    /** What the function came back with. */
    readonly what: string,
    { isolate, obstacle }: CopyRefusal = {},
  ) {
    super(
      'UnshareableResultError',
      'ERR_SINGLEFLIGHT_UNSHAREABLE_RESULT',
      `The function came back with ${what}${on(place)}, ` +
        (isolate === undefined || obstacle === undefined
          ? 'which cannot be shared between callers. Return something that can be read any number of times (such as a ' +
            'Buffer, a string or an array), or do not coalesce this method.'
          : `which \`isolate: '${isolate}'\` refuses, ${OBSTACLES[obstacle]}`),
      place,
    );
    if (isolate !== undefined) this.isolate = isolate;
    if (obstacle !== undefined) this.obstacle = obstacle;
  }
}

const OBSTACLES: Readonly<Record<CopyObstacle, string>> = {
  changeable:
    "because it stays changeable when it is frozen. Take 'clone', which gives each caller a copy, give `isolate` a " +
    "function, or take 'none'.",
  instance:
    'because a copy would lose its prototype. Return a plain object, give `isolate` a function that copies it, or take ' +
    "'none'.",
  uncopyable: "because it cannot be copied. Leave it out, give `isolate` a function, or take 'none'.",
};

/** The group runs as many functions as `maxFlights` allows: this call was refused. */
export class TooManyFlightsError extends SingleFlightError {
  constructor(
    place: ErrorPlace,
    /** How many functions may run at a time. */
    readonly maxFlights: number,
  ) {
    super(
      'TooManyFlightsError',
      'ERR_SINGLEFLIGHT_TOO_MANY_FLIGHTS',
      `${maxFlights} ${maxFlights === 1 ? 'flight is' : 'flights are'} under way, those adrift counted, and this call would start one more${on(place)}. ` +
        'Answer this caller with an error it can retry, raise `maxFlights`, or find out why the functions take so long.',
      place,
    );
  }
}

/** As many callers as `maxFollowers` allows wait for the flight already: this call was refused. */
export class TooManyFollowersError extends SingleFlightError {
  constructor(
    place: ErrorPlace,
    /** How many callers may follow one flight at a time. */
    readonly maxFollowers: number,
  ) {
    super(
      'TooManyFollowersError',
      'ERR_SINGLEFLIGHT_TOO_MANY_FOLLOWERS',
      `${maxFollowers} ${maxFollowers === 1 ? 'caller follows' : 'callers follow'} the flight, and this call would be one more${on(place)}. ` +
        'Answer this caller with an error it can retry, raise `maxFollowers`, or find out why the function takes so long.',
      place,
    );
  }
}

/** The group is closed, or being closed: no flight starts any more, and those that outlast the grace end with this. */
export class GroupClosedError extends SingleFlightError {
  constructor(place: ErrorPlace) {
    super(
      'GroupClosedError',
      'ERR_SINGLEFLIGHT_GROUP_CLOSED',
      `The group is closed${on(place)}. Stop asking before you close it, or raise \`graceMs\` if a flight was cut short.`,
      place,
    );
  }
}

/** A flight would have waited for itself: the call that closed the circle was refused. Found in development only. */
export class DeadlockError extends SingleFlightError {
  constructor(
    /** The flights, each of which waits for the next; the last one is the first. */
    readonly chain: readonly string[],
  ) {
    super(
      'DeadlockError',
      'ERR_SINGLEFLIGHT_DEADLOCK',
      `This call would wait for itself: ${chain.join(' → ')}. Call the inner function directly, use another key, let ` +
        'this caller leave (`signal`, `waitTimeoutMs`), or, if the flight does not await it, call it in outsideFlight(fn).',
    );
  }
}

function within(place: ErrorPlace | undefined): string {
  if (place?.site !== undefined) return `${place.site}: `;
  return place?.group === undefined ? '' : `Group '${place.group}': `;
}

/** Where an error happened, as the end of a clause. */
export function on(place: ErrorPlace): string {
  const key = place.describedKey === undefined ? '' : ` for key '${place.describedKey}'`;
  return `${key}${place.group === undefined ? '' : ` in group '${place.group}'`}`;
}
