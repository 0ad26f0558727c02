import assert from 'node:assert/strict';
import { PayloadTooLargeError } from '../../fleet/errors.js';
import { bytes, type Scene } from './contract-world.js';

const [result, newer] = [bytes('a lamp'), bytes('a newer lamp')];

/** What the contract says of `renew`. */
export const RENEW_CASES: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  'renew: holds the lease, from now on': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead({ leaseMs: scene.shortMs });
    assert.equal(await first.renew(fence), 'held');
    await scene.pass(scene.shortMs + 1);
    const rest = await second.follow(fence);
    assert.ok(rest > scene.shortMs, `The rest of the lease is ${rest} ms.`);
  },
  'renew: can make it shorter': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    assert.equal(await first.renew(fence, { leaseMs: scene.shortMs }), 'held');
    assert.ok((await scene.leadIn(second)) > fence);
  },
  'renew: twice is once': async (scene) => {
    const process = await scene.process();
    const fence = await process.lead();
    assert.deepEqual([await process.renew(fence), await process.renew(fence)], ['held', 'held']);
  },
  'renew: somebody who does not lead has lost, and changes nothing': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await second.follow(fence);
    assert.equal(await second.renew(fence), 'lost');
    assert.equal(await first.renew(fence), 'held');
  },
  'renew: lost once another leads, also to who believes to be inside the lease': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead({ leaseMs: scene.shortMs });
    const next = await scene.leadIn(second);
    assert.equal(await first.renew(fence, { insideLease: false }), 'lost');
    assert.equal(await first.renew(fence), 'lost');
    assert.equal(await second.renew(next), 'held');
  },
  'renew: lost when the lease is over, though nobody came': async (scene) => {
    const process = await scene.process();
    const fence = await process.lead({ leaseMs: scene.shortMs });
    await scene.pass(scene.shortMs + 1);
    const renewed = await scene.until('the end of the lease', async () => {
      const answer = await process.renew(fence, { leaseMs: scene.shortMs, insideLease: false });
      if (answer === 'held') await scene.pass(scene.shortMs + 1);
      return answer === 'held' ? undefined : answer;
    });
    assert.equal(renewed, 'lost');
  },
  'renew: the lease is over, nobody has come, and its leader is inside of it: had back with the same fence': async (
    scene,
  ) => {
    const [first, second] = await scene.two();
    const fence = await first.lead({ leaseMs: scene.shortMs });
    await scene.pass(scene.shortMs + 1);
    // Sent twice by a client, or not quite over yet: `held`.
    assert.notEqual(await first.renew(fence), 'lost');
    assert.equal(await first.renew(fence), 'held');
    await second.follow(fence);
  },
  'renew: not reclaimed where a newer flight has ended': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead({ leaseMs: scene.shortMs });
    const next = await scene.leadIn(second);
    await second.complete(next, newer);
    assert.equal(await first.renew(fence), 'lost');
    assert.ok((await second.lead({ token: 'next' })) > next);
  },
  'renew: lost after the flight has ended': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await first.complete(fence, result);
    assert.equal(await first.renew(fence), 'lost');
    assert.ok((await second.lead()) > fence);
  },
  'renew: of what never was, and with insideLease false, writes nothing': async (scene) => {
    const [first, second] = await scene.two();
    assert.equal(await first.renew(1n, { insideLease: false }), 'lost');
    await second.lead();
  },
};

/** What the contract says of `complete`. */
export const COMPLETE_CASES: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  'complete: everybody who waits is told the result': async (scene) => {
    const leader = await scene.process();
    const fence = await leader.lead();
    const followers = await Promise.all(Array.from({ length: 6 }, () => scene.process()));
    await Promise.all(followers.map((follower) => follower.follow(fence)));
    assert.equal(await leader.complete(fence, result), 'published');
    await Promise.all(followers.map((follower) => follower.toldResult(fence, result)));
  },
  'complete: who waits for another flight is not told': async (scene) => {
    const [first, second] = await scene.two();
    const other = `${scene.flight.slice(1)}_`;
    await second.follow(await first.lead({ flight: other }), { flight: other });
    const fence = await first.lead();
    await first.complete(fence, result);
    await second.notTold('settled', fence);
  },
  'complete: who does not wait any more is not told': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await second.follow(fence);
    await second.abandon({ fence });
    await first.complete(fence, result);
    await second.notTold('settled', fence);
  },
  'complete: who has asked since, without taking the lead, is told': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await second.follow(fence, { since: fence, take: false });
    await first.complete(fence, result);
    await second.toldResult(fence, result);
  },
  'complete: twice is once': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    assert.equal(await first.complete(fence, result), 'published');
    assert.equal(await first.complete(fence, result), 'published');
    await second.missed(fence, { fence, payload: result });
    assert.ok((await second.lead()) > fence);
  },
  'complete: twice is once, also with the next flight under way': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await first.complete(fence, result);
    const next = await second.lead();
    assert.equal(await first.complete(fence, result), 'published');
    assert.equal(await second.renew(next), 'held');
  },
  'complete: somebody who does not lead has lost, and nothing is written': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await second.follow(fence);
    assert.equal(await second.complete(fence, newer), 'lost');
    assert.equal(await first.renew(fence), 'held');
    await second.notTold('settled', fence);
    await second.follow(fence, { since: fence });
  },
  'complete: a stale leader has lost, and the next one is undisturbed': async (scene) => {
    const [first, second] = await scene.two();
    const third = await scene.process();
    const fence = await first.lead({ leaseMs: scene.shortMs });
    const next = await scene.leadIn(second);
    await third.follow(next);
    assert.equal(await first.complete(fence, result), 'lost');
    assert.equal(await second.renew(next), 'held');
    await third.notTold('settled', fence);
    assert.equal(await second.complete(next, newer), 'published');
    await third.toldResult(next, newer);
  },
  'complete: a stale leader overwrites no newer result': async (scene) => {
    const [first, second] = await scene.two();
    const third = await scene.process();
    const fence = await first.lead({ leaseMs: scene.shortMs });
    const next = await scene.leadIn(second);
    await second.complete(next, newer, { lingerMs: scene.longMs });
    assert.equal(await first.complete(fence, result, { lingerMs: scene.longMs }), 'lost');
    await third.missed(fence, { fence: next, payload: newer });
    assert.equal((await third.join()).role, 'settled');
  },
  'complete: with the lease over and nobody come, published to who believes to be inside of it': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead({ leaseMs: scene.shortMs });
    await second.follow(fence);
    await scene.pass(scene.shortMs + 1);
    assert.equal(await first.complete(fence, result), 'published');
    await second.toldResult(fence, result);
    await second.missed(fence, { fence, payload: result });
  },
  'complete: with the lease over, lost to who knows it': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead({ leaseMs: scene.shortMs });
    await scene.leadIn(second);
    assert.equal(await first.complete(fence, result, { insideLease: false }), 'lost');
  },
  'complete: any bytes, none too': async (scene) => {
    const [first, second] = await scene.two();
    const all = Uint8Array.from({ length: 1024 }, (_, index) => index % 256);
    for (const [token, payload] of Object.entries({ all, none: new Uint8Array(0) })) {
      const fence = await first.lead({ token });
      await second.follow(fence);
      await first.complete(fence, payload, { token });
      await second.toldResult(fence, payload);
      await second.missed(fence, { fence, payload });
    }
  },
  'complete: the bytes that it was given, whatever becomes of them': async (scene) => {
    const [first, second] = await scene.two();
    const [fence, payload] = [await first.lead(), Uint8Array.from(result)];
    await first.complete(fence, payload);
    payload.fill(0);
    await second.missed(fence, { fence, payload: result });
  },
  'complete: as much as the limit, and not a byte more': async (scene) => {
    const [first, second] = await scene.two();
    const { maxPayloadBytes } = first.engine.limits;
    const fence = await first.lead();
    await second.follow(fence);
    await assert.rejects(first.complete(fence, new Uint8Array(maxPayloadBytes + 1)), PayloadTooLargeError);
    assert.equal(await first.renew(fence), 'held');
    const most = new Uint8Array(maxPayloadBytes).fill(7);
    assert.equal(await first.complete(fence, most), 'published');
    await second.toldResult(fence, most);
  },
};
