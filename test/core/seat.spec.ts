import { describe, expect, it } from '@jest/globals';
import type { Seat } from '../../lib/core/callers.js';
import { AbandonedError } from '../../lib/core/errors.js';
import type { Flight, FlightFunction } from '../../lib/core/flight.js';
import { Group } from '../../lib/core/group.js';
import { deferred } from '../support/deferred.js';

/** Somebody who knows by itself that it has left. */
function boardSilently(group: Group, fn: FlightFunction<string>, options = {}): Seat<string> {
  return group.board('key', fn, options, { leavable: 'silent' });
}

describe('A seat that is left silently', () => {
  it('is that of all: one promise, until a caller wants one of its own', async () => {
    const group = new Group();
    const loading = deferred<string>();
    const [leader, follower] = [0, 1].map(() => boardSilently(group, () => loading.promise)) as [
      Seat<string>,
      Seat<string>,
    ];
    const own = boardSilently(group, () => loading.promise, { waitTimeoutMs: 1_000 });
    expect(follower.promise).toBe(leader.promise);
    expect(own.promise).not.toBe(leader.promise);
    loading.resolve('landed');
    expect(await Promise.all([leader.promise, follower.promise, own.promise])).toEqual(['landed', 'landed', 'landed']);
  });

  it('counts once, and says nothing', async () => {
    const group = new Group();
    const loading = deferred<string>();
    const seats = [0, 1, 2].map(() => boardSilently(group, () => loading.promise));
    expect([seats[1]?.abandon(), seats[1]?.abandon()]).toEqual([true, false]);
    expect(group.inFlight()).toMatchObject([{ callers: 2 }]);
    expect(group.stats()).toMatchObject({ left: 1, followers: 2 });
    loading.resolve('landed');
    await expect(seats[1]?.promise).resolves.toBe('landed');
  });

  it('leaves nothing once the flight has settled', async () => {
    const group = new Group();
    const seat = boardSilently(group, () => 'landed');
    expect(seat.abandon()).toBe(false);
    expect(await seat.promise).toBe('landed');
    expect(group.stats().left).toBe(0);
  });

  it('dooms the flight as the last one out, which frees the key and makes room for more', () => {
    const group = new Group({ maxFollowers: 1 });
    let signal: AbortSignal | undefined;
    const read = (flight: Flight): Promise<string> => {
      signal = flight.signal;
      return deferred<string>().promise;
    };
    const [leader, follower] = [boardSilently(group, read), boardSilently(group, read)];
    expect(() => boardSilently(group, read)).toThrow('maxFollowers');
    follower.abandon();
    const another = boardSilently(group, read);
    leader.abandon();
    expect([signal?.aborted, group.size]).toEqual([false, 1]);
    another.abandon();
    expect([signal?.aborted, group.size]).toEqual([true, 0]);
    expect(signal?.reason).toBeInstanceOf(AbandonedError);
  });

  it('has a share of its own where results are isolated, and leaves that rejecting', async () => {
    const group = new Group({ isolate: 'clone' });
    const seats = [0, 1].map(() => boardSilently(group, () => deferred<string>().promise));
    expect(seats[0]?.promise).not.toBe(seats[1]?.promise);
    expect(seats[1]?.abandon()).toBe(true);
    await expect(seats[1]?.promise).rejects.toBeInstanceOf(AbandonedError);
  });
});
