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
