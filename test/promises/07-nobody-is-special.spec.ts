import { describe, expect, it } from '@jest/globals';
import { Group } from '../../lib/core/group.js';
import { doChan } from '../../lib/rx/do-chan.js';
import { deferred } from '../support/deferred.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { isPending, turn } from '../support/turns.js';

describe('7. Nobody is special', () => {
  it.each([0, 1, 50, 99])('affects itself only: caller %d of 100 leaves', async (leaver) => {
    const group = new Group();
    const work = deferred<string>();
    const controllers = Array.from({ length: 100 }, () => new AbortController());
    let flightSignal: AbortSignal | undefined;
    const calls = controllers.map(({ signal }) =>
      group.run(
        'key',
        (flight) => {
          flightSignal = flight.signal;
          return work.promise;
        },
        { signal },
      ),
    );
    controllers[leaver]!.abort(`caller ${leaver} left`);
    await expect(calls[leaver]).rejects.toBe(`caller ${leaver} left`);

    expect(flightSignal?.aborted).toBe(false);
    expect(group.inFlight()).toMatchObject([{ callers: 99, adrift: false }]);
    work.resolve('done');
    const others = await Promise.all(calls.filter((_, index) => index !== leaver));
    expect(others.filter((answer) => answer === 'done')).toHaveLength(99);
  });

  it('goes on for the followers when the leader leaves, and can be joined', async () => {
    const group = new Group();
    const work = deferred<string>();
    const controller = new AbortController();
    const fn = ({ signal }: { signal: AbortSignal }): Promise<string> => {
      signal.throwIfAborted();
      return work.promise;
    };
    const leader = group.run('key', fn, { signal: controller.signal });
    const follower = group.do('key', fn);
    controller.abort('gone');
    await expect(leader).rejects.toBe('gone');
    const late = group.do('key', fn);
    work.resolve('done');

    const answer = { ok: true, value: 'done', shared: true, role: 'follower' };
    await expect(Promise.all([follower, late])).resolves.toEqual([answer, answer]);
    expect(group.stats()).toMatchObject({ flights: 1, followers: 2, left: 1 });
  });

  it('rejects each caller with the reason of its own signal', async () => {
    const group = new Group();
    const controllers = [new AbortController(), new AbortController(), new AbortController()];
    const calls = controllers.map(({ signal }) => group.run('key', () => new Promise(() => undefined), { signal }));
    const reasons = [new Error('one'), { two: 2 }, undefined];
    controllers.forEach((controller, index) => {
      controller.abort(reasons[index]);
    });

    await expect(calls[0]).rejects.toBe(reasons[0]);
    await expect(calls[1]).rejects.toBe(reasons[1]);
    await expect(calls[2]).rejects.toBe(controllers[2]!.signal.reason);
  });

  it('lets all the calls of one signal leave, in all their groups and flights, and no other', async () => {
    const [one, two] = [new Group(), new Group()];
    const work = deferred<string>();
    const [mine, other] = [new AbortController(), new AbortController()];
    const fn = (): Promise<string> => work.promise;
    const leaving = [one, two].flatMap((group) =>
      ['a', 'b', 'b'].map((key) => group.run(key, fn, { signal: mine.signal })),
    );
    const staying = [one, two].map((group) => group.run('b', fn, { signal: other.signal }));
    mine.abort('mine');
    for (const call of leaving) await expect(call).rejects.toBe('mine');
    work.resolve('done');

    await expect(Promise.all(staying)).resolves.toEqual(['done', 'done']);
    expect([one.stats().left, two.stats().left]).toEqual([3, 3]);
  });

  it('counts those who left: the flight was shared', async () => {
    const group = new Group();
    const work = deferred<string>();
    const controller = new AbortController();
    const stays = group.do('key', () => work.promise);
    const leaves = group.do('key', () => work.promise, { signal: controller.signal });
    controller.abort('gone');
    await expect(leaves).rejects.toBe('gone');
    work.resolve('done');

    await expect(stays).resolves.toEqual({ ok: true, value: 'done', shared: true, role: 'leader' });
  });

  it('lets a subscriber of `doChan` unsubscribe: the other callers stay', async () => {
    const group = new Group();
    const work = deferred<string>();
    const channel = doChan(group, 'key', () => work.promise);
    const follower = group.run('key', () => work.promise);
    channel.subscribe().unsubscribe();
    expect(group.inFlight()).toMatchObject([{ callers: 1, adrift: false }]);
    work.resolve('done');

    await expect(follower).resolves.toBe('done');
  });

  it('does not let a caller leave a flight that has settled', async () => {
    const group = new Group();
    const controller = new AbortController();
    await expect(group.run('key', async () => 'done', { signal: controller.signal })).resolves.toBe('done');
    controller.abort('too late');
    doChan(group, 'key', async () => 'done').subscribe();
    await turn();

    expect(group.stats()).toMatchObject({ flights: 2, left: 0 });
  });

  describe('with wait timeouts', () => {
    fakeTime();

    it.each([
      ['leader', 0],
      ['follower', 1],
    ])('times out the %s alone', async (_, impatient) => {
      const group = new Group();
      const work = deferred<string>();
      const calls = [0, 1, 2].map((index) =>
        group.run('key', () => work.promise, { waitTimeoutMs: index === impatient ? 100 : 10_000 }),
      );
      const refused = expect(calls[impatient]).rejects.toMatchObject({ name: 'WaitTimeoutError', waitTimeoutMs: 100 });
      await pass(100);
      await refused;
      expect(await isPending(calls[2]!)).toBe(true);
      work.resolve('done');

      await expect(Promise.all(calls.filter((__, index) => index !== impatient))).resolves.toEqual(['done', 'done']);
    });

    it('counts the time of each from its own call', async () => {
      const group = new Group();
      const left: number[] = [];
      for (let caller = 0; caller < 5; caller++) {
        group
          .run('key', () => new Promise(() => undefined), { waitTimeoutMs: 100 })
          .catch(() => {
            left.push(caller);
          });
        await pass(20);
      }
      expect(left).toEqual([0]);
      await pass(40);
      expect(left).toEqual([0, 1, 2]);
      await pass(1_000);
      expect(left).toEqual([0, 1, 2, 3, 4]);
    });

    it("gives followers the flight as its leader's options made it", async () => {
      const group = new Group();
      const options = { flightTimeoutMs: 1, joinWindowMs: 1, lingerMs: 1_000 };
      const leader = group.run('key', () => new Promise(() => undefined), { flightTimeoutMs: 1_000 });
      const follower = group.run('key', () => 'not run', options);
      await pass(10);
      const late = group.run('key', () => 'not run', options);
      const refused = [leader, follower, late].map((call) =>
        expect(call).rejects.toMatchObject({ flightTimeoutMs: 1_000 }),
      );
      await pass(990);

      await Promise.all(refused);
      expect(group.stats()).toMatchObject({ flights: 1, followers: 2 });
    });
  });
});
