export { FleetGroup, type FleetCallOptions, type FleetGroupOptions, type FleetGroupStats } from './fleet-group.js';
export type { FleetOptions } from './options.js';
export type { FleetStats } from './fleet-flights.js';
export { structuredCodec, type CarriedClass, type Codec } from './codec.js';
export type { ErrorClass } from './error-codec.js';
export type {
  AbandonRequest,
  CompleteRequest,
  EngineLimits,
  Fence,
  FlightEngine,
  FlightSink,
  ForgetRequest,
  Joined,
  JoinRequest,
  RenewRequest,
} from './engine.js';
export { MemoryEngine, type MemoryEngineOptions } from './memory-engine.js';
export { MemoryHub, type Clock } from './memory-hub.js';
export {
  EngineTimeoutError,
  EngineUnavailableError,
  LeaseLostError,
  PayloadTooLargeError,
  RemoteError,
} from './errors.js';
