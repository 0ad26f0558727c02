import { SingleFlightService, type SingleFlightModuleOptions } from 'nestjs-singleflight';
import { SingleFlightModule, SingleFlightShare } from 'nestjs-singleflight';

declare const service: SingleFlightService;
declare const load: (id: number, locale: string) => Promise<string>;

export const calls = [
  // @ts-expect-error: 'id' does not exist in type 'readonly FlightKeyPart[]'
  service.run({ id: '42' }, () => 42),
  // @ts-expect-error: is not assignable to parameter of type 'KeyResult'
  service.do(new Date(), () => 42),
  // @ts-expect-error: is not assignable to parameter of type 'KeyResult'
  service.doChan(Promise.resolve('42'), () => 42),
  // @ts-expect-error: is not assignable to parameter of type 'KeyResult'
  service.forget(Symbol('42')),
  // @ts-expect-error: 'fleet' does not exist in type 'CallOptions & FlightOptions'
  service.doMany(['42'], () => new Map(), { fleet: 'products' }),
  // @ts-expect-error: is not assignable to parameter of type 'FlightFunction<
  service.run('42', Promise.resolve(42)),
];

export const wraps = [
  // @ts-expect-error: Expected 2-3 arguments, but got 1
  service.wrap(load),
  // @ts-expect-error: Target signature provides too few arguments
  service.wrap(load, (id: number, locale: string, more: string) => [id, locale, more]),
  // @ts-expect-error: Type 'number' is not assignable to type 'string'
  service.wrap(load, (id: string) => id),
  // @ts-expect-error: is not assignable to type 'KeyResult'
  service.wrap(load, async (id) => id),
  // @ts-expect-error: is not assignable to type 'KeyResult'
  service.wrap(load, (id, locale) => ({ id, locale })),
  // @ts-expect-error: is not assignable to type 'Promise<
  service.wrap((id: number) => id, (id) => id),
  // @ts-expect-error: 'signal' does not exist in type 'WrapOptions'
  service.wrap(load, (id) => id, { signal: AbortSignal.timeout(1) }),
];

const wrapped = service.wrap(load, (id, locale) => [id, locale]);

export const callsOfWrapped = [
  // @ts-expect-error: Argument of type 'string' is not assignable to parameter of type 'number'
  wrapped('42', 'en'),
  // @ts-expect-error: Expected 2 arguments, but got 1
  wrapped(42),
  // @ts-expect-error: Argument of type 'string' is not assignable to parameter of type 'number'
  wrapped.forget('42', 'en'),
  // @ts-expect-error: Expected 2 arguments, but got 1
  wrapped.forget(42),
  // @ts-expect-error: Expected 2 arguments, but got 3
  wrapped.forget(42, 'en', 'more'),
];

export const modules = [
  // @ts-expect-error: 'ttlMs' does not exist in type
  SingleFlightModule.forRoot({ ttlMs: 50 }),
  // @ts-expect-error: Type '"tenant"' is not assignable to type
  SingleFlightModule.forRoot({ http: { share: 'tenant' } }),
  // @ts-expect-error: Property 'name' is missing in type
  SingleFlightModule.forFeature({ lingerMs: 50 }),
  // @ts-expect-error: 'isGlobal' does not exist in type
  { isGlobal: true } satisfies SingleFlightModuleOptions,
  // @ts-expect-error: Argument of type '"everybody"' is not assignable to parameter of type 'HttpShare'
  SingleFlightShare('everybody'),
];
