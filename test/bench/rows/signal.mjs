// Calls that can be left: with a signal that guards many calls, and with one signal for each.
import { Group } from '../../../dist/esm/core/index.js';
import { LIMIT, OURS, byHand, makeContenders } from '../contenders.mjs';
import { sideBySide } from '../measure.mjs';

export async function measureRow(settings) {
  const contenders = await makeContenders();
  const cannot = contenders
    .filter(({ isPeer }) => isPeer)
    .map(({ name, version, signals = 'no caller can leave' }) => ({ name, version, isPeer: true, cannot: signals }));
  const shared = await sideBySide({ body: 'lone', lanes: lanesOf(oneForAll), settings });
  const each = await sideBySide({ body: 'lone', lanes: lanesOf(oneForEach), settings });
  const crowd = await sideBySide({ body: 'crowds', lanes: lanesOf(oneForEach), settings });
  return [
    { id: 'signal', title: 'lone, with a signal that guards many calls', entries: [...shared, ...cannot] },
    { id: 'signal-each', title: 'lone, with a signal of its own', entries: [...each, ...cannot] },
    { id: 'signal-crowd', title: '100 callers with a signal each, per caller', entries: [...crowd, ...cannot] },
  ];
}

function lanesOf(makeSignals) {
  const group = new Group();
  const lanes = [
    { ...byHand(), name: `${LIMIT}, without a signal` },
    { name: `${LIMIT}, with a signal`, runWithSignal: raced(byHand().run) },
    { name: OURS, runWithSignal: (key, fn, signal) => group.run(key, fn, { signal }) },
  ];
  return lanes.map(({ run, runWithSignal, ...lane }) => {
    const signals = makeSignals();
    return { ...lane, followers: 99, run: runWithSignal ? (key, fn) => runWithSignal(key, fn, signals()) : run };
  });
}

function oneForAll() {
  const { signal } = new globalThis.AbortController();
  return () => signal;
}

/** Made beforehand, and used again when all have had their turn. */
function oneForEach() {
  const signals = Array.from({ length: 4_096 }, () => new globalThis.AbortController().signal);
  let next = 0;
  return () => signals[(next = (next + 1) % signals.length)];
}

/** By hand: whichever comes first, the flight's end or the signal's. */
function raced(run) {
  return (key, fn, signal) =>
    new Promise((resolve, reject) => {
      const leave = () => reject(signal.reason);
      const over = () => signal.removeEventListener('abort', leave);
      signal.addEventListener('abort', leave);
      run(key, fn).then(
        (value) => {
          over();
          resolve(value);
        },
        (error) => {
          over();
          reject(error);
        },
      );
    });
}
