// One call after the other, each with a flight of its own: what the library costs where there is nothing to coalesce.
import { makeContenders } from '../contenders.mjs';
import { sideBySide } from '../measure.mjs';

export async function measureRow(settings) {
  const steady = await sideBySide({ body: 'lone', lanes: await makeContenders(), settings });
  // A full collection with no flight under way can take with it what the compiler knew of flights.
  const few = { ...settings, rounds: Math.min(settings.rounds, 11) };
  const collected = await sideBySide({
    body: 'lone',
    lanes: await makeContenders(),
    afterCollection: 500,
    settings: few,
  });
  return [
    { id: 'lone', title: 'lone leader', entries: steady },
    { id: 'lone-collected', title: 'lone leader, the first 500 calls after a full collection', entries: collected },
  ];
}
