// The core
export { Group } from './core/group.js';
export type { FlightInfo, GroupStats } from './core/stats.js';
export type { Flight, FlightFunction } from './core/flight.js';
export type { Failure, Result, Role, Success } from './core/result.js';
export type { CallOptions, CloseOptions, FlightOptions, GroupOptions } from './core/options.js';
export type { BatchFunction } from './core/batch.js';
export type { Isolation } from './core/isolate.js';
export { outsideFlight } from './core/deadlock.js';
export { encodeKey } from './core/key.js';
export type { FlightKey, FlightKeyPart } from './core/key.js';
export type {
  AdriftEvent,
  DegradeEvent,
  FleetEvent,
  FlightEvent,
  FlightEvents,
  FlightObserver,
  FollowEvent,
  ForgetEvent,
  JoinEvent,
  LeadEvent,
  LeaveEvent,
  LostEvent,
  OneFlightEvent,
  RejectEvent,
  RestoreEvent,
  SettleEvent,
  StartEvent,
  TakeoverEvent,
} from './core/observer.js';
export {
  AbandonedError,
  DeadlockError,
  FlightTimeoutError,
  GroupClosedError,
  InvalidKeyError,
  InvalidOptionError,
  NoResultError,
  SingleFlightError,
  TooManyFlightsError,
  TooManyFollowersError,
  UnshareableResultError,
  WaitTimeoutError,
} from './core/errors.js';

// The fleet; groups, engines and the rest are in 'nestjs-singleflight/fleet'
export type { FleetOptions } from './fleet/options.js';
export type { FlightEngine } from './fleet/engine.js';
export type { Codec } from './fleet/codec.js';
export type { ErrorClass } from './fleet/error-codec.js';
export {
  EngineTimeoutError,
  EngineUnavailableError,
  LeaseLostError,
  PayloadTooLargeError,
  RemoteError,
} from './fleet/errors.js';

// RxJS
export { doChan } from './rx/do-chan.js';

// Nest: module, service, injection
export { SingleFlightModule, type SingleFlightModuleAsyncOptions } from './nest/single-flight.module.js';
export type { HttpShare, SingleFlightHttpOptions, SingleFlightModuleOptions } from './nest/module-options.js';
export { SingleFlightService, type ServiceCallOptions } from './nest/single-flight.service.js';
export type { FleetCallOptions } from './nest/fleet-name.js';
export type { FleetHealth } from './nest/app-fleet.js';
export type { Wrapped, WrapOptions } from './nest/wrap.js';
export { InjectSingleFlight } from './nest/inject-single-flight.decorator.js';
export { getSingleFlightToken } from './nest/tokens.js';

// Nest: the method decorator
export { SingleFlight, singleFlightOf, type DecoratedFlights } from './nest/single-flight.decorator.js';
export type {
  AsyncMethod,
  AsyncResult,
  KeyResult,
  SingleFlightDecorator,
  SingleFlightDecoratorFactory,
  SingleFlightOptions,
} from './nest/decorator-types.js';
export { currentFlight, NoCurrentFlightError } from './nest/current-flight.js';

// Nest: the interceptor
export { SingleFlightInterceptor } from './nest/single-flight.interceptor.js';
export {
  SingleFlightKey,
  SingleFlightShare,
  SkipSingleFlight,
  type ContextKeyFunction,
  type ShareOptions,
} from './nest/share.decorators.js';
export { keyFrom } from './nest/key-from.js';
export { FlightSignal } from './nest/flight-signal.decorator.js';
