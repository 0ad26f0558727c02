// A group as Nest makes it: flights older than 30 s are not joined any more.
import { OURS, byHand, ours } from '../contenders.mjs';
import { sideBySide } from '../measure.mjs';

export async function measureRow(settings) {
  const makeLanes = () => [
    { ...byHand(), followers: 100 },
    { ...ours(), followers: 100 },
    { ...ours({ joinWindowMs: 30_000 }), name: `${OURS}, 30 s join window`, followers: 100 },
  ];
  const alone = await sideBySide({ body: 'lone', lanes: makeLanes(), settings });
  const together = await sideBySide({ body: 'crowds', lanes: makeLanes(), settings });
  return [
    { id: 'window', title: '30 s join window, lone', entries: alone },
    { id: 'window-crowd', title: '30 s join window, 100 followers, per caller', entries: together },
  ];
}
