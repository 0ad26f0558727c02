import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Catch,
  Controller,
  Get,
  Header,
  HttpCode,
  HttpException,
  NotFoundException,
  Redirect,
  UseFilters,
  UseInterceptors,
  type ArgumentsHost,
  type ExceptionFilter,
} from '@nestjs/common';
import { SingleFlightInterceptor } from 'nestjs-singleflight';
import { concatMap, EMPTY, from, map, of, throwError, type Observable } from 'rxjs';
import { closeServers, hold, httpFlights, PLATFORMS, TestServer, times, type Reply } from './support/server.js';

class OutOfStockError extends Error {
  constructor(readonly product: string) {
    super(`no ${product}`);
  }
}

/** How both platforms answer by hand. */
interface AnyResponse {
  status(code: number): { send(body: string): void };
}

@Catch(OutOfStockError)
class OutOfStockFilter implements ExceptionFilter<OutOfStockError> {
  catch(error: OutOfStockError, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<AnyResponse>();
    response.status(409).send(`filtered: ${error.product}`);
  }
}

async function failing(error: unknown): Promise<never> {
  await hold.work(undefined);
  throw error;
}

/** Everything a handler may do; below it is a controller with the interceptor, and one without. */
class Handlers {
  @Get('text')
  text(): Promise<string> {
    return hold.work('a text');
  }

  @Get('json')
  json(): Promise<object> {
    return hold.work({ id: 42, nested: { list: [1, 'two', null] }, date: new Date(0) });
  }

  @Get('number')
  number(): Promise<number> {
    return hold.work(42);
  }

  @Get('false')
  false(): Promise<boolean> {
    return hold.work(false);
  }

  @Get('null')
  null(): Promise<null> {
    return hold.work(null);
  }

  @Get('nothing')
  nothing(): Promise<undefined> {
    return hold.work(undefined);
  }

  @Get('buffer')
  buffer(): Promise<Uint8Array> {
    return hold.work(Buffer.from('bytes'));
  }

  @Get('code')
  @HttpCode(203)
  code(): Promise<string> {
    return hold.work('203');
  }

  @Get('header')
  @Header('X-Static', 'static')
  @Header('Content-Type', 'text/csv')
  header(): Promise<string> {
    return hold.work('a,b');
  }

  @Get('redirect')
  @Redirect('https://static.example', 301)
  redirect(): Promise<undefined> {
    return hold.work(undefined);
  }

  @Get('redirect-dynamic')
  @Redirect('https://static.example')
  redirectDynamic(): Promise<object> {
    return hold.work({ url: 'https://dynamic.example', statusCode: 307 });
  }

  @Get('not-found')
  notFound(): Promise<never> {
    return failing(new NotFoundException('no such product'));
  }

  @Get('teapot')
  @Header('X-Static', 'static')
  teapot(): Promise<never> {
    return failing(new HttpException({ reason: 'teapot', retry: false }, 418));
  }

  @Get('error')
  error(): Promise<never> {
    return failing(new Error('the database is gone'));
  }

  @Get('undefined-error')
  undefinedError(): Promise<never> {
    return failing(undefined);
  }

  @Get('filtered')
  @UseFilters(OutOfStockFilter)
  filtered(): Promise<never> {
    return failing(new OutOfStockError('lamp'));
  }

  @Get('observable')
  observable(): Observable<object> {
    return from(hold.work({ of: 'one' }));
  }

  @Get('observable-later')
  async observableLater(): Promise<Observable<string>> {
    return of(await hold.work('later'));
  }

  @Get('observable-many')
  observableMany(): Observable<string> {
    return from(hold.work(['first', 'second', 'last'])).pipe(concatMap((values) => values));
  }

  @Get('observable-empty')
  observableEmpty(): Observable<never> {
    return from(hold.work(undefined)).pipe(concatMap(() => EMPTY));
  }

  @Get('observable-error')
  observableError(): Observable<never> {
    return from(hold.work(undefined)).pipe(concatMap(() => throwError(() => new NotFoundException('observed'))));
  }

  @Get('observable-value-then-error')
  observableValueThenError(): Observable<string> {
    return from(hold.work(['first', 'second'])).pipe(
      concatMap((values) => values),
      map((value) => {
        if (value === 'second') throw new NotFoundException('after one');
        return value;
      }),
    );
  }
}

@Controller('bare')
class Bare extends Handlers {}

@Controller('merged')
@UseInterceptors(SingleFlightInterceptor)
class Merged extends Handlers {}

/** What may differ from one answer to the next. */
const OF_THE_HOP = ['date', 'connection', 'keep-alive'];

function comparable({ status, body, headers }: Reply): object {
  const lasting = Object.entries(headers).filter(([name]) => !OF_THE_HOP.includes(name));
  return { status, body: body.replace('/merged/', '/bare/'), headers: Object.fromEntries(lasting) };
}

const CASES: readonly (readonly [path: string, status: number, body: string | object])[] = [
  ['text', 200, 'a text'],
  ['json', 200, { id: 42, nested: { list: [1, 'two', null] }, date: '1970-01-01T00:00:00.000Z' }],
  ['number', 200, '42'],
  ['false', 200, 'false'],
  ['null', 200, expect.any(String)],
  ['nothing', 200, ''],
  ['buffer', 200, expect.any(String)],
  ['code', 203, '203'],
  ['header', 200, 'a,b'],
  ['redirect', 301, expect.any(String)],
  ['redirect-dynamic', 307, expect.any(String)],
  ['not-found', 404, { statusCode: 404, message: 'no such product', error: 'Not Found' }],
  ['teapot', 418, { reason: 'teapot', retry: false }],
  ['error', 500, { statusCode: 500, message: 'Internal server error' }],
  ['undefined-error', 500, { statusCode: 500, message: 'Internal server error' }],
  ['filtered', 409, 'filtered: lamp'],
  ['observable', 200, { of: 'one' }],
  ['observable-later', 200, 'later'],
  ['observable-many', 200, 'last'],
  ['observable-empty', 500, { statusCode: 500, message: 'Internal server error' }],
  ['observable-error', 404, { statusCode: 404, message: 'observed', error: 'Not Found' }],
  ['observable-value-then-error', 404, { statusCode: 404, message: 'after one', error: 'Not Found' }],
];

describe.each(PLATFORMS)('Everybody gets what Nest answers without the interceptor, on %s', (platform) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start(platform, { imports: httpFlights(), controllers: [Bare, Merged] });
  });
  afterAll(closeServers);

  it.each(CASES)('%s', async (path, status, body) => {
    const bare = await server.burst({ path: `/bare/${path}` });
    const merged = await server.burst(...times(4, { path: `/merged/${path}` }));
    expect([bare.runs, merged.runs]).toEqual([1, 1]);
    const expected = comparable(bare.replies[0]!);
    expect(merged.replies.map(comparable)).toEqual([expected, expected, expected, expected]);
    const { status: answered, body: text } = merged.replies[3]!;
    const json = typeof body === 'object' && Object.getPrototypeOf(body) === Object.prototype;
    expect([answered, json ? JSON.parse(text) : text]).toEqual([status, body]);
  });

  it('redirects everybody', async () => {
    const { replies } = await server.burst(...times(3, { path: '/merged/redirect-dynamic' }));
    expect(replies.map(({ headers }) => headers.location)).toEqual(new Array(3).fill('https://dynamic.example'));
  });

  it('sets the headers of @Header() for everybody, also beside an error', async () => {
    const { replies } = await server.burst(...times(3, { path: '/merged/teapot' }));
    expect(replies.map(({ headers }) => headers['x-static'])).toEqual(['static', 'static', 'static']);
  });

  it('answers nobody twice: a connection that stays open serves the next burst', async () => {
    for (let round = 0; round < 3; round++) {
      expect((await server.burst(...times(3, { path: '/merged/json' }))).runs).toBe(1);
    }
  });
});
