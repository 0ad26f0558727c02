// Crowds that ask for one key while its flight is under way.
import { makeContenders } from '../contenders.mjs';
import { sideBySide } from '../measure.mjs';

const CROWDS = [1, 10, 100, 1_000, 10_000];

export async function measureRow(settings) {
  const tables = [];
  for (const followers of CROWDS) {
    const lanes = (await makeContenders()).map((lane) => ({ ...lane, followers }));
    const title = `${followers.toLocaleString('en')} ${followers === 1 ? 'follower' : 'followers'}, per caller`;
    const entries = await sideBySide({ body: 'crowds', lanes, settings });
    tables.push({ id: `follower-${followers}`, title, entries });
  }
  return tables;
}
