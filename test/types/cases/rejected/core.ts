import { encodeKey, Group, SingleFlightError, type Flight, type Result, type Success } from 'nestjs-singleflight/core';

declare const group: Group;
declare const byNumber: Group<number>;
declare const result: Result<string>;
declare const success: Success<string>;
declare const flight: Flight;

export const calls = [
  // @ts-expect-error: Argument of type 'number' is not assignable to parameter of type 'string'
  group.run(42, () => 42),
  // @ts-expect-error: Argument of type 'string' is not assignable to parameter of type 'number'
  byNumber.do('42', () => 42),
  // @ts-expect-error: Argument of type 'string[]' is not assignable to parameter of type 'string'
  group.run(['tenant', '42'], () => 42),
  // @ts-expect-error: Argument of type 'number' is not assignable to parameter of type 'string'
  group.forget(42),
  // @ts-expect-error: Expected 2-3 arguments, but got 1
  group.run('42'),
  // @ts-expect-error: is not assignable to parameter of type 'FlightFunction<
  group.run('42', Promise.resolve(42)),
  // @ts-expect-error: is not assignable to type 'string'
  group.run<string>('42', async () => 42),
  // @ts-expect-error: Property 'then' does not exist on type 'string'
  group.run('42', (flight) => flight.key.then()),
];

export const options = [
  // @ts-expect-error: 'waitTimeout' does not exist in type 'CallOptions & FlightOptions'
  group.run('42', () => 42, { waitTimeout: 500 }),
  // @ts-expect-error: 'timeoutMs' does not exist in type 'CallOptions & FlightOptions'
  group.do('42', () => 42, { timeoutMs: 500 }),
  // @ts-expect-error: 'fleet' does not exist in type 'CallOptions & FlightOptions'
  group.do('42', () => 42, { fleet: 'products' }),
  // @ts-expect-error: Type 'string' is not assignable to type 'number
  group.run('42', () => 42, { lingerMs: '50' }),
  // @ts-expect-error: is missing the following properties from type 'AbortSignal'
  group.run('42', () => 42, { signal: new AbortController() }),
  // @ts-expect-error: 'ttlMs' does not exist in type 'GroupOptions'
  new Group({ ttlMs: 50 }),
  // @ts-expect-error: 'waitTimeoutMs' does not exist in type 'GroupOptions'
  new Group({ waitTimeoutMs: 500 }),
  // @ts-expect-error: Type 'number' is not assignable to type 'string'
  new Group({ describeKey: () => 42 }),
];

export const keys = [
  // @ts-expect-error: 'id' does not exist in type 'readonly FlightKeyPart[]'
  encodeKey({ id: '42' }),
  // @ts-expect-error: is not assignable to parameter of type 'FlightKey'
  encodeKey(Symbol('42')),
  // @ts-expect-error: is not assignable to parameter of type 'FlightKey'
  encodeKey(Promise.resolve('42')),
  // @ts-expect-error: Type 'Date' is not assignable to type 'FlightKeyPart'
  encodeKey(['today', new Date()]),
];

export function readOnly() {
  // @ts-expect-error: Cannot assign to 'value' because it is a read-only property
  success.value = 'another';
  // @ts-expect-error: Cannot assign to 'key' because it is a read-only property
  flight.key = 'another';
  // @ts-expect-error: Cannot assign to 'size' because it is a read-only property
  group.size = 0;
  // @ts-expect-error: Constructor of class 'SingleFlightError' is protected
  return new SingleFlightError('Error', 'ERR', 'no error of yours');
}
