// One call after the other, each with a flight of its own: what the library costs where there is nothing to coalesce.
import { makeContenders } from '../contenders.mjs';
import { sideBySide } from '../measure.mjs';

export async function measureRow(settings) {
  const lanes = await makeContenders();
  return [{ id: 'lone', title: 'lone leader', entries: await sideBySide({ body: 'lone', lanes, settings }) }];
}
