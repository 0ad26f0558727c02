import assert from 'node:assert/strict';
import { bytes, sameSettled, type Scene } from './contract-world.js';

const result = bytes('a lamp');

/** What the contract says of `start`, `join`, and what is kept and lingers. */
export const JOIN_CASES: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  'start: it is available, with a name and limits': async (scene) => {
    const { engine } = await scene.process();
    assert.equal(engine.available, true);
    assert.ok(engine.name.length > 0);
    assert.ok(engine.limits.maxPayloadBytes > 0);
    assert.ok(engine.limits.minLeaseMs > 0);
  },
  'join: the first leads, with a fence above 0': async (scene) => {
    assert.ok((await (await scene.process()).lead()) > 0n);
  },
  'join: the second follows, and is told the rest of the lease': async (scene) => {
    const [first, second] = await scene.two();
    const rest = await second.follow(await first.lead());
    assert.ok(rest > 0 && rest <= scene.longMs, `The rest of the lease is ${rest} ms.`);
  },
  'join: of many at once one leads, and all others follow it': async (scene) => {
    const processes = await Promise.all(Array.from({ length: 8 }, () => scene.process()));
    const joined = await Promise.all(processes.map((process) => process.join()));
    const fences = joined.map((one) => (one.role === 'leader' || one.role === 'follower' ? one.fence : undefined));
    assert.deepEqual(joined.map(({ role }) => role).sort(), [...Array<string>(7).fill('follower'), 'leader']);
    assert.equal(new Set(fences).size, 1);
  },
  'join: a leader who asks again leads with the same fence': async (scene) => {
    const process = await scene.process();
    const fence = await process.lead();
    assert.deepEqual(await process.join(), { role: 'leader', fence });
    assert.deepEqual(await process.join({ since: fence, take: false }), { role: 'leader', fence });
  },
  'join: who leads and asks again has no longer a lease for it': async (scene) => {
    const [first, second] = await scene.two();
    const leaseMs = scene.shortMs;
    const fence = await first.lead({ leaseMs });
    await scene.pass(leaseMs / 3);
    await first.lead({ leaseMs: scene.longMs });
    const rest = await second.follow(fence);
    assert.ok(rest <= leaseMs, `The rest of the lease is ${rest} ms.`);
  },
  'join: a follower who asks again follows the same': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await second.follow(fence);
    await second.follow(fence);
    await second.follow(fence, { since: fence });
  },
  'join: flights of different ids never meet': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await second.lead({ flight: `${scene.flight.slice(1)}_` });
    assert.equal(await first.renew(fence), 'held');
  },
  'join: once the lease is over the next leads, with a higher fence': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead({ leaseMs: scene.shortMs });
    await second.follow(fence);
    assert.ok((await scene.leadIn(second, { since: fence })) > fence);
  },
  'join: fences rise, however a flight ends': async (scene) => {
    const process = await scene.process();
    const fences = [await process.lead({ token: 'a' })];
    const next = async (token: string): Promise<void> => {
      fences.push(await process.lead({ token }));
    };
    await process.complete(fences[0] as bigint, result, { token: 'a' });
    await next('b');
    await process.abandon({ token: 'b', fence: fences[1] });
    await next('c');
    await process.forget();
    await next('d');
    assert.deepEqual(
      fences,
      [...new Set(fences)].sort((a, b) => (a < b ? -1 : 1)),
    );
  },
  'join: a fresh caller gets no result of the past': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await first.complete(fence, result);
    assert.ok((await second.lead()) > fence);
  },
  'join since: gets the result that it has missed': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await second.follow(fence);
    await first.complete(fence, result);
    sameSettled(await second.join({ since: fence }), { fence, payload: result });
    await second.missed(fence, { fence, payload: result });
  },
  'join since: an older flight gets a newer result': async (scene) => {
    const [first, second] = await scene.two();
    const old = await first.lead({ token: 'old' });
    await first.abandon({ token: 'old', fence: old });
    const fence = await first.lead();
    await first.complete(fence, result);
    await second.missed(old, { fence, payload: result });
  },
  'join since: a newer flight gets no older result': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await first.complete(fence, result);
    const next = await second.lead();
    await second.abandon({ fence: next });
    assert.deepEqual(await first.join({ token: 'other', since: next, take: false }), { role: 'orphan' });
  },
  'join since: with the next flight under way, follows that, or gets the result': async (scene) => {
    const [first, second] = await scene.two();
    const old = await first.lead({ token: 'old' });
    await first.abandon({ token: 'old', fence: old });
    const next = await first.lead();
    await second.follow(next, { since: old, take: false });
  },
  'join since: the kept result of its own flight comes before the next flight': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead({ token: 'old' });
    await first.complete(fence, result, { token: 'old' });
    await first.lead();
    sameSettled(await second.join({ since: fence }), { fence, payload: result });
  },
  'join take false: takes nothing where there is nothing': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await first.abandon({ fence });
    assert.deepEqual(await second.join({ since: fence, take: false }), { role: 'orphan' });
    assert.ok((await first.lead()) > fence);
  },
  'join take false: follows whoever leads': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await second.follow(fence, { since: fence, take: false });
  },
  'retain: a result is kept for so long only': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await first.complete(fence, result, { retainMs: scene.shortMs });
    await second.missed(fence, { fence, payload: result });
    await scene.until('the end of the kept result', async () => {
      const { role } = await second.join({ since: fence, take: false });
      return role === 'orphan' ? true : undefined;
    });
  },
  'retain false: nothing is kept, and who waits is told all the same': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await second.follow(fence);
    assert.equal(await first.complete(fence, result, { retain: false }), 'published');
    const { payload } = await second.told('settled', fence);
    assert.deepEqual(payload === undefined ? undefined : Buffer.from(payload), Buffer.from(result));
    assert.deepEqual(await second.join({ since: fence, take: false }), { role: 'orphan' });
  },
  'linger: fresh callers get the result': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await first.complete(fence, result, { lingerMs: scene.longMs });
    sameSettled(await second.join(), { fence, payload: result });
    sameSettled(await first.join({ token: 'other' }), { fence, payload: result });
  },
  'linger: for so long only': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await first.complete(fence, result, { lingerMs: scene.shortMs });
    assert.ok((await scene.leadIn(second)) > fence);
  },
  'linger: not to a caller who wants a younger one': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead();
    await first.complete(fence, result, { lingerMs: scene.longMs });
    assert.ok((await second.lead({ lingerMs: 0 })) > fence);
  },
  'linger: a flight that is under way comes first': async (scene) => {
    const [first, second] = await scene.two();
    const fence = await first.lead({ token: 'old' });
    await first.complete(fence, result, { token: 'old', lingerMs: scene.longMs });
    const next = await first.lead({ lingerMs: 0 });
    await second.follow(next);
  },
};
