import { describe, expect, it } from '@jest/globals';
import { Group } from '../../lib/core/group.js';
import { encodeKey } from '../../lib/core/key.js';

interface User {
  readonly tenant: string;
  readonly id?: string;
}

describe('13. Fails closed', () => {
  it('refuses a key with an undefined part: a user without an id shares with nobody', () => {
    const keyOf = ({ tenant, id }: User): string => encodeKey([tenant, id!]);

    expect(keyOf({ tenant: 'acme', id: '1' })).toBe('["acme","1"]');
    expect(() => keyOf({ tenant: 'acme' })).toThrow('undefined at [1]');
  });

  it.each([[undefined], [null], [NaN], [{}], [Promise.resolve('key')], [() => 'key'], [Symbol('key')]])(
    'refuses a key that tells nobody apart: %p',
    (key) => {
      expect(() => encodeKey(key as never)).toThrow(expect.objectContaining({ code: 'ERR_SINGLEFLIGHT_INVALID_KEY' }));
    },
  );

  it('starts nothing for a call that it refuses', async () => {
    const group = new Group<unknown>();
    let runs = 0;
    const fn = (): number => ++runs;
    const signal = AbortSignal.abort('gone');
    const refused = [
      group.run(['tenant', 'id'], fn),
      group.run('key', fn, { signal }),
      group.run('key', fn, { waitTimeoutMs: NaN }),
      group.run('key', fn, { timeout: 100 } as never),
    ];
    await Promise.allSettled(refused);

    expect(runs).toBe(0);
    expect(group.stats()).toMatchObject({ flights: 0, callers: 0 });
  });
});
