// A function that fails: alone, and with a crowd that fails with it.
import { makeContenders } from '../contenders.mjs';
import { sideBySide } from '../measure.mjs';

export async function measureRow(settings) {
  const lanes = await makeContenders();
  const crowded = (await makeContenders()).map((lane) => ({ ...lane, followers: 99, fails: true }));
  const alone = await sideBySide({ body: 'failing', lanes, settings });
  const together = await sideBySide({ body: 'crowds', lanes: crowded, settings });
  return [
    { id: 'errors', title: 'failing leader', entries: alone },
    { id: 'errors-crowd', title: '100 fail together, per caller', entries: together },
  ];
}
