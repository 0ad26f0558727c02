import { encodeKey, type Group, type Result } from 'nestjs-singleflight/core';

declare const group: Group;
declare const result: Result<string>;

export const unchecked = [
  // @ts-expect-error: Property 'value' does not exist on type 'Result<string>'
  result.value,
  // @ts-expect-error: Property 'error' does not exist on type 'Result<string>'
  result.error,
  // @ts-expect-error: Property 'error' does not exist on type 'Success<string>'
  result.ok && result.error,
  // @ts-expect-error: Property 'value' does not exist on type 'Failure'
  result.ok || result.value,
  // @ts-expect-error: Type 'undefined' is not assignable to type 'string'
  result.role satisfies string,
];

export const keys = [
  // @ts-expect-error: Argument of type 'undefined' is not assignable to parameter of type 'FlightKey'
  encodeKey(undefined),
  // @ts-expect-error: Argument of type 'null' is not assignable to parameter of type 'FlightKey'
  encodeKey(null),
  // @ts-expect-error: Type 'undefined' is not assignable to type 'FlightKeyPart'
  encodeKey(['tenant', undefined]),
  // @ts-expect-error: Argument of type 'undefined' is not assignable to parameter of type 'string'
  group.run(undefined, () => 42),
];
