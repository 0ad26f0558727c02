import { Inject } from '@nestjs/common';
import { getSingleFlightToken } from './tokens.js';

/**
 * Injects the `SingleFlightService` of a group.
 *
 * @param name the group's name, as `SingleFlightModule.forFeature` has it; without one, the module's own group
 *
 * @example
 * ```ts
 * import { Injectable } from '@nestjs/common';
 * import { InjectSingleFlight, type SingleFlightService } from 'nestjs-singleflight';
 *
 * @Injectable()
 * class Catalog {
 *   constructor(@InjectSingleFlight('catalog') private readonly flights: SingleFlightService) {}
 * }
 * ```
 */
export function InjectSingleFlight(name?: string): ParameterDecorator & PropertyDecorator {
  return Inject(getSingleFlightToken(name));
}
