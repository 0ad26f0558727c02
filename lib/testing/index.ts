export { held, type Held } from './held.js';
export { watchFlights, type Expected, type FlightWatch, type WatchedFlight } from './watch-flights.js';
