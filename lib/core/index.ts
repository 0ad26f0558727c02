export { Group } from './group.js';
export type { FlightInfo, GroupStats } from './stats.js';
export type { Flight, FlightFunction } from './flight.js';
export type { Failure, Result, Role, Success } from './result.js';
export type { CallOptions, FlightOptions, GroupOptions } from './options.js';
export { encodeKey } from './key.js';
export type { FlightKey, FlightKeyPart } from './key.js';
export type {
  AdriftEvent,
  FlightEvent,
  FlightEvents,
  FlightObserver,
  ForgetEvent,
  JoinEvent,
  LeaveEvent,
  OneFlightEvent,
  RejectEvent,
  SettleEvent,
  StartEvent,
} from './observer.js';
export {
  AbandonedError,
  FlightTimeoutError,
  InvalidKeyError,
  InvalidOptionError,
  NoResultError,
  SingleFlightError,
  UnshareableResultError,
  WaitTimeoutError,
} from './errors.js';
