import assert from 'node:assert/strict';
import type { Fence } from '../../fleet/engine.js';
import { bytes, type Process, type Scene } from './contract-world.js';

const [result, newer] = [bytes('a lamp'), bytes('a newer lamp')];

/**
 * What the contract says of two tokens of one process with a part in the same id: a local flight was forgotten, say, and
 * the next one has joined beside it. An engine may know processes only by where it pushes to; each token counts all the
 * same.
 */
export const TWO_IN_ONE_CASES: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  'two in one process: one who waits leaves, and the other waits on': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    for (const token of ['one', 'other']) await second.follow(fence, { token });
    assert.equal(await second.abandon({ token: 'one', fence }), 'abandoned');
    assert.equal(await first.abandon({ fence, unlessWaiting: true }), 'waiting');
    assert.equal(await first.renew(fence), 'held');
    await first.complete(fence, result);
    await second.toldResult(fence, result);
  },
  'two in one process: both who wait leave, at once, and nobody waits': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    const tokens = ['one', 'other'];
    for (const token of tokens) await second.follow(fence, { token });
    await Promise.all(tokens.map((token) => second.abandon({ token, fence })));
    assert.equal(await first.abandon({ fence, unlessWaiting: true }), 'abandoned');
  },
  'two in one process: one leads, and the other waits until he leaves': async (scene) => {
    const process = await scene.process();
    const fence = await process.lead();
    await process.follow(fence, { token: 'other' });
    assert.equal(await process.abandon({ fence, unlessWaiting: true }), 'waiting');
    assert.equal(await process.abandon({ token: 'other', fence }), 'abandoned');
    assert.equal(await process.abandon({ fence, unlessWaiting: true }), 'abandoned');
  },
  'two in one process: of a forgotten flight and the next, who waits for the next leaves': async (scene) => {
    const { first, second, old, next } = await forgottenAndNext(scene);
    assert.equal(await second.abandon({ token: 'other', fence: next }), 'abandoned');
    assert.equal(await first.abandon({ token: 'old', fence: old, unlessWaiting: true }), 'waiting');
    await first.complete(old, result, { token: 'old' });
    await second.toldResult(old, result);
    assert.equal(await first.abandon({ token: 'next', fence: next, unlessWaiting: true }), 'abandoned');
  },
  'two in one process: of a forgotten flight and the next, who waits for the forgotten one leaves': async (scene) => {
    const { first, second, old, next } = await forgottenAndNext(scene);
    assert.equal(await second.abandon({ token: 'one', fence: old }), 'abandoned');
    assert.equal(await first.abandon({ token: 'next', fence: next, unlessWaiting: true }), 'waiting');
    assert.equal(await first.abandon({ token: 'old', fence: old, unlessWaiting: true }), 'abandoned');
    await first.complete(next, newer, { token: 'next' });
    await second.toldResult(next, newer);
  },
  'two in one process: of a forgotten flight and the next, both are told their result': async (scene) => {
    const { first, second, old, next } = await forgottenAndNext(scene);
    await first.complete(old, result, { token: 'old' });
    await second.toldResult(old, result);
    await first.complete(next, newer, { token: 'next' });
    await second.toldResult(next, newer);
  },
};

/** A flight that was forgotten and the next one, both led by `first` and waited for by `second`. */
async function forgottenAndNext(scene: Scene): Promise<{ first: Process; second: Process; old: Fence; next: Fence }> {
  const [first, second] = await scene.two();
  const old = await first.lead({ token: 'old' });
  await second.follow(old, { token: 'one' });
  await second.forget();
  const next = await first.lead({ token: 'next' });
  await second.follow(next, { token: 'other' });
  return { first, second, old, next };
}
