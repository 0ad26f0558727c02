import { describe, expect, it } from '@jest/globals';
import { AbandonedError, InvalidKeyError, InvalidOptionError, NoResultError } from '../../lib/core/errors.js';
import type { Flight } from '../../lib/core/flight.js';
import { Group } from '../../lib/core/group.js';
import type { FlightObserver } from '../../lib/core/observer.js';
import { deferred, type Deferred } from '../support/deferred.js';
import { errorOf, expectRefusal } from '../support/refusals.js';
import { isPending } from '../support/turns.js';

/** A loader of many keys that the test ends by hand: the keys and the flight of each call. */
class Loader {
  readonly calls: {
    readonly keys: readonly string[];
    readonly flight: Flight<readonly string[]>;
    readonly work: Deferred<ReadonlyMap<string, string>>;
  }[] = [];

  readonly load = (
    keys: readonly string[],
    flight: Flight<readonly string[]>,
  ): Promise<ReadonlyMap<string, string>> => {
    const work = deferred<ReadonlyMap<string, string>>();
    this.calls.push({ keys, flight, work });
    return work.promise;
  };

  /** The keys of each call. */
  get keys(): (readonly string[])[] {
    return this.calls.map(({ keys }) => keys);
  }

  /** Ends a call with a value for each of its keys, but for those that are left out. */
  end(call = 0, leftOut: readonly string[] = []): void {
    const { keys, work } = this.calls[call]!;
    work.resolve(valuesOf(keys.filter((key) => !leftOut.includes(key))));
  }
}

const valuesOf = (keys: readonly string[]): Map<string, string> => new Map(keys.map((key) => [key, `value ${key}`]));

describe('Group.doMany', () => {
  it('loads every key of overlapping batches once, in the order asked for', async () => {
    const [group, loader] = [new Group(), new Loader()];
    const one = group.doMany(['c', 'a', 'b'], loader.load);
    const two = group.doMany(['b', 'd', 'c', 'e'], loader.load);
    const three = group.doMany(['a', 'e'], loader.load);
    expect(loader.keys).toEqual([
      ['c', 'a', 'b'],
      ['d', 'e'],
    ]);
    expect(loader.calls.map(({ flight }) => flight.key)).toEqual(loader.keys);
    expect(group.size).toBe(5);
    expect(group.stats()).toMatchObject({ flights: 2, active: 2, adrift: 0 });

    loader.end(0);
    expect([...(await one)]).toEqual([
      ['c', 'value c'],
      ['a', 'value a'],
      ['b', 'value b'],
    ]);
    expect(await isPending(two)).toBe(true);
    loader.end(1);
    expect([...(await two).keys()]).toEqual(['b', 'd', 'c', 'e']);
    await expect(three).resolves.toEqual(valuesOf(['a', 'e']));
    expect(group.size).toBe(0);
    expect(group.stats()).toMatchObject({ active: 0, failures: 0 });
  });

  it('loads a hundred keys for a hundred callers in one call', async () => {
    const [group, loader] = [new Group(), new Loader()];
    const keys = Array.from({ length: 100 }, (_, index) => `${index}`);
    const calls = keys.map(() => group.doMany(keys, loader.load));
    expect(loader.keys).toEqual([keys]);
    loader.end();
    for (const values of await Promise.all(calls)) expect(values).toEqual(valuesOf(keys));
    expect(new Set(await Promise.all(calls)).size).toBe(100);
  });

  it('is joined by a run for one of its keys', async () => {
    const [group, loader] = [new Group(), new Loader()];
    const many = group.doMany(['a', 'b'], loader.load);
    const one = group.run('b', () => 'not run');
    const same = group.do('b', () => 'not run', { waitTimeoutMs: 1_000 });
    expect(group.inFlight()).toMatchObject([
      { key: 'a', callers: 1 },
      { key: 'b', callers: 3 },
    ]);
    loader.end();
    await expect(one).resolves.toBe('value b');
    await expect(same).resolves.toEqual({ ok: true, value: 'value b', shared: true, role: 'follower' });
    await expect(many).resolves.toEqual(valuesOf(['a', 'b']));
  });

  it('joins a run for one of its keys', async () => {
    const [group, loader] = [new Group(), new Loader()];
    const work = deferred<string>();
    const one = group.do('b', () => work.promise);
    const many = group.doMany(['a', 'b'], loader.load);
    expect(loader.keys).toEqual([['a']]);
    loader.end();
    expect(await isPending(many)).toBe(true);
    work.resolve('run');
    await expect(one).resolves.toMatchObject({ value: 'run', shared: true, role: 'leader' });
    expect([...(await many)]).toEqual([
      ['a', 'value a'],
      ['b', 'run'],
    ]);
  });

  it('loads nothing when others load all of its keys', async () => {
    const [group, loader] = [new Group(), new Loader()];
    const work = deferred<string>();
    const runs = ['a', 'b'].map((key) => group.run(key, () => work.promise));
    const many = group.doMany(['b', 'a'], loader.load);
    work.resolve('run');
    expect([...(await many)]).toEqual([
      ['b', 'run'],
      ['a', 'run'],
    ]);
    expect(loader.calls).toHaveLength(0);
    await Promise.all(runs);
  });

  it('asks for a key once that it is given twice', async () => {
    const [group, loader] = [new Group(), new Loader()];
    const many = group.doMany(['a', 'b', 'a', 'a'], loader.load);
    expect(loader.keys).toEqual([['a', 'b']]);
    expect(group.inFlight()).toMatchObject([{ callers: 1 }, { callers: 1 }]);
    loader.end();
    await expect(many).resolves.toEqual(valuesOf(['a', 'b']));
  });

  it('takes any iterable, once', async () => {
    const [group, loader] = [new Group(), new Loader()];
    const many = group.doMany(new Set(['a', 'b']).values(), loader.load);
    loader.end();
    await expect(many).resolves.toEqual(valuesOf(['a', 'b']));
  });

  it('calls nobody for no keys', async () => {
    const [group, loader] = [new Group(), new Loader()];
    await expect(group.doMany([], loader.load)).resolves.toEqual(new Map());
    expect(loader.calls).toHaveLength(0);
    expect(group.stats()).toMatchObject({ flights: 0, callers: 0 });
  });

  it('leaves out what was not found, which is a NoResultError to a run', async () => {
    const [group, loader] = [new Group({ name: 'users' }), new Loader()];
    const many = group.doMany(['a', 'b', 'c'], loader.load);
    const joined = group.doMany(['b', 'd'], loader.load);
    const run = errorOf(() => group.run('b', () => 'not run'));
    loader.end(0, ['b']);
    loader.end(1);
    await expect(many).resolves.toEqual(valuesOf(['a', 'c']));
    await expect(joined).resolves.toEqual(valuesOf(['d']));
    expectRefusal(await run, {
      type: NoResultError,
      code: 'ERR_SINGLEFLIGHT_NO_RESULT',
      message:
        "The flight ended without a result for key 'b' in group 'users': its source completed empty, or the loader of " +
        'doMany left the key out. Emit one value before completing, or put the key into the Map.',
      group: 'users',
      describedKey: 'b',
    });
    expect(group.size).toBe(0);
  });

  it('tells a value that is undefined from none, and a run that fails for want of a result from an absent key', async () => {
    const group = new Group();
    const values = await group.doMany(['a', 'b'], () => new Map([['a', undefined]]));
    expect([...values]).toEqual([['a', undefined]]);

    const failed = deferred<string>();
    const run = errorOf(() => group.run('c', () => failed.promise));
    const many = errorOf(() => group.doMany(['c'], () => new Map()));
    const error = new NoResultError({});
    failed.reject(error);
    expect(await run).toBe(error);
    expect(await many).toBe(error);
  });

  it('ignores what nobody asked for', async () => {
    const [group, loader] = [new Group(), new Loader()];
    const many = group.doMany(['a'], loader.load);
    loader.calls[0]!.work.resolve(valuesOf(['a', 'z']));
    await expect(many).resolves.toEqual(valuesOf(['a']));
  });

  it('rejects with what the loader rejected with, as do those who joined; the keys are free before', async () => {
    const [group, loader] = [new Group(), new Loader()];
    const error = new Error('failed');
    const retried: number[] = [];
    const retry = (failure: unknown): Promise<string> => {
      expect(failure).toBe(error);
      retried.push(group.size);
      return group.run('a', () => 'new');
    };
    const calls = [
      group.doMany(['a', 'b'], loader.load).catch(retry),
      group.doMany(['b', 'a'], loader.load).catch(retry),
      group.run('a', () => 'not run').catch(retry),
      group.run('b', () => 'not run', { waitTimeoutMs: 1_000 }).catch(retry),
    ];
    loader.calls[0]!.work.reject(error);
    await expect(Promise.all(calls)).resolves.toEqual(['new', 'new', 'new', 'new']);
    expect(retried).toEqual([0, 0, 0, 0]);
    expect(loader.calls).toHaveLength(1);
  });

  it('counts a load that fails as one failure', async () => {
    const counted = new Group();
    await expect(counted.doMany(['a', 'b'], () => Promise.reject(new Error('down')))).rejects.toThrow('down');
    expect(counted.stats()).toMatchObject({ flights: 1, failures: 1, active: 0 });
  });

  it('rejects with the error of the first key that failed, in the order of the keys, once all have settled', async () => {
    const [group, loader] = [new Group(), new Loader()];
    const [first, second] = [deferred<string>(), deferred<string>()];
    const runs = [
      errorOf(() => group.run('a', () => first.promise)),
      errorOf(() => group.run('b', () => second.promise)),
    ];
    const many = errorOf(() => group.doMany(['x', 'b', 'a'], loader.load));
    first.reject('error of a');
    loader.end(0, ['x']);
    expect(await isPending(many)).toBe(true);
    second.reject('error of b');
    expect(await many).toBe('error of b');
    expect(await Promise.all(runs)).toEqual(['error of a', 'error of b']);
  });

  it.each([
    ['a Map at once', () => valuesOf(['a'])],
    ['a thenable', () => ({ then: (resolve: (values: unknown) => void) => resolve(valuesOf(['a'])) })],
  ])('takes a loader that returns %s', async (_, load) => {
    const group = new Group();
    await expect(group.doMany(['a', 'b'], load as never)).resolves.toEqual(valuesOf(['a']));
    expect(group.size).toBe(0);
    expect(group.stats()).toMatchObject({ flights: 1, active: 0 });
  });

  it('rejects with what a loader throws at once; the keys are free', async () => {
    const group = new Group();
    const error = new Error('at once');
    const thrown = group.doMany(['a', 'b'], () => {
      throw error;
    });
    expect(group.size).toBe(0);
    await expect(thrown).rejects.toBe(error);
    expect(group.stats()).toMatchObject({ flights: 1, active: 0, adrift: 0 });
  });

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['the number 1', 1],
    ['an object', { a: 1 }],
    ['an array', ['a']],
  ])('rejects with InvalidOptionError when the loader returns %s', async (printed, loaded) => {
    const group = new Group({ name: 'users' });
    for (const load of [() => loaded, async () => loaded]) {
      const run = deferred<unknown>();
      const error = await errorOf(() =>
        group.doMany(['a', 'b'], () => {
          run.resolve(outsideError(group));
          return load() as never;
        }),
      );
      expect(error).toBeInstanceOf(InvalidOptionError);
      expect((error as Error).message).toContain(
        `Group 'users': \`load()\` is ${printed}. It must be a Map from key to value.`,
      );
      expect(await run.promise).toBe(error);
      expect(group.size).toBe(0);
    }
  });

  it('is adrift when all its keys are forgotten, as one function', async () => {
    const [group, loader] = [new Group(), new Loader()];
    const many = group.doMany(['a', 'b', 'c'], loader.load);
    group.forget('a');
    expect(group.stats()).toMatchObject({ active: 1, adrift: 0 });
    expect(group.inFlight().map(({ key, adrift }) => [key, adrift])).toEqual([
      ['a', true],
      ['b', false],
      ['c', false],
    ]);
    expect(group.forgetAll()).toBe(2);
    expect(group.stats()).toMatchObject({ forgotten: 3, active: 1, adrift: 1 });
    loader.end();
    await expect(many).resolves.toEqual(valuesOf(['a', 'b', 'c']));
    expect(group.stats()).toMatchObject({ active: 0, adrift: 0 });
  });

  it('rejects with the NoResultError of another batch that its own loader failed with', async () => {
    const group = new Group({ detectDeadlocks: false });
    const others = deferred<Map<string, string>>();
    void group.doMany(['other'], () => others.promise);
    const many = group.doMany(['key'], async () => new Map([['key', await group.run('other', () => 'not run')]]));
    others.resolve(new Map());
    await expect(many).rejects.toBeInstanceOf(NoResultError);
  });

  it('rejects with what a Map of its own kind throws when it is read', async () => {
    const group = new Group();
    const broken = Object.assign(new Map<string, string>([['key', 'value']]), {
      get: () => {
        throw new Error('cannot be read');
      },
    });
    await expect(group.doMany(['key'], () => broken)).rejects.toThrow('cannot be read');
    expect(group.stats()).toMatchObject({ failures: 1, active: 0 });
  });

  it('lets go of one key that is forgotten; the others stay', async () => {
    const [group, loader] = [new Group(), new Loader()];
    const many = group.doMany(['a', 'b'], loader.load);
    expect(group.forget('a')).toBe(true);
    const again = group.doMany(['a', 'b'], loader.load);
    expect(loader.keys).toEqual([['a', 'b'], ['a']]);
    loader.calls[1]!.work.resolve(new Map([['a', 'new']]));
    loader.end(0);
    await expect(many).resolves.toEqual(valuesOf(['a', 'b']));
    expect([...(await again)]).toEqual([
      ['a', 'new'],
      ['b', 'value b'],
    ]);
    expect(group.size).toBe(0);
    expect(group.stats()).toMatchObject({ active: 0, adrift: 0, forgotten: 1 });
  });
});

/** What a run for a key that is being loaded is rejected with; it can leave, so it is no circle. */
function outsideError(group: Group): Promise<unknown> {
  return errorOf(() => group.run('b', () => 'not run', { signal: new AbortController().signal }));
}

describe('A caller of doMany that can leave', () => {
  it('leaves all its flights at once, with its own reason', async () => {
    const [group, loader] = [new Group(), new Loader()];
    const controller = new AbortController();
    const left: string[] = [];
    const observer: FlightObserver = { leave: ({ describedKey, role }) => left.push(`${role} of ${describedKey}`) };
    const watched = new Group({ observer });
    const run = watched.run('b', () => new Promise(() => undefined));
    const many = errorOf(() => watched.doMany(['a', 'b'], loader.load, { signal: controller.signal }));
    expect(watched.inFlight()).toMatchObject([{ callers: 2 }, { callers: 1 }]);
    controller.abort('gone');
    expect(await many).toBe('gone');
    expect(left.sort()).toEqual(['follower of b', 'leader of a']);
    expect(watched.inFlight()).toMatchObject([{ callers: 1 }, { callers: 0 }]);
    expect(watched.stats()).toMatchObject({ left: 1 });
    expect(await isPending(run)).toBe(true);
    expect(await errorOf(() => group.doMany(['a'], loader.load, { signal: controller.signal }))).toBe('gone');
    expect(loader.calls).toHaveLength(1);
  });

  it('dooms a batch only when nobody is aboard any of its keys; they are free in the same tick', async () => {
    const [group, loader] = [new Group(), new Loader()];
    const [leader, follower] = [new AbortController(), new AbortController()];
    const calls = [
      errorOf(() => group.doMany(['a', 'b', 'c'], loader.load, { signal: leader.signal })),
      errorOf(() => group.run('b', () => 'not run', { signal: follower.signal })),
    ];
    const { signal } = loader.calls[0]!.flight;
    leader.abort('leader');
    expect([signal.aborted, group.size]).toEqual([false, 3]);
    let sizeAtAbort: number | undefined;
    signal.addEventListener('abort', () => (sizeAtAbort = group.size));
    follower.abort('follower');
    expect([signal.aborted, group.size, sizeAtAbort]).toEqual([true, 0, 0]);
    expect(signal.reason).toBeInstanceOf(AbandonedError);
    expect(await Promise.all(calls)).toEqual(['leader', 'follower']);

    const next = group.doMany(['a'], loader.load);
    loader.end(0);
    loader.end(1);
    await expect(next).resolves.toEqual(valuesOf(['a']));
    expect(group.stats()).toMatchObject({ flights: 2, active: 0, adrift: 0, left: 2 });
  });

  it('dooms nothing while the signal has not been read, and at once when it is', async () => {
    const [group, loader] = [new Group(), new Loader()];
    const controller = new AbortController();
    const many = errorOf(() => group.doMany(['a', 'b'], loader.load, { signal: controller.signal }));
    controller.abort('gone');
    expect(await many).toBe('gone');
    expect(group.size).toBe(2);
    expect(loader.calls[0]!.flight.signal.aborted).toBe(true);
    expect(group.size).toBe(0);
    loader.calls[0]!.work.reject('stopped');
  });

  it('is refused without a trace: bad options, keys, loaders, a signal that has aborted', async () => {
    const refused: string[] = [];
    const group = new Group({ observer: { reject: ({ describedKey }) => refused.push(describedKey) } });
    const loader = new Loader();
    const keyed = group as unknown as Group<unknown>;
    expect(await errorOf(() => group.doMany(['a', 'b'], 1 as never))).toBeInstanceOf(InvalidOptionError);
    expect(await errorOf(() => group.doMany(['c'], loader.load, { ttl: 1 } as never))).toBeInstanceOf(
      InvalidOptionError,
    );
    expect(await errorOf(() => keyed.doMany(['d', ['e']], loader.load as never))).toBeInstanceOf(InvalidKeyError);
    expect(await errorOf(() => group.doMany(['f'], loader.load, { signal: AbortSignal.abort('gone') }))).toBe('gone');
    expect(refused).toEqual(['a', 'b', 'c', 'd', 'an array', 'f']);
    expect(loader.calls).toHaveLength(0);
    expect(group.size).toBe(0);
    expect(group.stats()).toMatchObject({ flights: 0, callers: 0 });
  });
});
