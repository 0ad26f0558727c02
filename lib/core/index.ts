export { Group } from './group.js';
export type { FlightInfo, GroupStats } from './stats.js';
export type { Flight, FlightFunction } from './flight.js';
export type { Failure, Result, Role, Success } from './result.js';
export type { CallOptions, CloseOptions, FlightOptions, GroupOptions } from './options.js';
export type { BatchFunction } from './batch.js';
export type { Isolation } from './isolate.js';
export { outsideFlight } from './deadlock.js';
export { encodeKey } from './key.js';
export type { FlightKey, FlightKeyPart } from './key.js';
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
} from './observer.js';
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
} from './errors.js';
