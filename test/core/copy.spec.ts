import { describe, expect, it } from '@jest/globals';
import { clone, frozenCopy } from '../../lib/core/copy.js';
import { UnshareableResultError } from '../../lib/core/errors.js';

const copyOf = <T>(value: T): T => clone(value, () => ({})) as T;
const frozenOf = <T>(value: T): T => frozenCopy(value, () => ({})) as T;

describe('clone', () => {
  it.each([[undefined], [null], [true], [0], [NaN], [1n], ['text']])('carries the primitive %p', (value) => {
    expect(copyOf(value)).toBe(value);
    expect(frozenOf(value)).toBe(value);
  });

  it.each<[string, object]>([
    ['a Date', new Date(42)],
    ['a RegExp', /a.b/giu],
    ['a Buffer', Buffer.from('bytes')],
    ['a Uint8Array', new Uint8Array([1, 2, 3])],
    ['a Float64Array', new Float64Array([1.5])],
    ['a BigInt64Array', new BigInt64Array([1n])],
    ['an ArrayBuffer', new ArrayBuffer(8)],
    ['an Error', new Error('failed')],
    ['a TypeError', new TypeError('failed')],
    ['a Map', new Map([['key', { deep: [1] }]])],
    ['a Set', new Set([1, 'two'])],
  ])('carries %s', (_, value) => {
    const copy = copyOf({ value }).value;
    expect(copy).toEqual(value);
    expect(copy).not.toBe(value);
    expect(Object.prototype.toString.call(copy)).toBe(Object.prototype.toString.call(value));
  });

  it('keeps a Buffer a Buffer, with bytes of its own', () => {
    const original = Buffer.from('bytes');
    const copy = copyOf(original);
    expect(Buffer.isBuffer(copy)).toBe(true);
    copy[0] = 0;
    expect(original.toString()).toBe('bytes');
  });

  it('keeps the class and message of an error', () => {
    const copy = copyOf(new RangeError('too far'));
    expect([copy.name, copy.message]).toEqual(['RangeError', 'too far']);
  });

  it('copies the values and keys of a Map, and the items of a Set', () => {
    const [key, value, item] = [{ id: 1 }, { name: 'a lamp' }, { id: 2 }];
    const map = copyOf(new Map([[key, value]]));
    expect([...map]).toEqual([[key, value]]);
    expect(map.has(key)).toBe(false);
    expect(map.values().next().value).not.toBe(value);
    const set = copyOf(new Set([item]));
    expect([...set]).toEqual([item]);
    expect(set.has(item)).toBe(false);
  });

  it.each([
    ['clone', copyOf],
    ['freeze', frozenOf],
  ])('%s keeps circles and what is shared', (_, copyWith) => {
    interface Node {
      self?: Node;
      list: unknown[];
    }
    const shared = { name: 'shared' };
    const value: Node = { list: [shared, shared] };
    value.self = value;
    value.list.push(value);
    const copy = copyWith(value);
    expect(copy).not.toBe(value);
    expect(copy.self).toBe(copy);
    expect(copy.list[0]).toBe(copy.list[1]);
    expect(copy.list[0]).not.toBe(shared);
    expect(copy.list[2]).toBe(copy);
  });

  it.each([
    ['clone', copyOf],
    ['freeze', frozenOf],
  ])('%s takes `__proto__` for a key like any other', (_, copyWith) => {
    const value = JSON.parse('{ "__proto__": { "polluted": true }, "constructor": 1 }') as object;
    const copy = copyWith(value);
    expect(Object.keys(copy)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
    expect((copy as { polluted?: boolean }).polluted).toBeUndefined();
    expect(Object.getOwnPropertyDescriptor(copy, '__proto__')?.value).toEqual({ polluted: true });
  });

  it.each([
    ['clone', copyOf],
    ['freeze', frozenOf],
  ])('%s keeps an object without a prototype as one', (_, copyWith) => {
    const value = Object.assign(Object.create(null) as object, { a: { b: 1 } });
    const copy = copyWith(value);
    expect(Object.getPrototypeOf(copy)).toBeNull();
    expect({ ...copy }).toEqual({ a: { b: 1 } });
  });

  it('keeps the length and the holes of an array', () => {
    const value = [1, , 3] as unknown[]; // eslint-disable-line no-sparse-arrays
    const copy = copyOf(value);
    expect(copy).toHaveLength(3);
    expect(1 in copy).toBe(false);
  });

  it('freezes at every depth', () => {
    const copy = frozenOf({ a: [{ b: [1] }] });
    const all = [copy, copy.a, copy.a[0], copy.a[0]!.b];
    expect(all.map((each) => Object.isFrozen(each))).toEqual([true, true, true, true]);
  });
});

class Money {
  readonly amount = 1;
}
class Dates extends Date {}
class List extends Array<number> {}
class Lookup extends Map<string, number> {}
class HttpError extends Error {}
/** Calls itself by the name of a class that can be carried. */
const Fake = {
  Date: class Date {
    readonly own = 1;
  },
  Map: class Map {
    readonly own = 1;
  },
  Object: class Object {
    readonly own = 1;
  },
};

describe('What cannot be copied', () => {
  it.each<[string, unknown]>([
    ['an instance of Money', new Money()],
    ['an instance of Dates', new Dates()],
    ['an instance of List', List.from([1])],
    ['an instance of Lookup', new Lookup()],
    ['an instance of HttpError', new HttpError('failed')],
    ['an instance of Date', new Fake.Date()],
    ['an instance of Map', new Fake.Map()],
    ['an instance of Object', new Fake.Object()],
    ['an instance of Promise', Promise.resolve()],
    ['an instance of WeakMap', new WeakMap()],
    [
      'an instance of a class without a name',
      new (class {
        readonly own = 1;
      })(),
    ],
    ['a function', () => 1],
    ['a symbol', Symbol('one')],
  ])('%s', (what, value) => {
    for (const copyWith of [copyOf, frozenOf]) {
      expect(() => copyWith(value)).toThrow(expect.objectContaining({ what, name: 'UnshareableResultError' }));
      expect(() => copyWith({ a: [0, value] })).toThrow(expect.objectContaining({ what: `${what} at result.a[1]` }));
    }
  });

  it('is told with the way to it through Maps and Sets', () => {
    const told = (what: string): unknown => expect.objectContaining({ what });
    expect(() => copyOf({ map: new Map([['a', new Money()]]) })).toThrow(
      told('an instance of Money at result.map<value>'),
    );
    expect(() => copyOf(new Map([[new Money(), 1]]))).toThrow(told('an instance of Money at result<key>'));
    expect(() => copyOf([new Set([new Money()])])).toThrow(told('an instance of Money at result[0]<item>'));
  });

  it.each<[string, unknown]>([
    ['an instance of Date', new Date(0)],
    ['an instance of Map', new Map()],
    ['an instance of Set', new Set()],
    ['an instance of Buffer', Buffer.from('a')],
    ['an instance of Uint8Array', new Uint8Array(1)],
    ['an instance of Error', new Error('failed')],
  ])('to be frozen: %s', (what, value) => {
    expect(() => frozenOf({ value })).toThrow(UnshareableResultError);
    expect(() => frozenOf({ value })).toThrow(expect.objectContaining({ what: `${what} at result.value` }));
  });
});
