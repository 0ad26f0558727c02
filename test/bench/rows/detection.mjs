// What looking for deadlocks costs, which is on unless NODE_ENV is production. Its AsyncLocalStorage costs every async
// call of the process, also those that have nothing to do with flights; so there is a before and an after.
import { OURS, byHand, ours } from '../contenders.mjs';
import { sideBySide } from '../measure.mjs';

export async function measureRow(settings) {
  const off = { ...ours({ detectDeadlocks: false }), name: `${OURS}, detection off`, followers: 100 };
  const on = { ...ours({ detectDeadlocks: true }), name: `${OURS}, detection on`, followers: 100 };
  const limit = { ...byHand(), followers: 100 };
  const before = await sideBySide({ body: 'lone', lanes: [limit, off], settings });
  await on.run('product', async () => 42);
  const after = await sideBySide({ body: 'lone', lanes: [limit, off, on], settings });
  const crowd = await sideBySide({ body: 'crowds', lanes: [limit, off, on], settings });
  return [
    { id: 'detection-before', title: 'lone, nobody in the process looks for deadlocks', entries: before },
    { id: 'detection', title: 'lone, somebody does', entries: after },
    { id: 'detection-crowd', title: '100 followers, somebody does, per caller', entries: crowd },
  ];
}
