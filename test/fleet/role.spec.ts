import { describe, expect, it } from '@jest/globals';
import { held } from '../../lib/testing/held.js';
import { fakeTime, pass } from '../support/fake-time.js';
import { fleets, settleDown } from './support/fleet-of.js';

class Money {
  readonly amount = 1;
}

describe('What `do` says of a call', () => {
  const fleet = fleets();
  fakeTime();

  const parts = (answers: readonly { role: string; shared: boolean }[]): unknown[] =>
    answers.map(({ role, shared }) => [role, shared]);

  it('who was answered by another process is a follower, and shares; who ran the function knows its own process', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    const load = held<string>();
    const leading = here.do('42', load);
    await settleDown();
    const following = [there.do('42', load), there.do('42', load, { waitTimeoutMs: 60_000 })];
    await settleDown();
    load.release('a lamp');
    expect(parts(await Promise.all([leading, ...following]))).toEqual([
      ['leader', false],
      ['follower', true],
      ['follower', true],
    ]);
  });

  it('who gets a result that lingers is a follower, also of its own process', async () => {
    const ship = fleet()({ lingerMs: 60_000 });
    const answers = [await ship.do('42', () => 'a lamp')];
    await settleDown();
    answers.push(await ship.do('42', () => 'a chair'));
    expect(answers.map(({ value }) => value)).toEqual(['a lamp', 'a lamp']);
    expect(parts(answers)).toEqual([
      ['leader', false],
      ['follower', true],
    ]);
  });

  it('who had to run the function after all leads: the result could not be carried, or its leader is gone', async () => {
    const launch = fleet();
    const [here, there] = [launch(), launch()];
    const load = held<unknown>();
    void here.do('42', load);
    await settleDown();
    const own = there.do('42', load);
    await settleDown();
    load.release(new Money());
    await settleDown();
    load.release('own');
    void here.do('42', load, { fleet: 'other' });
    await settleDown();
    const takenOver = there.do('42', load, { fleet: 'other' });
    await settleDown();
    here.faults.hang();
    await pass(10_000);
    load.release('gone');
    load.release('taken over');
    expect(parts(await Promise.all([own, takenOver]))).toEqual([
      ['leader', false],
      ['leader', false],
    ]);
  });
});
