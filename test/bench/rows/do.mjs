// Go's `Do`: the value, and how the call went.
import { Group } from '../../../dist/esm/core/index.js';
import { OURS, byHand, makeContenders } from '../contenders.mjs';
import { sideBySide } from '../measure.mjs';

export async function measureRow(settings) {
  const contenders = await makeContenders();
  const makeLanes = () => {
    const group = new Group();
    const lanes = [
      byHand(),
      { name: OURS, run: (key, fn) => group.do(key, fn) },
      ...contenders.filter(({ runWithRole }) => runWithRole).map((peer) => ({ ...peer, run: peer.runWithRole })),
    ];
    return lanes.map((lane) => ({ ...lane, followers: 100 }));
  };
  const cannot = contenders
    .filter(({ isPeer, runWithRole }) => isPeer && !runWithRole)
    .map(({ name, version }) => ({ name, version, isPeer: true, cannot: 'they do not say how a call went' }));
  const alone = await sideBySide({ body: 'lone', lanes: makeLanes(), settings });
  const together = await sideBySide({ body: 'crowds', lanes: makeLanes(), settings });
  return [
    { id: 'do', title: '`do`, lone', entries: [...alone, ...cannot] },
    { id: 'do-crowd', title: '`do`, 100 followers, per caller', entries: [...together, ...cannot] },
  ];
}
