import { UnshareableResultError, type CopyObstacle, type ErrorPlace } from './errors.js';

/**
 * A deep copy that nobody else holds. It carries primitives, plain objects, arrays, Date, RegExp, Map, Set,
 * ArrayBuffer, typed arrays, Buffer and the language's own errors; shared and circular references stay what they are.
 *
 * @throws UnshareableResultError for an object of any other class at any depth, naming class and path: a copy would
 * lose its prototype, and with it what decorators say of the class
 */
export function clone(value: unknown, place: () => ErrorPlace): unknown {
  return new Copying(place, 'clone').copy(value);
}

/**
 * A deep copy that nobody can change: of primitives, plain objects and arrays.
 *
 * @throws UnshareableResultError for anything else at any depth, naming class and path
 */
export function frozenCopy(value: unknown, place: () => ErrorPlace): unknown {
  return new Copying(place, 'freeze').copy(value);
}

/** Built-in classes that `structuredClone` carries whole. A subclass of one is another class, and is not among them. */
const CARRIED = new Set<unknown>([
  ...['Date', 'RegExp', 'Boolean', 'Number', 'String'],
  ...['ArrayBuffer', 'DataView', 'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array'],
  ...['Int32Array', 'Uint32Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array'],
  ...['Error', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError'],
]);

/** A step from a value to one inside it: a property, an index, or a part of a Map or Set. */
type Step = string | number | { readonly part: string };

const [MAP_KEY, MAP_VALUE, SET_ITEM] = [{ part: '<key>' }, { part: '<value>' }, { part: '<item>' }];

/** One deep copy. What it does with an object of a class that it does not carry can be told otherwise. */
export class Copying {
  /** What was copied so far, so that what is shared stays shared, and a circle ends. */
  private readonly copies = new Map<object, object>();
  /** Where in the value the copying is; put into words only when it fails. */
  private readonly path: Step[] = [];

  constructor(
    private readonly place: () => ErrorPlace,
    /** Which `isolate` asked for it; undefined: it is to travel. */
    private readonly isolate: 'freeze' | 'clone' | undefined,
  ) {}

  copy(value: unknown): unknown {
    if (typeof value === 'function' || typeof value === 'symbol') {
      throw this.unshareable(`a ${typeof value}`, 'uncopyable');
    }
    if (typeof value !== 'object' || value === null) return value;
    return this.copies.get(value) ?? this.copyObject(value);
  }

  protected copyPart(step: Step, value: unknown): unknown {
    this.path.push(step);
    const copy = this.copy(value);
    this.path.pop();
    return copy;
  }

  private copyObject(value: object): object {
    if (Array.isArray(value)) return this.copyList(value);
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (isPlain(prototype)) return this.copyRecord(value, prototype);
    const name = classNameOf(value);
    const kind = builtInKindOf(value, prototype, name);
    if (kind === undefined) return this.copyInstance(value, name);
    if (this.isolate === 'freeze') throw this.unshareable(`an instance of ${name}`, 'changeable');
    switch (kind) {
      case 'buffer':
        return this.remember(value, Buffer.from(value as Buffer));
      case 'map':
        return this.copyMap(value as Map<unknown, unknown>);
      case 'set':
        return this.copySet(value as Set<unknown>);
      case 'carried':
        return this.remember(value, this.copyBuiltIn(value));
    }
  }

  /** An object of a built-in class that `structuredClone` carries whole. */
  protected copyBuiltIn(value: object): object {
    return structuredClone(value);
  }

  /** An object of any other class. */
  protected copyInstance(_value: object, name: string): object {
    throw this.unshareable(`an instance of ${name}`, 'instance');
  }

  private copyList(list: readonly unknown[]): object {
    if (Object.getPrototypeOf(list) !== null && classNameOf(list) !== 'Array') {
      throw this.unshareable(`an instance of ${classNameOf(list)}`, 'instance');
    }
    const copy = this.remember(list, new Array<unknown>(list.length));
    list.forEach((item, index) => {
      copy[index] = this.copyPart(index, item);
    });
    return this.finish(copy);
  }

  private copyRecord(record: object, prototype: object | null): object {
    const copy = this.remember(record, (prototype === null ? Object.create(null) : {}) as Record<string, unknown>);
    for (const [key, value] of Object.entries(record)) {
      const part = this.copyPart(key, value);
      if (key in copy) {
        // Defined, not assigned: `__proto__` is a key like any other.
        Object.defineProperty(copy, key, { value: part, configurable: true, enumerable: true, writable: true });
      } else copy[key] = part;
    }
    return this.finish(copy);
  }

  private copyMap(map: Map<unknown, unknown>): object {
    const copy = this.remember(map, new Map());
    for (const [key, value] of map) copy.set(this.copyPart(MAP_KEY, key), this.copyPart(MAP_VALUE, value));
    return copy;
  }

  private copySet(set: Set<unknown>): object {
    const copy = this.remember(set, new Set());
    for (const item of set) copy.add(this.copyPart(SET_ITEM, item));
    return copy;
  }

  protected remember<T extends object>(original: object, copy: T): T {
    this.copies.set(original, copy);
    return copy;
  }

  private finish<T extends object>(copy: T): T {
    return this.isolate === 'freeze' ? Object.freeze(copy) : copy;
  }

  private unshareable(what: string, obstacle: CopyObstacle): UnshareableResultError {
    const path = this.path.map((step) =>
      typeof step === 'object' ? step.part : typeof step === 'number' ? `[${step}]` : `.${step}`,
    );
    const where = path.length === 0 ? what : `${what} at result${path.join('')}`;
    return new UnshareableResultError(this.place(), where, { isolate: this.isolate, obstacle });
  }
}

/** As what an object is carried; undefined for one of any class but these. */
function builtInKindOf(
  value: object,
  prototype: object | null,
  name: string,
): 'buffer' | 'map' | 'set' | 'carried' | undefined {
  if (Buffer.isBuffer(value)) return 'buffer';
  if (isOwnClass(prototype, 'Map')) return 'map';
  if (isOwnClass(prototype, 'Set')) return 'set';
  return CARRIED.has(name) && isOwnClass(prototype, name) ? 'carried' : undefined;
}

/** Of no class; also for an object of another realm, as under Jest. */
function isPlain(prototype: object | null): boolean {
  if (prototype === null || prototype === Object.prototype) return true;
  return Object.getPrototypeOf(prototype) === null && isOwnClass(prototype, 'Object');
}

/** Whether a prototype is that of the built-in class of this name, in whichever realm, and not one that looks like it. */
export function isOwnClass(prototype: object | null, name: string): boolean {
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
