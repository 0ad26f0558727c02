import { InvalidKeyError } from './errors.js';
import { inspect } from './inspect.js';

/** What one part of a {@link FlightKey} array may be. */
export type FlightKeyPart = string | number | bigint | boolean | null | readonly FlightKeyPart[];

/**
 * What identifies a flight to the service, the decorator and the interceptor: a string, number, bigint or boolean, or
 * an array of those and `null`, nested as deep as need be. Two keys are the same exactly if they are of the same types
 * and values: `1` is not `'1'`, and `['a', 'b:c']` is not `['a:b', 'c']`.
 */
export type FlightKey = string | number | bigint | boolean | readonly FlightKeyPart[];

// The first character tells the kinds apart. A string is its own code unless it begins with one of these, so that the
// most common key costs nothing; `@` is set aside for the keys that the decorator prefixes with a method.
const QUOTE = '"';
const SCALAR = '#';
const LIST = '[';
const PREFIX = '@';
const MAX_DEPTH = 32;

/** Whence a key comes, for an error about it. */
export interface KeySource {
  /** How the error's sentence begins. */
  readonly sentence: string;
  /** The name of the group whose key it is. */
  readonly group: string;
}

/**
 * Turns a key into one string, without collisions: two keys get the same string exactly if they are the same key.
 *
 * @param key the key
 * @param source how the error's sentence begins, such as `The key function of Users.find returned`; with the group's
 * name, where the error is to have it
 * @throws {@link InvalidKeyError} for anything that cannot identify a flight: an object, a Promise, a symbol, a
 * function, `NaN`, `undefined` or `null` alone, `undefined` inside an array
 *
 * @example
 * ```ts
 * import { encodeKey } from 'nestjs-singleflight/core';
 *
 * encodeKey('42'); // '42'
 * encodeKey(42); // '#42'
 * encodeKey(['tenant', 42, null]); // '["tenant",42,null]'
 * ```
 */
export function encodeKey(key: FlightKey, source: string | KeySource = 'The key is'): string {
  if (typeof key === 'string') {
    const first = key[0];
    return first === QUOTE || first === SCALAR || first === LIST || first === PREFIX ? QUOTE + key : key;
  }
  if (Array.isArray(key)) return encodeList(key, source, '', 0);
  return SCALAR + encodeScalar(key, source, undefined);
}

/** A key inside a namespace of its own, which no key of a user can reach. */
export function prefixKey(namespace: string, encoded: string): string {
  return `${PREFIX}${namespace} ${encoded}`;
}

/** How errors, listings and events print a key unless told otherwise: its first 64 characters. */
export function describeKeyByDefault(key: unknown): string {
  const text = typeof key === 'string' ? key : isObject(key) ? inspect(key) : String(key);
  return text.slice(0, 64);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function encodeList(list: readonly unknown[], source: string | KeySource, path: string, depth: number): string {
  if (depth === MAX_DEPTH) {
    throw invalidKey(
      source,
      `an array nested deeper than ${MAX_DEPTH} levels, or one that contains itself. Use a flat array.`,
    );
  }
  let encoded = LIST;
  // By index, not by iteration: a hole is `undefined` too, and must not pass for a shorter key.
  for (let index = 0; index < list.length; index++) {
    if (index > 0) encoded += ',';
    const part = list[index];
    const place = `${path}[${index}]`;
    if (typeof part === 'string') encoded += JSON.stringify(part);
    else if (part === null) encoded += 'null';
    else if (Array.isArray(part)) encoded += encodeList(part as readonly unknown[], source, place, depth + 1);
    else encoded += encodeScalar(part, source, place);
  }
  return `${encoded}]`;
}

function encodeScalar(value: unknown, source: string | KeySource, place: string | undefined): string {
  switch (typeof value) {
    case 'number':
      if (Number.isNaN(value)) break;
      return String(value);
    case 'boolean':
      return String(value);
    case 'bigint':
      return `${value}n`;
    case 'undefined':
      if (place !== undefined) {
        throw invalidKey(
          source,
          `an array with undefined at ${place}: callers who lack that value would share one flight. ` +
            'Use undefined alone and the call is not coalesced, or put null where having none is a value of its own.',
        );
      }
  }
  const came = Number.isNaN(value) ? 'NaN' : inspect(value);
  throw invalidKey(
    source,
    `${place === undefined ? came : `an array with ${came} at ${place}`}. ` +
      'Use a string, a number, or an array of them, such as [user.tenantId, user.id].',
  );
}

function invalidKey(source: string | KeySource, what: string): InvalidKeyError {
  return typeof source === 'string'
    ? new InvalidKeyError(`${source} ${what}`)
    : new InvalidKeyError(`${source.sentence} ${what}`, { group: source.group });
}

/** Of a key that a call of a group was given. */
export function keyOfGroup(group: string): KeySource {
  return { sentence: `Group '${group}': the key is`, group };
}
