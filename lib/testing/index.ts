export { held, type Held } from './held.js';
export { watchFlights, type Expected, type FlightWatch, type WatchedFlight } from './watch-flights.js';
export { engineContract } from './contract/engine-contract.js';
export type { ContractCase, ContractOptions, ContractWorld } from './contract/contract-world.js';
export { chaosEngine, type ChaosControls, type ChaosEngine, type ChaosOptions } from './chaos-engine.js';
