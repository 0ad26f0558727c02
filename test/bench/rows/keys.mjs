// How a key becomes one string, beside what people write: a template (which collides) and JSON.
import { encodeKey } from '../../../dist/esm/core/index.js';
import { OURS } from '../contenders.mjs';
import { sideBySide } from '../measure.mjs';

const file = import.meta.url;

export async function measureRow(settings) {
  const pair = (i) => ['tenant', i];
  const lanes = [
    { name: 'template `${tenant}:${id}`', encode: ([tenant, id]) => `${tenant}:${id}`, key: pair },
    { name: 'JSON.stringify, two parts', encode: JSON.stringify, key: pair },
    { name: `${OURS}, two parts`, encode: (key) => encodeKey(key), key: pair },
    { name: `${OURS}, nested`, encode: (key) => encodeKey(key), key: (i) => ['tenant', [i, null], true] },
    { name: `${OURS}, a number`, encode: (key) => encodeKey(key), key: (i) => i },
    { name: `${OURS}, a string`, encode: (key) => encodeKey(key), key: () => 'product:42' },
  ];
  const entries = await sideBySide({ file, body: 'encodings', lanes, settings });
  return [{ id: 'keys', title: 'encoding a key', entries }];
}

export let last;

export async function encodings({ encode, key }, calls) {
  for (let i = 0; i < calls; i++) last = encode(key(i & 1_023));
  return { calls };
}
