import { ConfigurableModuleBuilder, Global, Module, type DynamicModule, type Provider } from '@nestjs/common';
import type { ErrorPlace } from '../core/errors.js';
import { checkGroupOptions, type GroupOptions } from '../core/options.js';
import { ELSEWHERE, type SingleFlightModuleOptions } from './module-options.js';
import { SingleFlightRegistry } from './single-flight.registry.js';
import { SingleFlightService } from './single-flight.service.js';
import { getSingleFlightToken, groupOptionsToken, SINGLE_FLIGHT_HOST, SINGLE_FLIGHT_REGISTRY } from './tokens.js';

/** A plain module of its own: however often the module below is imported, an app has one of these, for all its modules. */
@Global()
@Module({
  providers: [SingleFlightRegistry, { provide: SINGLE_FLIGHT_HOST, useExisting: SingleFlightRegistry }],
  exports: [SingleFlightRegistry, SINGLE_FLIGHT_HOST],
})
class SingleFlightRegistryModule {}

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<SingleFlightModuleOptions>()
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createSingleFlightOptions')
    .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({ ...definition, global: isGlobal }))
    .build();

/** What `forRootAsync` takes: `useFactory` with `inject` and `imports`, `useClass` or `useExisting`; and `isGlobal`. */
export type SingleFlightModuleAsyncOptions = typeof ASYNC_OPTIONS_TYPE;

/** What {@link SingleFlightModule.forFeature} makes. */
@Module({ imports: [SingleFlightRegistryModule] })
class SingleFlightFeatureModule {}

/**
 * Provides `SingleFlightService`, and what the decorator and the interceptor share in an app.
 *
 * @example
 * ```ts
 * import { Module } from '@nestjs/common';
 * import { SingleFlightModule } from 'nestjs-singleflight';
 *
 * @Module({ imports: [SingleFlightModule.forRoot(), SingleFlightModule.forFeature('catalog')] })
 * class AppModule {}
 * ```
 */
@Module({
  imports: [SingleFlightRegistryModule],
  providers: [
    {
      provide: SINGLE_FLIGHT_REGISTRY,
      useFactory: (registry: SingleFlightRegistry, options?: SingleFlightModuleOptions) =>
        registry.configure(options ?? {}),
      inject: [SingleFlightRegistry, { token: MODULE_OPTIONS_TOKEN, optional: true }],
    },
    {
      provide: SingleFlightService,
      useFactory: (registry: SingleFlightRegistry) => registry.service(),
      inject: [SINGLE_FLIGHT_REGISTRY],
    },
    { provide: getSingleFlightToken(), useExisting: SingleFlightService },
  ],
  exports: [SINGLE_FLIGHT_REGISTRY, SingleFlightService, getSingleFlightToken()],
})
export class SingleFlightModule extends ConfigurableModuleClass {
  /**
   * For the root module: the defaults of every group in the app.
   *
   * @param options `isGlobal` (default: true) makes the service, the decorator's and the interceptor's app known in
   * every module; the others are the groups' defaults, of which `joinWindowMs` is 30,000 unless stated
   * @throws InvalidOptionError, when the app starts, for a bad option or a second `forRoot` with other options
   */
  static override forRoot(options: SingleFlightModuleOptions & { isGlobal?: boolean } = {}): DynamicModule {
    return super.forRoot(options);
  }

  /** As {@link forRoot}, with options that come from other providers. */
  static override forRootAsync(options: SingleFlightModuleAsyncOptions): DynamicModule {
    return super.forRootAsync(options);
  }

  /**
   * Groups of their own, each with a name, and options where they differ from the root's. To be injected with
   * `@InjectSingleFlight(name)`, and to be named by `@SingleFlight(keyFn, { group: name })`. One name is one group in
   * an app, however many modules name it.
   *
   * @throws InvalidOptionError for a bad option; when the app starts, for a name with two different sets of options
   */
  static forFeature(...groups: (string | ({ name: string } & GroupOptions))[]): DynamicModule {
    const providers = groups.flatMap((group) => featureProviders(group));
    return {
      module: SingleFlightFeatureModule,
      providers,
      exports: groups.map((group) => getSingleFlightToken(typeof group === 'string' ? group : group.name)),
    };
  }
}

function featureProviders(group: string | ({ name: string } & GroupOptions)): Provider[] {
  const { name, ...options } = typeof group === 'string' ? { name: group } : group;
  const site = typeof name === 'string' ? `forFeature('${name}')` : 'forFeature';
  const place = (): ErrorPlace => ({ site, group: typeof name === 'string' ? name : undefined });
  checkGroupOptions({ name, ...options }, place, ELSEWHERE);
  const service: Provider = {
    provide: getSingleFlightToken(name),
    useFactory: (registry: SingleFlightRegistry) => registry.service(name),
    // The second only so that forRoot's options are there first.
    inject: [SingleFlightRegistry, { token: SINGLE_FLIGHT_REGISTRY, optional: true }],
  };
  return Object.keys(options).length === 0
    ? [service]
    : [service, { provide: groupOptionsToken(name), useValue: options }];
}
