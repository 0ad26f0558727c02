// What a call allocates: alone, and as one of many.
import { makeContenders } from '../contenders.mjs';
import { allocated } from '../measure.mjs';

export async function measureRow(settings) {
  const nobody = { name: 'no coalescing', run: (_key, fn) => fn() };
  const contenders = [nobody, ...(await makeContenders())];
  const crowded = contenders.map((lane) => ({ ...lane, followers: 999 }));
  return [
    {
      id: 'bytes-lone',
      title: 'lone leader, allocated',
      unit: 'bytes',
      entries: await allocated({ body: 'lone', lanes: contenders, settings }),
    },
    {
      id: 'bytes-follower',
      title: '1,000 callers, allocated per caller',
      unit: 'bytes',
      entries: await allocated({ body: 'crowds', lanes: crowded, settings }),
    },
  ];
}
