/** Everything this library puts under a name of its own: the same symbols in every copy of one major version. */
const PREFIX = 'nestjs-singleflight@0:';

/** The app's {@link SingleFlightRegistry}, once it has its options: where the module is known. */
export const SINGLE_FLIGHT_REGISTRY = Symbol.for(`${PREFIX}registry`);

/** The app's {@link SingleFlightRegistry} as decorated methods reach it: in every module, also when `forRoot` is not global. */
export const SINGLE_FLIGHT_HOST = Symbol.for(`${PREFIX}host`);

/**
 * The injection token of a group's service.
 *
 * @param name the group's name, as `forFeature` has it; without one, the module's own group
 *
 * @example
 * ```ts
 * import { getSingleFlightToken, SingleFlightService } from 'nestjs-singleflight';
 *
 * const forTests = { provide: getSingleFlightToken('catalog'), useValue: new SingleFlightService() };
 * ```
 */
export function getSingleFlightToken(name = 'default'): symbol {
  // Nest prints the token where nobody provides it: it says what is missing.
  const provider = name === 'default' ? 'forRoot()' : `forFeature('${name}')`;
  return Symbol.for(`${PREFIX}SingleFlightModule.${provider}`);
}

/** The token of what `forFeature` was told of a group, in each module that says something. */
export function groupOptionsToken(name: string): symbol {
  return Symbol.for(`${PREFIX}options:${name}`);
}

/** The metadata key of what a decorator of the interceptor says. */
export function metadataKey(name: string): symbol {
  return Symbol.for(`${PREFIX}${name}`);
}
