import { deserialize, serialize } from 'node:v8';
import { Copying } from '../core/copy.js';
import { InvalidOptionError, type ErrorPlace } from '../core/errors.js';

/** How results become bytes, and results again in another process. */
export interface Codec {
  /** Goes with the bytes: what another codec has encoded is not decoded. */
  readonly name: string;
  /**
   * @param place where the flight is, for an error
   * @throws anything, an `UnshareableResultError` for choice, for what it cannot carry: the other processes then run the
   * function themselves
   */
  encode(value: unknown, place: () => ErrorPlace): Uint8Array;
  /** @throws anything for bytes that it cannot read; they come from outside, so that they may be anything */
  decode(bytes: Uint8Array): unknown;
}

/** A class whose instances the codec carries. */
export interface CarriedClass {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the constructor is never called
  readonly class: abstract new (...parameters: any) => object;
  /** How it is called on the way, the same in every process. Default: the class's name. */
  readonly name?: string;
  /** What of it is carried. Default: its own enumerable properties. */
  readonly properties?: readonly string[];
}

/**
 * The default codec, on V8's structured serializer: primitives, plain objects, arrays, Date, RegExp, Map, Set,
 * ArrayBuffer, typed arrays, Buffer, the language's own errors (without their stacks), shared and circular references.
 * It refuses an instance of any other class at any depth, naming class and path, because it would come back without its
 * prototype; unless the class is registered here: then it comes back with its prototype and properties, without its
 * constructor having run, and without private `#fields`.
 *
 * @throws InvalidOptionError when what is registered is no class, or two have one name
 *
 * @example
 * ```ts
 * import { structuredCodec } from 'nestjs-singleflight/fleet';
 *
 * class Money {
 *   constructor(
 *     readonly amount: bigint,
 *     readonly currency: string,
 *   ) {}
 * }
 * const codec = structuredCodec({ classes: [{ class: Money }] });
 * ```
 */
export function structuredCodec({ classes = [] }: { readonly classes?: readonly CarriedClass[] } = {}): Codec {
  return new StructuredCodec(classes);
}

const SITE: ErrorPlace = { site: 'structuredCodec' };

/** An instance as it travels: its properties, and the name of its class beside them. */
type Instance = readonly [parts: object, name: string];

class StructuredCodec implements Codec {
  readonly name = 'v8';
  private readonly byName = new Map<string, CarriedClass>();
  private readonly byPrototype = new Map<object, readonly [name: string, carried: CarriedClass]>();

  constructor(classes: readonly CarriedClass[]) {
    for (const carried of classes) {
      if (typeof carried.class !== 'function') {
        throw InvalidOptionError.value('classes', carried.class, 'an array of { class }, each with a class', SITE);
      }
      const name = carried.name ?? carried.class.name;
      if (this.byName.has(name)) {
        throw InvalidOptionError.value('classes', name, 'of classes with different names', SITE);
      }
      this.byName.set(name, carried);
      this.byPrototype.set(carried.class.prototype as object, [name, carried]);
    }
  }

  encode(value: unknown, place: () => ErrorPlace): Uint8Array {
    const packing = new Packing(place, this.byPrototype);
    const copy = packing.copy(value);
    return serialize([copy, packing.instances]);
  }

  decode(bytes: Uint8Array): unknown {
    // Buffers among what comes out are views of what goes in: a copy of its own keeps them apart from everybody else's.
    const [value, instances] = deserialize(Uint8Array.from(bytes)) as [unknown, readonly Instance[]];
    for (const [parts, name] of instances) this.revive(parts, name);
    return value;
  }

  /** The object is the very one in the value: what is shared stays shared. No constructor runs. */
  private revive(parts: object, name: string): void {
    const carried = this.byName.get(name);
    if (carried === undefined) throw new TypeError(`The class ${name} is not registered here.`);
    const { properties } = carried;
    const strange = Object.keys(parts).find((part) => properties?.includes(part) === false);
    if (strange !== undefined) throw new TypeError(`The class ${name} is registered without ${strange}.`);
    Object.setPrototypeOf(parts, carried.class.prototype as object);
  }
}

/** A copy in which plain objects stand for instances of the registered classes. */
class Packing extends Copying {
  readonly instances: Instance[] = [];

  constructor(
    place: () => ErrorPlace,
    private readonly classes: ReadonlyMap<object, readonly [name: string, carried: CarriedClass]>,
  ) {
    super(place, undefined);
  }

  protected override copyBuiltIn(value: object): object {
    const copy = super.copyBuiltIn(value);
    // V8 would send the stack of an error along.
    if ('stack' in copy) Object.defineProperty(copy, 'stack', { value: undefined });
    return copy;
  }

  protected override copyInstance(value: object, className: string): object {
    const found = this.classes.get(Object.getPrototypeOf(value) as object);
    if (found === undefined) return super.copyInstance(value, className);
    const [name, { properties = Object.keys(value) }] = found;
    const parts = this.remember(value, {});
    for (const property of properties) {
      const part = this.copyPart(property, (value as Record<string, unknown>)[property]);
      Object.defineProperty(parts, property, { value: part, configurable: true, enumerable: true, writable: true });
    }
    this.instances.push([parts, name]);
    return parts;
  }
}
