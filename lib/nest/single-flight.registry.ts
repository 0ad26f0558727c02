import { isDeepStrictEqual } from 'node:util';
import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { InvalidOptionError } from '../core/errors.js';
import { Group } from '../core/group.js';
import { sinksOf } from '../core/observer.js';
import type { GroupOptions } from '../core/options.js';
import { AppFleet } from './app-fleet.js';
import { decorationsOf, type Decoration, type DecorationHost } from './decoration.js';
import {
  checkModuleOptions,
  describingText,
  NEST_DEFAULTS,
  type SingleFlightHttpOptions,
  type SingleFlightModuleOptions,
} from './module-options.js';
import { WeakCollection } from './weak-collection.js';
import { requireFleet } from './fleet-name.js';
import { checkRoute } from './route-arguments.js';
import { checkStated } from './stated.js';
import { SingleFlightService } from './single-flight.service.js';
import { groupOptionsToken } from './tokens.js';

/** A provider or controller as Nest holds it. */
type Provided = ReturnType<Parameters<Parameters<ModulesContainer['forEach']>[0]>[0]['providers']['get']> & object;
interface Named {
  readonly name: string;
}

/** What one app's groups, decorated methods and interceptors have in common. */
@Injectable()
export class SingleFlightRegistry implements DecorationHost, OnModuleInit, OnApplicationShutdown {
  /** The kill switch; moved by `SingleFlightService.enabled`. */
  enabled = true;
  /** This app's part in its fleet, where it has one. Written once, by {@link configure}. */
  fleet: AppFleet | undefined = undefined;
  /** What `forRoot` was given; written once, by {@link configure}. */
  private options: SingleFlightModuleOptions | undefined = undefined;
  private readonly services = new Map<string, SingleFlightService>();
  /** Every group of the app, as long as somebody else holds it: instances come and go, and their groups with them. */
  private readonly groups = new WeakCollection<Group>();
  /** Written by {@link inspect}: classes of which some provider depends on the request, and the instances that do not. */
  private readonly perRequestClasses = new Set<unknown>();
  private readonly staticInstances = new WeakSet();
  /** The classes that were inspected; made by {@link onModuleInit}, because before it Nest cannot say what depends on what. */
  private inspected: WeakSet<object> | undefined = undefined;
  /** The decorated method of each name in the fleet, and what it is called. Written by {@link inspect}. */
  private readonly fleetMethods = new Map<string, { readonly decoration: Decoration; readonly method: string }>();
  /** What was told of controllers: Nest asks once for each token by which it knows the registry. */
  private readonly told = new Set<string>();
  private readonly logger = new Logger('SingleFlight');

  constructor(private readonly modules: ModulesContainer) {}

  /** Takes the options of `forRoot`: once an app, or again the same. */
  configure(options: SingleFlightModuleOptions): this {
    checkModuleOptions(options);
    if (this.options !== undefined && !isDeepStrictEqual(this.options, options)) {
      throw new InvalidOptionError(
        'SingleFlightModule.forRoot is imported twice with different options. Import it once, in the root module; ' +
          'a group with options of its own is for forFeature.',
      );
    }
    if (this.options === undefined && options.fleet !== undefined) {
      this.fleet = new AppFleet(options.fleet, sinksOf(options.observer));
    }
    this.options = options;
    this.enabled = options.enabled ?? true;
    return this;
  }

  get http(): SingleFlightHttpOptions {
    return this.options?.http ?? {};
  }

  /** The service of a named group: made when it is first asked for, the same ever after. */
  service(name = 'default'): SingleFlightService {
    let service = this.services.get(name);
    if (service === undefined) {
      service = new SingleFlightService(this.group(name, this.optionsOf(name)), this);
      this.services.set(name, service);
    }
    return service;
  }

  /** Whether `forFeature` or `forRoot` has named a group so. */
  has(name: string): boolean {
    return this.services.has(name);
  }

  /** A group with the app's defaults. */
  group(name: string, options: GroupOptions = {}): Group {
    const { name: rootName, enabled, http, fleet, ...defaults } = this.options ?? {};
    const { describeKey } = { ...defaults, ...options };
    const group = new Group({
      ...NEST_DEFAULTS,
      ...defaults,
      ...options,
      describeKey: describingText(describeKey),
      name: name === 'default' ? (rootName ?? name) : name,
    });
    this.groups.add(group);
    return group;
  }

  /** No new flights; those under way have their grace. The HTTP server has answered its requests by now. */
  async onApplicationShutdown(): Promise<void> {
    await Promise.all([...this.groups].map((group) => group.close()));
    await this.fleet?.close();
  }

  /** Whether an instance belongs to one request or tenant: its calls are never coalesced. */
  isPerRequest(instance: object): boolean {
    // Its module may have been loaded after the start.
    if (this.inspected?.has(instance.constructor) === false) this.inspectProviders(instance.constructor);
    return this.perRequestClasses.has(instance.constructor) && !this.staticInstances.has(instance);
  }

  /** Looks at every provider and controller with a decorated method, and refuses what cannot be coalesced. */
  async onModuleInit(): Promise<void> {
    this.inspected = new WeakSet();
    this.inspectProviders();
    for (const module of this.modules.values()) {
      for (const { metatype } of module.controllers.values()) if (metatype) this.inspectController(metatype);
    }
    await this.fleet?.start();
  }

  private inspectController(metatype: Named): void {
    checkStated(metatype, this.http, this, (message) => {
      if (!this.told.has(message)) this.logger.warn(message);
      this.told.add(message);
    });
  }

  /** Looks at the providers and controllers of one class, or of all. */
  private inspectProviders(only?: object): void {
    if (only !== undefined) this.inspected?.add(only);
    for (const module of this.modules.values()) {
      for (const collection of [module.providers, module.controllers, module.injectables]) {
        for (const wrapper of collection.values()) {
          const { metatype } = wrapper;
          if (typeof metatype !== 'function' || wrapper.isNotMetatype) continue;
          if (only !== undefined && metatype !== only) continue;
          const decorations = decorationsOf(metatype.prototype as object | undefined);
          if (decorations.length > 0) this.inspect(wrapper, metatype, decorations);
        }
      }
    }
  }

  private inspect(wrapper: Provided, metatype: Named, decorations: readonly Decoration[]): void {
    this.inspected?.add(metatype);
    for (const decoration of decorations) {
      const method = decoration.describe(metatype);
      const { group, fleet } = decoration.options;
      checkRoute(metatype, decoration.methodName);
      if (group !== undefined) this.requireGroup(group, method);
      requireFleet(this, fleet, `@SingleFlight on ${method}`);
      if (fleet !== undefined) this.takeFleetName(fleet, decoration, method);
    }
    if (!wrapper.isDependencyTreeStatic()) {
      this.takeAsPerRequest(metatype, decorations);
      return;
    }
    const instances = wrapper.isTransient
      ? wrapper.getStaticTransientInstances().map((entry): unknown => entry?.instance)
      : [wrapper.instance];
    for (const instance of instances) {
      if (typeof instance === 'object' && instance !== null) this.staticInstances.add(instance);
    }
  }

  /**
   * A method that two classes inherit, or a class that is provided twice, is one function.
   *
   * @throws InvalidOptionError when another decorated method has the name
   */
  private takeFleetName(name: string, decoration: Decoration, method: string): void {
    const known = this.fleetMethods.get(name);
    if (known === undefined) this.fleetMethods.set(name, { decoration, method });
    else if (known.decoration !== decoration) {
      throw new InvalidOptionError(
        `@SingleFlight on ${known.method} and on ${method} names the same flight '${name}' of the fleet, so that one would ` +
          "get the other's results. A name in the fleet stands for one function: give one of them another.",
      );
    }
  }

  /** @throws InvalidOptionError when no group was named so */
  requireGroup(name: string, method: string): SingleFlightService {
    if (this.has(name)) return this.service(name);
    throw new InvalidOptionError(
      `@SingleFlight on ${method} names the group '${name}', which does not exist. ` +
        `Import SingleFlightModule.forFeature('${name}'), or correct the name.`,
    );
  }

  private takeAsPerRequest(metatype: Named, decorations: readonly Decoration[]): void {
    const methods = decorations.map((decoration) => `${String(decoration.methodName)}()`).join(', ');
    const remedy =
      'Make it a singleton and pass it what it needs from the request, or call SingleFlightService.run with a key that ' +
      'holds everything it reads from the request.';
    for (const { options } of decorations) {
      if (options.scope !== 'class' && options.fleet === undefined) continue;
      const widened = options.scope === 'class' ? "scope: 'class'" : `fleet: '${options.fleet ?? ''}'`;
      throw new InvalidOptionError(
        `${metatype.name} is made per request, and ${widened} of its ${methods} would share one request's answer ` +
          `with another. ${remedy}`,
      );
    }
    if (this.perRequestClasses.has(metatype)) return;
    this.perRequestClasses.add(metatype);
    this.logger.warn(`${metatype.name} is made per request, so calls of its ${methods} are never coalesced. ${remedy}`);
  }

  /** What `forFeature` says of a group, wherever it says it. */
  private optionsOf(name: string): GroupOptions | undefined {
    const told = [...this.modules.values()]
      .map((module) => module.providers.get(groupOptionsToken(name))?.instance as GroupOptions | undefined)
      .filter((options) => options !== undefined);
    if (told.some((options) => !isDeepStrictEqual(options, told[0]))) {
      throw new InvalidOptionError(
        `The group '${name}' is registered twice with different options. Give them once, and elsewhere only the name: ` +
          `SingleFlightModule.forFeature('${name}').`,
        { group: name },
      );
    }
    return told[0];
  }
}
