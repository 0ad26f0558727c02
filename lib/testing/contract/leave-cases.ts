import assert from 'node:assert/strict';
import { bytes, sameSettled, type Scene } from './contract-world.js';

const [result, newer] = [bytes('a lamp'), bytes('a newer lamp')];

/** What the contract says of `abandon`. */
export const ABANDON_CASES: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  'abandon: who waits is told, and the next leads with a higher fence': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await second.follow(fence);
    assert.equal(await first.abandon({ fence }), 'abandoned');
    await second.told('abandoned', fence);
    assert.ok((await second.lead({ since: fence })) > fence);
  },
  'abandon: twice is once, also with the next flight under way': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await first.abandon({ fence });
    const next = await second.lead();
    assert.equal(await first.abandon({ fence }), 'abandoned');
    assert.equal(await first.abandon(), 'abandoned');
    assert.equal(await second.renew(next), 'held');
  },
  'abandon: without a fence, when the answer to join never came': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    assert.equal(await first.abandon(), 'abandoned');
    assert.ok((await second.lead()) > fence);
  },
  'abandon unlessWaiting: nobody waits': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    assert.equal(await first.abandon({ fence, unlessWaiting: true }), 'abandoned');
    assert.ok((await second.lead()) > fence);
  },
  'abandon unlessWaiting: somebody waits, and nothing is changed': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await second.follow(fence);
    assert.equal(await first.abandon({ fence, unlessWaiting: true }), 'waiting');
    assert.equal(await first.renew(fence), 'held');
    await second.notTold('abandoned', fence);
    await first.complete(fence, result);
    await second.toldResult(fence, result);
  },
  'abandon unlessWaiting: who does not wait any more does not count': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await second.follow(fence);
    assert.equal(await second.abandon({ fence }), 'abandoned');
    assert.equal(await first.abandon({ fence, unlessWaiting: true }), 'abandoned');
  },
  'abandon: by somebody who does not lead changes nothing for who does': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    assert.equal(await second.abandon({ fence }), 'abandoned');
    assert.equal(await second.abandon(), 'abandoned');
    assert.equal(await first.renew(fence), 'held');
  },
  'abandon: of what never was': async (scene) => {
    const process = await scene.process();
    assert.equal(await process.abandon({ fence: 1n, unlessWaiting: true }), 'abandoned');
    await process.lead();
  },
  'abandon: once it is abandoned, its leader has lost it': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await first.abandon({ fence });
    assert.equal(await first.renew(fence, { insideLease: false }), 'lost');
    assert.equal(await first.complete(fence, result, { insideLease: false }), 'lost');
    assert.deepEqual(await second.join({ since: fence, take: false }), { role: 'orphan' });
  },
};

/** What the contract says of `forget`. */
export const FORGET_CASES: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  'forget: a fresh caller leads anew, with a higher fence': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await second.forget();
    assert.ok((await second.lead()) > fence);
  },
  'forget: the leader and who waits are told, nobody else': async (scene) => {
    const [first, second] = await scene.two();
    const third = await scene.process();
    const fence = await first.lead();
    await second.follow(fence);
    await third.forget();
    await first.told('forgotten', fence);
    await second.told('forgotten', fence);
    await third.notTold('forgotten', fence);
  },
  'forget: the flight goes on for who waits for it': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await second.follow(fence);
    await second.forget();
    assert.equal(await first.renew(fence, { insideLease: false }), 'held');
    await second.follow(fence, { since: fence });
    assert.equal(await first.complete(fence, result), 'published');
    await second.toldResult(fence, result);
    await second.missed(fence, { fence, payload: result });
  },
  'forget: the end of the flight disturbs nobody who came later': async (scene) => {
    const [first, second] = await scene.two();
    const third = await scene.process();
    const fence = await first.lead();
    await second.forget();
    const next = await second.lead();
    await third.follow(next);
    assert.equal(await first.renew(fence, { insideLease: false }), 'held');
    assert.equal(await first.complete(fence, result, { lingerMs: scene.longMs }), 'published');
    assert.equal(await second.renew(next), 'held');
    await third.notTold('settled', fence);
    assert.equal(await second.complete(next, newer), 'published');
    await third.toldResult(next, newer);
  },
  'forget: the result of the flight is for nobody who comes later': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await second.forget();
    await first.complete(fence, result, { lingerMs: scene.longMs });
    assert.ok((await second.lead()) > fence);
  },
  'forget: the result of the flight replaces no newer one': async (scene) => {
    const [first, second] = await scene.two();
    const third = await scene.process();
    const fence = await first.lead();
    await second.forget();
    const next = await second.lead();
    await second.complete(next, newer, { lingerMs: scene.longMs });
    assert.equal(await first.complete(fence, result, { lingerMs: scene.longMs }), 'published');
    sameSettled(await third.join(), { fence: next, payload: newer });
    await third.missed(next, { fence: next, payload: newer });
    await third.missed(fence, { fence, payload: result });
  },
  'forget: a forgotten flight can be abandoned, for who waits for it alone': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await second.follow(fence);
    await second.forget();
    const next = await second.lead({ token: 'next' });
    assert.equal(await first.abandon({ fence, unlessWaiting: true }), 'waiting');
    assert.equal(await first.abandon({ fence }), 'abandoned');
    await second.told('abandoned', fence);
    assert.equal(await second.renew(next, { token: 'next' }), 'held');
  },
  'forget: once the lease of a forgotten flight is over, who waits follows the next': async (scene) => {
    const [first, second] = await scene.two();
    const third = await scene.process();
    const fence = await first.lead({ leaseMs: scene.shortMs });
    await third.follow(fence);
    await second.forget();
    const next = await second.lead();
    await scene.until('the end of the lease', async () => {
      const joined = await third.join({ since: fence });
      return joined.role === 'follower' && joined.fence === next ? true : undefined;
    });
  },
  'forget: once the lease of a forgotten flight is over, its leader has lost it, inside the lease or not': async (
    scene,
  ) => {
    const [first, second] = await scene.two();
    const leaseMs = scene.shortMs;
    const fence = await first.lead({ leaseMs });
    await second.forget();
    const renewed = await scene.until('the end of the lease', async () => {
      await scene.pass(leaseMs + 1);
      const answer = await first.renew(fence, { leaseMs });
      return answer === 'held' ? undefined : answer;
    });
    assert.equal(renewed, 'lost');
    assert.ok((await second.lead()) > fence);
  },
  'forget: an older flight, whose lease was over, does not come back': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead({ leaseMs: scene.shortMs });
    const next = await scene.leadIn(second);
    await second.forget();
    assert.equal(await first.renew(fence), 'lost');
    assert.equal(await second.renew(next), 'held');
    assert.ok((await first.lead({ token: 'next' })) > next);
  },
  'forget: with its lease over, the result of the flight is for nobody who comes later either': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead({ leaseMs: scene.shortMs });
    await second.follow(fence);
    await second.forget();
    await scene.pass(scene.shortMs + 1);
    assert.equal(await first.complete(fence, result, { lingerMs: scene.longMs }), 'published');
    await second.missed(fence, { fence, payload: result });
    assert.ok((await second.lead({ token: 'next' })) > fence);
  },
  'forget: a result does not linger any more': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await first.complete(fence, result, { lingerMs: scene.longMs });
    await second.forget();
    assert.ok((await second.lead()) > fence);
  },
  'forget: of what never was': async (scene) => {
    const process = await scene.process();
    await process.forget();
    await process.forget();
    await process.lead();
  },
};

/** What the contract says of `stop`. */
export const STOP_CASES: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  'stop: nothing is told any more, and twice is once': async (scene) => {
    const [first, second] = await scene.two();
    const third = await scene.process();
    const fence = await first.lead();
    await second.follow(fence);
    await third.follow(fence);
    await second.engine.stop();
    await second.engine.stop();
    await first.complete(fence, result);
    await third.toldResult(fence, result);
    assert.deepEqual(second.pushes, []);
  },
  'stop: a lease stays what it is': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await first.engine.stop();
    await second.follow(fence);
  },
};

/** What the contract says of an engine that has lost its data. */
export const LOSS_CASES: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  'data lost: fences rise all the same': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await scene.loseData();
    assert.ok((await second.lead()) > fence);
  },
  'data lost: the leader reclaims its flight': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await scene.loseData();
    assert.equal(await first.renew(fence, { insideLease: false }), 'lost');
    // `held` where a client has sent it twice.
    assert.notEqual(await first.renew(fence), 'lost');
    await second.follow(fence);
  },
  'data lost: the leader does not reclaim what somebody else leads by now': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await scene.loseData();
    const next = await second.lead();
    assert.equal(await first.renew(fence), 'lost');
    assert.equal(await first.complete(fence, result), 'lost');
    assert.equal(await second.renew(next), 'held');
  },
  'data lost: the result reaches who has asked since': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await second.follow(fence);
    await scene.loseData();
    assert.deepEqual(await second.join({ since: fence, take: false }), { role: 'orphan' });
    assert.equal(await first.complete(fence, result), 'published');
    await second.toldResult(fence, result);
    await second.missed(fence, { fence, payload: result });
  },
};
