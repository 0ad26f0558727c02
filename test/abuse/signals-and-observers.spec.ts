import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Group } from '../../lib/core/group.js';
import type { RejectEvent } from '../../lib/core/observer.js';
import { deferred } from '../support/deferred.js';
import { errorOf } from '../support/refusals.js';
import { turn } from '../support/turns.js';

describe('Abuse of signals', () => {
  const heard: RejectEvent[] = [];
  const group = new Group({ name: 'products', observer: { reject: (event) => heard.push(event) } });
  beforeEach(() => {
    heard.length = 0;
  });

  it.each<[string, unknown]>([
    ['an error', new Error('gone')],
    ['0', 0],
    ["''", ''],
    ['null', null],
    ['false', false],
  ])('one that has aborted with %s: rejects with it before starting', async (_, reason) => {
    let ran = false;
    const fn = (): void => {
      ran = true;
    };
    const signal = AbortSignal.abort(reason);
    expect(await errorOf(() => group.run('42', fn, { signal }))).toBe(reason);
    expect(await errorOf(() => group.do('42', fn, { signal }))).toBe(reason);

    expect(ran).toBe(false);
    expect(heard).toEqual(Array.from({ length: 2 }, () => ({ group: 'products', describedKey: '42', error: reason })));
    expect(group.stats()).toMatchObject({ flights: 0, callers: 0, left: 0 });
  });

  it('one that has aborted: rejects before joining', async () => {
    const busy = new Group();
    const work = deferred();
    const leader = busy.run('key', () => work.promise);
    const signal = AbortSignal.abort();
    expect(await errorOf(() => busy.run('key', () => undefined, { signal }))).toBe(signal.reason);
    expect(signal.reason).toMatchObject({ name: 'AbortError' });
    expect(busy.inFlight()).toMatchObject([{ callers: 1 }]);
    expect(busy.stats()).toMatchObject({ callers: 1, left: 0 });
    work.resolve();
    await leader;
  });

  it('one that has aborted, when the result lingers: the caller is refused all the same', async () => {
    const lingering = new Group({ lingerMs: 60_000 });
    await lingering.run('key', () => 'done');
    const signal = AbortSignal.abort('gone');
    expect(await errorOf(() => lingering.run('key', () => 'not run', { signal }))).toBe('gone');
    lingering.forgetAll();
  });

  it('tells of every call that is refused', async () => {
    await errorOf(() => group.run('42', () => 1, { waitTimeoutMs: -1 }));
    await errorOf(() => group.run('43', undefined as never));
    await errorOf(() => group.do(['44'] as never, () => 1));

    expect(heard.map(({ describedKey, error }) => [describedKey, (error as { code: string }).code])).toEqual([
      ['42', 'ERR_SINGLEFLIGHT_INVALID_OPTION'],
      ['43', 'ERR_SINGLEFLIGHT_INVALID_OPTION'],
      ['an array', 'ERR_SINGLEFLIGHT_INVALID_KEY'],
    ]);
  });
});

describe('Abuse of what a group is handed', () => {
  let warnings: (string | Error)[] = [];
  beforeEach(() => {
    warnings = [];
    jest.spyOn(process, 'emitWarning').mockImplementation((warning) => {
      warnings.push(warning);
    });
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  const throwing: readonly (readonly [string, unknown, string])[] = [
    ['an error', new TypeError('no such field'), 'TypeError: no such field'],
    ['a string', 'no such field', 'no such field'],
    ['undefined', undefined, 'undefined'],
    ['what cannot be printed', Object.create(null), 'an object'],
  ];

  it.each(throwing)('a describeKey that throws %s', async (_, thrown, printed) => {
    const group = new Group({
      name: 'products',
      describeKey: () => {
        throw thrown;
      },
    });
    const work = deferred();
    const call = group.run('42', () => work.promise);
    expect(group.inFlight()).toMatchObject([{ key: '(describeKey threw)' }]);
    work.resolve();
    await call;

    expect(warnings).toEqual([`\`describeKey\` of group 'products' threw: ${printed}`]);
  });

  it.each<[string, unknown, string]>([
    ['a number', 42, '42'],
    ['undefined', undefined, 'undefined'],
    ['a symbol', Symbol('key'), 'Symbol(key)'],
    ['what has no string', Object.create(null), '(describeKey threw)'],
  ])('a describeKey that returns %s', async (_, described, printed) => {
    const events: string[] = [];
    const group = new Group({
      describeKey: () => described as string,
      observer: { settle: ({ describedKey }) => events.push(describedKey) },
    });
    await group.run('42', () => 'done');
    expect(events).toEqual([printed]);
  });

  it.each(throwing)('an observer that throws %s disturbs no caller', async (_, thrown, printed) => {
    const fail = (): never => {
      throw thrown;
    };
    const group = new Group({
      observer: { start: fail, join: fail, leave: fail, settle: fail, forget: fail, adrift: fail, reject: fail },
    });
    const work = deferred<string>();
    const controller = new AbortController();
    const calls = [
      group.run('42', ({ signal }) => (signal.aborted ? 'aborted' : work.promise), { signal: controller.signal }),
      group.do('42', () => 'not run'),
    ];
    const answers = Promise.allSettled(calls);
    controller.abort('gone');
    group.forget('42');
    const refused = group.run('42', undefined as never).catch((error: unknown) => (error as Error).name);
    work.resolve('done');

    expect(await answers).toEqual([
      { status: 'rejected', reason: 'gone' },
      { status: 'fulfilled', value: { ok: true, value: 'done', shared: true, role: 'follower' } },
    ]);
    await expect(refused).resolves.toBe('InvalidOptionError');
    await turn();
    expect(warnings).toHaveLength(7);
    const expected = thrown instanceof Error ? thrown : `A flight observer threw ${printed}.`;
    expect(new Set(warnings)).toEqual(new Set([expected]));
  });

  it('an observer is called as its own methods are', async () => {
    class Log {
      readonly lines: string[] = [];
      settle({ describedKey }: { describedKey: string }): void {
        this.lines.push(describedKey);
      }
    }
    const log = new Log();
    await new Group({ observer: log }).run('42', () => 'done');
    expect(log.lines).toEqual(['42']);
    expect(warnings).toEqual([]);
  });
});
