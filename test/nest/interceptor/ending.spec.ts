import { afterEach, describe, expect, it } from '@jest/globals';
import { GroupClosedError, SingleFlightInterceptor } from 'nestjs-singleflight';
import { config, EMPTY, Observable, of, Subject, throwError } from 'rxjs';
import { unhandledRejections } from '../../model/unhandled.js';
import { Exchange } from './support/exchange.js';
import { turn } from './support/server.js';

/** Two requests with one handler: what each of them comes to. */
function both(interceptor: SingleFlightInterceptor, handle: () => Observable<unknown>): Promise<unknown[]> {
  return Promise.allSettled([0, 1].map(() => new Exchange().answers(interceptor, handle)));
}

describe('A handler ends as its leader would see it', () => {
  const failing = new Observable((subscriber) => {
    subscriber.next('a value');
    subscriber.error(undefined);
  });

  it.each([
    ['with many values', of(1, 2, 3), { status: 'fulfilled', value: [1, 2, 3] }],
    ['with none', EMPTY, { status: 'fulfilled', value: [] }],
    ['with undefined as its error, after a value', failing, { status: 'rejected', reason: undefined }],
    ['with 0 as its error', throwError(() => 0), { status: 'rejected', reason: 0 }],
  ])('%s', async (_, handler, outcome) => {
    expect(await both(new SingleFlightInterceptor(), () => handler)).toEqual([outcome, outcome]);
  });
});

describe('A handler is heard', () => {
  // Who has not taken leave of it yet still sets it.
  const rxjs = config as { useDeprecatedNextContext: boolean };
  afterEach(() => {
    rxjs.useDeprecatedNextContext = false;
  });

  it('where RxJS calls observers as objects of its own', async () => {
    rxjs.useDeprecatedNextContext = true;
    const interceptor = new SingleFlightInterceptor();
    let runs = 0;
    const handler = new Observable((subscriber) => {
      runs++;
      queueMicrotask(() => {
        subscriber.next('answered');
        subscriber.complete();
      });
    });
    expect(await new Exchange().answers(interceptor, () => handler)).toEqual(['answered']);
    expect(runs).toBe(1);
  });
});

describe('A handler that ends at once', () => {
  it.each([
    ['answers', () => of('answered'), { status: 'fulfilled', value: ['answered'] }],
    ['fails', () => throwError(() => 'failed'), { status: 'rejected', reason: 'failed' }],
  ])('runs once for requests that come in one tick, and %s', async (_, handler, outcome) => {
    let runs = 0;
    const handle = (): Observable<unknown> => {
      runs++;
      return handler();
    };
    expect(await both(new SingleFlightInterceptor(), handle)).toEqual([outcome, outcome]);
    expect(runs).toBe(1);
  });
});

describe('A handler that fails when all have left', () => {
  const unhandled = unhandledRejections();

  it('is heard by nobody, and the next request starts another', async () => {
    const interceptor = new SingleFlightInterceptor();
    const handler = new Subject();
    const exchanges = [new Exchange(), new Exchange(), new Exchange()];
    const answers = Promise.allSettled(exchanges.map((one) => one.answer(interceptor, () => handler)));
    await turn();
    for (const exchange of exchanges) exchange.hangUp();
    handler.error(new Error('too late'));
    expect(await answers).toMatchObject(Array(3).fill({ reason: { status: 499 } }));
    await turn();
    expect(unhandled).toEqual([]);
    await expect(new Exchange().answer(interceptor, () => of('another'))).resolves.toBe('another');
  });

  it('is joined until then, by who is answered with what it comes to', async () => {
    const interceptor = new SingleFlightInterceptor();
    const handler = new Subject();
    const exchanges = [new Exchange(), new Exchange()];
    const gone = Promise.allSettled(exchanges.map((one) => one.answer(interceptor, () => handler)));
    await turn();
    for (const exchange of exchanges) exchange.hangUp();
    const late = new Exchange().answer(interceptor, () => of('another'));
    handler.next('the first');
    handler.complete();
    await expect(late).resolves.toBe('the first');
    expect(await gone).toMatchObject(Array(2).fill({ reason: { status: 499 } }));
    expect(unhandled).toEqual([]);
  });
});

describe('A request that a middleware has answered', () => {
  const unhandled = unhandledRejections();

  /** Two requests under way, of which the second has been answered from outside. */
  async function followerAnswered() {
    const interceptor = new SingleFlightInterceptor();
    const handler = new Subject();
    const [leader, follower] = [new Exchange(), new Exchange()];
    const answers = Promise.allSettled([leader, follower].map((one) => one.answer(interceptor, () => handler)));
    await turn();
    Object.assign(follower.response, { headersSent: true, writableFinished: true });
    follower.response.emit('close');
    return { handler, leader, follower, answers };
  }

  it('waits for the end, as its handler would have, and harms nobody: the handler has set a header', async () => {
    const { handler, leader, answers } = await followerAnswered();
    leader.response.header('x-run', '1');
    handler.next('landed');
    handler.complete();
    expect(await answers).toMatchObject([
      { value: 'landed' },
      { reason: { message: 'Cannot set headers after they are sent to the client' } },
    ]);
    expect(unhandled).toEqual([]);
  });

  it('waits for the end, as its handler would have, and harms nobody: the flight has failed', async () => {
    const { handler, leader, follower, answers } = await followerAnswered();
    handler.error(new GroupClosedError({ group: 'products' }));
    expect(await answers).toMatchObject([{ reason: { status: 503 } }, { reason: { status: 503 } }]);
    expect(unhandled).toEqual([]);
    expect([leader.headers, follower.headers]).toEqual([{ 'retry-after': '1' }, {}]);
  });
});

describe('A value that can hardly be looked at', () => {
  const unhandled = unhandledRejections();

  it('is shared, where it refuses to be asked for what it does not know', async () => {
    const interceptor = new SingleFlightInterceptor();
    const strict = new Proxy<Record<string | symbol, unknown>>(
      { name: 'a lamp' },
      {
        get: (target, name) => {
          if (typeof name === 'string' && !(name in target)) throw new Error(`There is no ${name}.`);
          return target[name];
        },
      },
    );
    const handle = (): Observable<unknown> =>
      new Observable((subscriber) => {
        subscriber.next(strict);
        subscriber.complete();
      });
    // Within an array: a promise would ask it for its `then`.
    const answers = [0, 1].map(() => new Exchange().answers(interceptor, handle));
    const [one, other] = await Promise.all(answers);
    expect(one?.[0] === strict && other?.[0] === strict).toBe(true);
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('not closed'))],
    [
      'throws',
      () => {
        throw new Error('not closed');
      },
    ],
  ])('is let go of, when its client has gone: what closes it %s, which nobody hears', async (_, close) => {
    const interceptor = new SingleFlightInterceptor();
    const handler = new Subject();
    const leader = new Exchange();
    const answer = leader.answer(interceptor, () => handler);
    await turn();
    leader.hangUp();
    let closed = 0;
    const iterator = {
      next: () => undefined,
      [Symbol.asyncIterator]: () => iterator,
      return: () => (closed++, close()),
    };
    handler.next(iterator);
    handler.complete();
    await expect(answer).rejects.toMatchObject({ status: 499 });
    await turn();
    expect([closed, unhandled]).toEqual([1, []]);
  });
});

describe('What stands inside and throws at once', () => {
  const unhandled = unhandledRejections();
  const broken = (): never => {
    throw new Error('broken');
  };

  it('fails the flight, and the next request starts another', async () => {
    const interceptor = new SingleFlightInterceptor();
    const answers = [0, 1].map(() => new Exchange().answer(interceptor, broken));
    expect(await Promise.allSettled(answers)).toMatchObject(Array(2).fill({ reason: { message: 'broken' } }));
    await expect(new Exchange().answer(interceptor, () => of('answered'))).resolves.toBe('answered');
  });

  it('fails the run of one who runs alone again', async () => {
    const interceptor = new SingleFlightInterceptor();
    const handler = new Subject();
    const leader = new Exchange();
    const answers = [leader.answer(interceptor, () => handler), new Exchange().answer(interceptor, broken)];
    leader.response.header('set-cookie', 'a=b');
    handler.next('its own');
    handler.complete();
    expect(await Promise.allSettled(answers)).toMatchObject([{ value: 'its own' }, { reason: { message: 'broken' } }]);
    expect(unhandled).toEqual([]);
  });
});
