import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, Next, Res, Sse } from '@nestjs/common';
import {
  InvalidOptionError,
  SingleFlight,
  SingleFlightModule,
  type FlightKey,
  type SingleFlightOptions,
} from 'nestjs-singleflight';
import { of, type Observable } from 'rxjs';
import { closeApps, listen, PLATFORMS, startApp } from './support/apps.js';
import { rejection, Work } from './support/work.js';

const imports = [SingleFlightModule.forRoot()];

afterEach(closeApps);

describe.each(PLATFORMS)('Refused at start on %s', (platform) => {
  const ANSWERS_ITSELF =
    'it answers through @Res() or @Next(), so callers who join would never be answered. ' +
    'Return the value, or decorate the service method that loads the data instead.';
  const SENDS_EVENTS =
    'an @Sse() handler sends a stream of events, which callers cannot share. ' +
    'Decorate the service method that loads the data instead.';

  @Controller()
  class WithRes {
    @Get()
    @SingleFlight(() => 'all')
    async find(@Res() response: { end(): void }): Promise<void> {
      response.end();
    }
  }

  @Controller()
  class WithNext {
    @SingleFlight(() => 'all')
    @Get()
    async find(@Next() next: () => void): Promise<void> {
      next();
    }
  }

  @Controller()
  class SseAbove {
    @Sse()
    @SingleFlight(() => 'all')
    find(): Observable<object> {
      return of({ data: 1 });
    }
  }

  @Controller()
  class SseBelow {
    @SingleFlight(() => 'all')
    @Sse()
    find(): Observable<object> {
      return of({ data: 1 });
    }
  }

  @Controller('inherited')
  class Inherited extends WithRes {}

  it.each([
    [WithRes, ANSWERS_ITSELF],
    [WithNext, ANSWERS_ITSELF],
    [SseAbove, SENDS_EVENTS],
    [SseBelow, SENDS_EVENTS],
    [Inherited, ANSWERS_ITSELF],
  ])('%p', async (controller, sentence) => {
    await expect(listen(platform, { imports, controllers: [controller] })).rejects.toMatchObject({
      code: 'ERR_SINGLEFLIGHT_INVALID_OPTION',
      message: `@SingleFlight on ${controller.name}.find: ${sentence} [ERR_SINGLEFLIGHT_INVALID_OPTION]`,
    });
  });
});

describe('Refused at start', () => {
  it('a group that does not exist', async () => {
    @Injectable()
    class Users {
      @SingleFlight(() => 'all', { group: 'user' })
      async find(): Promise<number> {
        return 1;
      }
    }
    await expect(
      startApp({ imports: [...imports, SingleFlightModule.forFeature('users')], providers: [Users] }),
    ).rejects.toMatchObject({
      code: 'ERR_SINGLEFLIGHT_INVALID_OPTION',
      message:
        "@SingleFlight on Users.find names the group 'user', which does not exist. " +
        "Import SingleFlightModule.forFeature('user'), or correct the name. [ERR_SINGLEFLIGHT_INVALID_OPTION]",
    });
  });
});

describe('Refused when the class is defined', () => {
  it('@SingleFlight twice on one method', () => {
    expect(() => {
      class Users {
        @SingleFlight((id: string) => id)
        @SingleFlight((id: string) => id)
        async find(id: string): Promise<string> {
          return id;
        }
      }
      return Users;
    }).toThrow('@SingleFlight stands twice on Users.find. One call would wait for itself: remove one.');
  });

  it('@SingleFlight twice, with another decorator that replaces the method in between', () => {
    const Traced = (): MethodDecorator => (_target, _property, descriptor: PropertyDescriptor) => {
      const method = descriptor.value as (...args: unknown[]) => unknown;
      descriptor.value = function (this: unknown, ...args: unknown[]) {
        return method.apply(this, args);
      };
    };
    expect(() => {
      class Users {
        @SingleFlight((id: string) => id)
        @Traced()
        @SingleFlight((id: string) => id)
        async find(id: string): Promise<string> {
          return id;
        }
      }
      return Users;
    }).toThrow('@SingleFlight stands twice on Users.find. One call would wait for itself: remove one.');
  });

  it('anything but a method', () => {
    const decorate = SingleFlight(() => 'all') as unknown as (...place: unknown[]) => void;
    const message = (name: string) =>
      `@SingleFlight stands on '${name}', which is not a method. Only a method can be decorated.`;
    expect(() => decorate({}, 'field')).toThrow(message('field'));
    expect(() => decorate({}, 'accessor', { get: () => 1 })).toThrow(message('accessor'));
  });

  it('no key function', () => {
    const forget = SingleFlight as unknown as (key?: unknown) => void;
    const message = (came: string) =>
      `@SingleFlight needs a function from the method's arguments to a key, not ${came}. ` +
      'Write @SingleFlight((id: string) => id).';
    expect(() => forget()).toThrow(message('undefined'));
    expect(() => forget('id')).toThrow(message('the string "id"'));
  });

  it.each([
    [
      { waitTimeoutMs: 0 },
      /^@SingleFlight on Users\.find: `waitTimeoutMs` is the number 0\. It must be a number of milliseconds above 0 /,
    ],
    [
      { flightTimeoutMs: -1 },
      /^@SingleFlight on Users\.find: `flightTimeoutMs` is the number -1\. It must be a number of milliseconds above 0 /,
    ],
    [
      { lingerMs: Infinity },
      /^@SingleFlight on Users\.find: `lingerMs` is the number Infinity\. It must be a number of milliseconds from 0 to /,
    ],
    [
      { joinWindowMs: '5' },
      /^@SingleFlight on Users\.find: `joinWindowMs` is the string "5"\. It must be a number of milliseconds above 0, or /,
    ],
    [
      { group: '' },
      /^@SingleFlight on Users\.find: `group` is the string ""\. It must be a group's name\. \[ERR_SINGLEFLIGHT_INVALID_OPTION\]$/,
    ],
    [
      { group: 1 },
      /^@SingleFlight on Users\.find: `group` is the number 1\. It must be a group's name\. \[ERR_SINGLEFLIGHT_INVALID_OPTION\]$/,
    ],
    [
      { scope: 'app' },
      /^@SingleFlight on Users\.find: `scope` is the string "app"\. It must be 'instance' or 'class'\. \[ERR_SINGLEFLIGHT_INVALID_OPTION\]$/,
    ],
    [
      { ttl: 5 },
      /^@SingleFlight on Users\.find: there is no option `ttl`\. The options are `waitTimeoutMs`, .*`group`, `scope`/,
    ],
    [{ signal: AbortSignal.abort() }, /^@SingleFlight on Users\.find: there is no option `signal`\. /],
    [{ fleet: '' }, /^@SingleFlight on Users\.find: `fleet` is the string ""\. /],
    [null, /^@SingleFlight on Users\.find: `options` is null\. It must be an object\./],
  ])('the options %j', (options, message) => {
    const decorate = () => {
      class Users {
        @SingleFlight(() => 'all', options as SingleFlightOptions)
        async find(): Promise<number> {
          return 1;
        }
      }
      return Users;
    };
    expect(decorate).toThrow(InvalidOptionError);
    expect(decorate).toThrow(message);
  });
});

describe('A key function', () => {
  class Users {
    readonly work = new Work();

    @SingleFlight((key: () => FlightKey | undefined | null) => key())
    async find(key: () => FlightKey | undefined | null): Promise<string> {
      return this.work.execute(key);
    }
  }

  it('that throws rejects the call with what it threw', async () => {
    const users = new Users();
    const error = new Error('no tenant');
    const call = users.find(() => {
      throw error;
    });
    expect(await rejection(call)).toBe(error);
    expect(users.work.count).toBe(0);
  });

  it.each([[undefined], [null]])('that returns %p: the call is not coalesced', async (key) => {
    const users = new Users();
    const calls = [users.find(() => key), users.find(() => key)];
    expect(users.work.count).toBe(2);
    users.work.resolve('one', 0);
    users.work.resolve('two', 1);
    expect(await Promise.all(calls)).toEqual(['one', 'two']);
  });

  const remedy = 'Use a string, a number, or an array of them, such as [user.tenantId, user.id].';
  it.each([
    [{ id: 1 }, `The key function of Users.find returned an object. ${remedy}`],
    [Promise.resolve('1'), `The key function of Users.find returned a Promise. ${remedy}`],
    [Symbol('1'), `The key function of Users.find returned a symbol. ${remedy}`],
    [NaN, `The key function of Users.find returned NaN. ${remedy}`],
    [['a', { b: 1 }], `The key function of Users.find returned an array with an object at [1]. ${remedy}`],
    [
      ['a', undefined],
      'The key function of Users.find returned an array with undefined at [1]: callers who lack that value would ' +
        'share one flight. Use undefined alone and the call is not coalesced, or put null where having none is a ' +
        'value of its own.',
    ],
  ])('that returns %p rejects the call', async (key, message) => {
    const users = new Users();
    expect(await rejection(users.find(() => key as FlightKey))).toMatchObject({
      name: 'InvalidKeyError',
      code: 'ERR_SINGLEFLIGHT_INVALID_KEY',
      message: `${message} [ERR_SINGLEFLIGHT_INVALID_KEY]`,
    });
    expect(users.work.count).toBe(0);
  });

  it('has the instance as `this`', async () => {
    class Tenant {
      readonly work = new Work();
      tenant = 'a';

      @SingleFlight(function (this: unknown) {
        return (this as Tenant).tenant;
      })
      async find(): Promise<string> {
        return this.work.execute();
      }
    }
    const users = new Tenant();
    const calls = [users.find(), users.find()];
    users.tenant = 'b';
    calls.push(users.find());
    expect(users.work.count).toBe(2);
    users.work.resolve('done');
    await Promise.all(calls);
  });
});
