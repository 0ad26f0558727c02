import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { describeKeyByDefault, encodeKey, prefixKey, type FlightKey, type FlightKeyPart } from '../../lib/core/key.js';

// Every UTF-16 code unit, lone surrogates included, and often those that the encoding itself uses.
const text = fc.oneof(
  fc.string({ unit: fc.nat({ max: 0xffff }).map((unit) => String.fromCharCode(unit)), maxLength: 6 }),
  fc.string({ unit: fc.constantFrom('"', '#', '[', ']', '@', ',', '\\', 'n', '1', 'u', '\ud800', '\0'), maxLength: 6 }),
  fc.constantFrom('', '1', '1n', 'true', 'null', '#1', '[1]', '["a"]', '"', '@ns key', 'a","a', '__proto__', 'a'),
);
const scalar = fc.oneof(
  text,
  fc.integer({ min: -2, max: 2 }),
  fc.double({ noNaN: true }),
  fc.constantFrom(-0, Infinity, -Infinity, 1e21, 2 ** 53),
  fc.bigInt({ min: -3n, max: 3n }),
  fc.boolean(),
);
const list = fc.letrec<{ list: readonly FlightKeyPart[]; part: FlightKeyPart }>((tie) => ({
  part: fc.oneof({ maxDepth: 4 }, scalar, fc.constant(null), tie('list')),
  list: fc.array(tie('part'), { maxLength: 4 }),
})).list;
const flightKey: fc.Arbitrary<FlightKey> = fc.oneof(scalar, list);

/** The same types and values, where -0 is 0. */
function isSame(one: FlightKey, other: FlightKey): boolean {
  return isDeepStrictEqual(withoutNegativeZero(one), withoutNegativeZero(other));
}

function withoutNegativeZero(part: FlightKeyPart): unknown {
  return Array.isArray(part) ? part.map((inner: FlightKeyPart) => withoutNegativeZero(inner)) : part === 0 ? 0 : part;
}

describe('encodeKey', () => {
  it('gives two keys one string exactly if they are the same key', () => {
    fc.assert(
      fc.property(flightKey, flightKey, (one, other) => {
        expect(encodeKey(one) === encodeKey(other)).toBe(isSame(one, other));
      }),
      { numRuns: 5_000 },
    );
  });

  it('tells all lists apart whose strings look like the seams between strings', () => {
    const units = ['', '"', ',', '\\'];
    const strings = new Set(units.flatMap((x) => units.flatMap((y) => units.map((z) => x + y + z))));
    const lists: FlightKey[] = [[], ...[...strings].flatMap((x) => [[x], ...[...strings].map((y) => [x, y])])];

    expect(lists).toHaveLength(1 + 40 + 40 * 40);
    expect(new Set(lists.map((list) => encodeKey(list))).size).toBe(lists.length);
  });

  it('gives a copy of a key the same string', () => {
    fc.assert(
      fc.property(flightKey, (key) => {
        expect(encodeKey(structuredClone(key))).toBe(encodeKey(key));
      }),
    );
  });

  it('tells a string from whatever looks like it: what a key was encoded to is another key', () => {
    fc.assert(
      fc.property(flightKey, (key) => {
        const encoded = encodeKey(key);
        if (encoded !== key) expect(encodeKey(encoded)).not.toBe(encoded);
        expect(encodeKey([key])).not.toBe(encoded);
      }),
      { numRuns: 2_000 },
    );
  });

  it('never reaches a namespace of a decorated method, and namespaces do not meet', () => {
    fc.assert(
      fc.property(flightKey, flightKey, fc.nat(100), fc.nat(100), (one, other, first, second) => {
        const prefixed = prefixKey(String(first), encodeKey(one));
        expect(encodeKey(other)).not.toBe(prefixed);
        expect(prefixKey(String(second), encodeKey(other)) === prefixed).toBe(first === second && isSame(one, other));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each<[FlightKey, string]>([
    ['42', '42'],
    [42, '#42'],
    [42n, '#42n'],
    [true, '#true'],
    [-0, '#0'],
    [Infinity, '#Infinity'],
    ['', ''],
    ['"a', '""a'],
    ['#a', '"#a'],
    ['[a', '"[a'],
    ['@a', '"@a'],
    [['tenant', 42, null], '["tenant",42,null]'],
    [[[], ['a', [1n, false]]], '[[],["a",[1n,false]]]'],
  ])('of %p is %s', (key, encoded) => {
    expect(encodeKey(key)).toBe(encoded);
  });
});

describe('describeKeyByDefault', () => {
  it.each<[unknown, string]>([
    ['42', '42'],
    ['x'.repeat(65), 'x'.repeat(64)],
    [42, '42'],
    [null, 'null'],
    [undefined, 'undefined'],
    [{ secret: 1 }, 'an object'],
    [new Map(), 'a Map'],
    [new Error('secret'), 'an Error'],
  ])('of %p is %s', (key, described) => {
    expect(describeKeyByDefault(key)).toBe(described);
  });
});
