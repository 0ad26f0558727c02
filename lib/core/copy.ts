import { UnshareableResultError, type ErrorPlace } from './errors.js';

/**
 * A deep copy that nobody else holds. It carries primitives, plain objects, arrays, Date, RegExp, Map, Set,
 * ArrayBuffer, typed arrays, Buffer and the language's own errors; shared and circular references stay what they are.
 *
 * @throws UnshareableResultError for an object of any other class at any depth, naming class and path: a copy would
 * lose its prototype, and with it what decorators say of the class
 */
export function clone(value: unknown, place: () => ErrorPlace): unknown {
  return new Copying(place, false).copy(value, '');
}

/**
 * A deep copy that nobody can change: of primitives, plain objects and arrays.
 *
 * @throws UnshareableResultError for anything else at any depth, naming class and path
 */
export function frozenCopy(value: unknown, place: () => ErrorPlace): unknown {
  return new Copying(place, true).copy(value, '');
}

/** Built-in classes that `structuredClone` carries whole. A subclass of one is another class, and is not among them. */
const CARRIED = new Set<unknown>([
  ...['Date', 'RegExp', 'Boolean', 'Number', 'String'],
  ...['ArrayBuffer', 'DataView', 'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array'],
  ...['Int32Array', 'Uint32Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array'],
  ...['Error', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError'],
]);

class Copying {
  /** What was copied so far, so that what is shared stays shared, and a circle ends. */
  private readonly copies = new Map<object, object>();

  constructor(
    private readonly place: () => ErrorPlace,
    private readonly freeze: boolean,
  ) {}

  copy(value: unknown, path: string): unknown {
    if (typeof value === 'function' || typeof value === 'symbol') throw this.unshareable(`a ${typeof value}`, path);
    if (typeof value !== 'object' || value === null) return value;
    return this.copies.get(value) ?? this.copyObject(value, path);
  }

  private copyObject(value: object, path: string): object {
    if (Array.isArray(value)) return this.copyList(value, path);
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (isPlain(prototype)) return this.copyRecord(value, prototype, path);
    const name = classNameOf(value);
    if (!this.freeze) {
      if (Buffer.isBuffer(value)) return this.remember(value, Buffer.from(value));
      if (isOwnClass(prototype, 'Map')) return this.copyMap(value as Map<unknown, unknown>, path);
      if (isOwnClass(prototype, 'Set')) return this.copySet(value as Set<unknown>, path);
      if (CARRIED.has(name) && isOwnClass(prototype, name)) return this.remember(value, structuredClone(value));
    }
    throw this.unshareable(`an instance of ${name}`, path);
  }

  private copyList(list: readonly unknown[], path: string): object {
    if (Object.getPrototypeOf(list) !== null && classNameOf(list) !== 'Array') {
      throw this.unshareable(`an instance of ${classNameOf(list)}`, path);
    }
    const copy = this.remember(list, new Array<unknown>(list.length));
    list.forEach((item, index) => {
      copy[index] = this.copy(item, `${path}[${index}]`);
    });
    return this.finish(copy);
  }

  private copyRecord(record: object, prototype: object | null, path: string): object {
    const copy = this.remember(record, Object.create(prototype === null ? null : Object.prototype) as object);
    for (const [key, value] of Object.entries(record)) {
      // Defined, not assigned: `__proto__` is a key like any other.
      Object.defineProperty(copy, key, {
        value: this.copy(value, `${path}.${key}`),
        configurable: true,
        enumerable: true,
        writable: true,
      });
    }
    return this.finish(copy);
  }

  private copyMap(map: Map<unknown, unknown>, path: string): object {
    const copy = this.remember(map, new Map());
    for (const [key, value] of map) copy.set(this.copy(key, `${path}<key>`), this.copy(value, `${path}<value>`));
    return copy;
  }

  private copySet(set: Set<unknown>, path: string): object {
    const copy = this.remember(set, new Set());
    for (const item of set) copy.add(this.copy(item, `${path}<item>`));
    return copy;
  }

  private remember<T extends object>(original: object, copy: T): T {
    this.copies.set(original, copy);
    return copy;
  }

  private finish<T extends object>(copy: T): T {
    return this.freeze ? Object.freeze(copy) : copy;
  }

  private unshareable(what: string, path: string): UnshareableResultError {
    return new UnshareableResultError(this.place(), path === '' ? what : `${what} at result${path}`);
  }
}

/** Of no class; also for an object of another realm, as under Jest. */
function isPlain(prototype: object | null): boolean {
  return prototype === null || (Object.getPrototypeOf(prototype) === null && isOwnClass(prototype, 'Object'));
}

/** Whether a prototype is that of the built-in class of this name, in whichever realm, and not one that looks like it. */
function isOwnClass(prototype: object | null, name: string): boolean {
  const constructor = (prototype as { constructor?: unknown } | null)?.constructor;
  return (
    typeof constructor === 'function' &&
    constructor.name === name &&
    /\{\s*\[native code\]\s*\}$/.test(Function.prototype.toString.call(constructor))
  );
}

function classNameOf(value: object): string {
  const { constructor } = value as { constructor?: { name?: unknown } };
  return typeof constructor?.name === 'string' && constructor.name !== '' ? constructor.name : 'a class without a name';
}
