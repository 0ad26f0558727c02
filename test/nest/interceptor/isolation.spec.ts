import { afterEach, describe, expect, it } from '@jest/globals';
import {
  ClassSerializerInterceptor,
  Controller,
  Get,
  Injectable,
  Res,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { SingleFlightInterceptor, SingleFlightShare, type SingleFlightModuleOptions } from 'nestjs-singleflight';
import { Exclude } from 'class-transformer';
import { catchError, map, throwError, type Observable } from 'rxjs';
import { bodies, closeServers, hold, httpFlights, PLATFORMS, statuses, TestServer, times } from './support/server.js';

interface Basket {
  owner: string;
  readonly items: string[];
}

/** Outside: writes into what it is given, and asks for more time than one turn, so that all have it in hand. */
@Injectable()
class Labelling implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler<Basket>): Observable<Basket> {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    return next.handle().pipe(
      map((basket) => {
        basket.owner = headers['x-name']!;
        basket.items.push(headers['x-name']!);
        return basket;
      }),
    );
  }
}

/** Outside: makes another object of what it is given. */
@Injectable()
class Copying implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler<Basket>): Observable<Basket> {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    const owner = headers['x-name']!;
    return next.handle().pipe(map(({ items }) => ({ owner, items: [...items, owner] })));
  }
}

const basket = (): Basket => ({ owner: 'nobody', items: ['a lamp'] });

class User {
  readonly name: string;
  seenBy = 'nobody';

  @Exclude()
  readonly password = 'secret';

  constructor({ name }: { readonly name: string }) {
    this.name = name;
  }
}

/** What went wrong, as outer interceptors see it. */
let errors: string[] = [];

/** Inside of what serialises: writes into an instance. */
@Injectable()
class Seeing implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler<User>): Observable<User> {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    return next.handle().pipe(
      map((user) => {
        user.seenBy += ` ${headers['x-name']!}`;
        return user;
      }),
      catchError((error: unknown) => {
        errors.push(String(error));
        return throwError(() => error);
      }),
    );
  }
}

interface AnyResponse {
  header(name: string, value: string): this;
}

@Controller()
@SingleFlightShare('public')
class Baskets {
  @Get('labelled')
  @UseInterceptors(Labelling, SingleFlightInterceptor)
  labelled(): Promise<Basket> {
    return hold.work(basket());
  }

  @Get('copied')
  @UseInterceptors(Copying, SingleFlightInterceptor)
  copied(): Promise<Basket> {
    return hold.work(basket());
  }

  @Get('tagged')
  @UseInterceptors(Labelling, SingleFlightInterceptor)
  async tagged(@Res({ passthrough: true }) response: AnyResponse): Promise<Basket> {
    const value = await hold.work(basket());
    response.header('x-tag', 'by hand');
    return value;
  }

  @Get('cookie')
  @UseInterceptors(Labelling, SingleFlightInterceptor)
  async cookie(@Res({ passthrough: true }) response: AnyResponse): Promise<Basket> {
    const value = await hold.work(basket());
    response.header('set-cookie', `run=${hold.runs}`);
    return value;
  }

  @Get('user')
  @UseInterceptors(ClassSerializerInterceptor, Seeing, SingleFlightInterceptor)
  user(): Promise<User> {
    return hold.work(new User({ name: 'Anna' }));
  }

  @Get('users')
  @UseInterceptors(Seeing, SingleFlightInterceptor)
  users(): Promise<object> {
    return hold.work({ user: new User({ name: 'Anna' }) });
  }
}

const NAMES = ['anna', 'ben', 'cleo'];
const named = (path: string): { path: string; headers: { 'X-Name': string } }[] =>
  NAMES.map((name) => ({ path, headers: { 'X-Name': name } }));
const each = NAMES.map((name) => JSON.stringify({ owner: name, items: ['a lamp', name] }));

describe.each(PLATFORMS)('Outer interceptors that write into the answer, on %s', (platform) => {
  afterEach(closeServers);

  const start = (isolate: SingleFlightModuleOptions['isolate']): Promise<TestServer> =>
    TestServer.start(platform, { imports: httpFlights({ isolate }), controllers: [Baskets] });

  it("'none': all write into the same one", async () => {
    const server = await start('none');
    const burst = await server.burst(...named('/labelled'));
    expect(burst.runs).toBe(1);
    const all = burst.replies.map(({ body }) => (JSON.parse(body) as Basket).items.length);
    expect(Math.max(...all)).toBe(4);
  });

  it("'clone': each has its own", async () => {
    const server = await start('clone');
    const burst = await server.burst(...named('/labelled'));
    expect(burst.runs).toBe(1);
    expect(bodies(burst)).toEqual(each);
  });

  describe("'freeze'", () => {
    it('refuses all who write, so that nobody sees what another wrote', async () => {
      const server = await start('freeze');
      const burst = await server.burst(...named('/labelled'));
      expect(burst.runs).toBe(1);
      expect(statuses(burst)).toEqual([500, 500, 500]);
      expect(bodies(burst).join()).not.toMatch(/anna|ben|cleo/);
    });

    it('lets them make another object of it', async () => {
      const server = await start('freeze');
      const burst = await server.burst(...named('/copied'));
      expect(burst.runs).toBe(1);
      expect(bodies(burst)).toEqual(each);
    });

    it('leaves a lone request what its handler returned', async () => {
      const server = await start('freeze');
      const burst = await server.burst(named('/labelled')[0]!);
      expect(bodies(burst)).toEqual([each[0]]);
    });

    it('refuses an instance of a class, whose fields then reach nobody', async () => {
      errors = [];
      const server = await start('freeze');
      const burst = await server.burst(...named('/users'));
      expect(burst.runs).toBe(1);
      expect(statuses(burst)).toEqual([500, 500, 500]);
      expect(bodies(burst).join()).not.toMatch(/secret|Anna/);
      expect(errors).toHaveLength(3);
      for (const error of errors) expect(error).toContain('came back with an instance of User at result.user for key');
    });
  });

  describe('a function', () => {
    it('is given what the handler returned, once for each, and each has its own', async () => {
      const given: unknown[] = [];
      const server = await start((...all: [Basket]): Basket => {
        given.push(structuredClone(all));
        return structuredClone(all[0]);
      });
      const burst = await server.burst(...named('/labelled'));
      expect(burst.runs).toBe(1);
      expect(bodies(burst)).toEqual(each);
      expect(given).toEqual([[basket()], [basket()], [basket()]]);
    });

    it('may make instances of a class, of which what is excluded reaches nobody', async () => {
      const server = await start((user: User) => new User(user));
      const burst = await server.burst(...named('/user'));
      expect(burst.runs).toBe(1);
      expect(bodies(burst)).toEqual(NAMES.map((name) => JSON.stringify({ seenBy: `nobody ${name}`, name: 'Anna' })));
    });

    it('does not change what followers get beside the value', async () => {
      const server = await start((value: Basket) => structuredClone(value));
      const burst = await server.burst(...named('/tagged'));
      expect(burst.runs).toBe(1);
      expect(bodies(burst)).toEqual(each);
      expect(burst.replies.map(({ headers }) => headers['x-tag'])).toEqual(['by hand', 'by hand', 'by hand']);
    });

    it('is not asked where the answer is not shared', async () => {
      const given: unknown[] = [];
      const server = await start((value: unknown) => {
        given.push(value);
        return value;
      });
      const burst = await server.burst(...named('/cookie'));
      expect(burst.runs).toBe(3);
      expect(bodies(burst)).toEqual(each);
      expect(new Set(burst.replies.map(({ headers }) => String(headers['set-cookie']))).size).toBeGreaterThan(1);
      await server.burst(...times(1, named('/labelled')[0]!));
      expect(given).toEqual([]);
    });

    it('that throws is an error of all', async () => {
      const server = await start(() => {
        throw new Error('cannot copy');
      });
      const burst = await server.burst(...named('/labelled'));
      expect(burst.runs).toBe(1);
      expect(statuses(burst)).toEqual([500, 500, 500]);
      expect(server.flights.inFlight()).toEqual([]);
    });
  });
});
