import fc from 'fast-check';
import type { FlightKey } from 'nestjs-singleflight';

/** Who asks, as `http.identity` says it; undefined: nobody. */
export type Principal = FlightKey | undefined;

/** In each line people who look alike, one way or another. */
const ALIKE: readonly (readonly FlightKey[])[] = [
  [1, '1', 1n, true, 'true', '#1', '1n', '"1', [1], ['1'], '[1]', '["1"]', [[1]], [1n], [true], ['true']],
  [0, '0', '', false, 'false', [], '[]', [''], [null], ['null'], 'null', [0], [false], 'undefined', [[]], '#'],
  [['a', 'b'], 'a,b', ['a,b'], [['a', 'b']], ['a', ['b']], [['a'], 'b'], '["a","b"]', ['a', 'b', ''], ['b', 'a']],
  [['a:b', 'c'], ['a', 'b:c'], 'a:b:c', ['a:b:c'], '1:a1:b', ['1:a', '1:b'], ['a', null], ['a', 'null'], ['a']],
  [
    'anna',
    ' anna',
    'Anna',
    'anna\0',
    ['anna'],
    '"anna',
    '"anna"',
    '@anna',
    '#anna',
    '[anna',
    'ann',
    'änna',
    'a\u0308nna',
  ],
  ['__proto__', 'constructor', '-', '[-]', ['-'], '\ud800', '\udfff', '\ufffd', Infinity, 'Infinity', 1e21, 10n ** 21n],
];

const { key } = fc.letrec<{ part: FlightKey | null; key: FlightKey }>((tie) => ({
  key: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('a', 'b', ''),
    fc.integer({ min: 0, max: 2 }),
    fc.bigInt(0n, 2n),
    fc.boolean(),
    fc.array(tie('part'), { maxLength: 3 }),
  ),
  part: fc.oneof({ maxDepth: 3 }, tie('key'), fc.constant(null)),
}));

/** So many people, of whom most look alike, some are the same and some nobody. */
export const crowdOf = (size: number): fc.Arbitrary<Principal[]> =>
  fc
    .constantFrom(...ALIKE)
    .chain((group) =>
      fc.array(
        fc.oneof(
          { weight: 6, arbitrary: fc.constantFrom(...group) },
          { weight: 2, arbitrary: key },
          { weight: 1, arbitrary: fc.constant(undefined) },
        ),
        { minLength: 2, maxLength: 6 },
      ),
    )
    .chain((few) => fc.array(fc.constantFrom(...few), { minLength: size, maxLength: size }));

/** What tells a person from all others, written down in another way than in the library. */
export function toldApart(principal: Principal | null): string {
  if (Array.isArray(principal)) return `(${principal.map((part: FlightKey | null) => toldApart(part)).join(' ')})`;
  return `${typeof principal} ${JSON.stringify(String(principal))}`;
}
