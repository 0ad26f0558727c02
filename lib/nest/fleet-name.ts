import { InvalidOptionError } from '../core/errors.js';
import { checkNamed } from '../fleet/options.js';
import type { AppFleet } from './app-fleet.js';
import type { KillSwitch } from './method-flights.js';

/** What a call may say of its flight, where the app has a fleet. */
export interface FleetCallOptions {
  /**
   * The flight's name, the same in every process: those that call with it and an equal key share one execution. Default:
   * none, the flight is this process's own.
   */
  fleet?: string | undefined;
}

/** What calls ask of their app. */
export interface FleetHost extends KillSwitch {
  /** The app's part in its fleet, where it has one. */
  readonly fleet?: AppFleet | undefined;
}

/** What a call says of the fleet, and all else. */
export function splitFleet<O extends FleetCallOptions>(
  options: O | undefined,
): [fleet: string | undefined, rest: Omit<O, 'fleet'> | undefined] {
  if (options === undefined || typeof options !== 'object' || !('fleet' in options)) return [undefined, options];
  const { fleet, ...rest } = options;
  return [fleet, rest];
}

/**
 * The app's fleet, for a flight that has a name there.
 *
 * @param source how the error's sentence begins, such as `@SingleFlight on Users.find`
 * @throws InvalidOptionError where the name is none, or the app has no fleet
 */
export function requireFleet(host: FleetHost, name: string | undefined, source: string): AppFleet | undefined {
  if (name === undefined) return undefined;
  checkNamed('fleet', name, () => ({ site: source }));
  if (host.fleet !== undefined) return host.fleet;
  throw new InvalidOptionError(
    `${source} names the flight '${name}' of a fleet, and the app has none. ` +
      'Give SingleFlightModule.forRoot({ fleet: { app, engine } }), or leave the name out.',
  );
}
