// What an event costs that nobody hears, and what listening costs.
import { channel, subscribe } from 'node:diagnostics_channel';
import { Group } from '../../../dist/esm/core/index.js';
import { OURS, byHand } from '../contenders.mjs';
import { sideBySide } from '../measure.mjs';

const file = import.meta.url;
const EVENTS = ['start', 'join', 'leave', 'settle', 'forget', 'adrift', 'reject'];
const nameOf = (event) => `nestjs-singleflight:flight:${event}`;

export async function measureRow(settings) {
  // First of all: a channel that somebody has listened to is never again as cheap.
  const lanes = [
    { name: 'a loop without an event' },
    { name: 'an event that nobody hears', sink: channel(nameOf('start')) },
  ];
  const unheard = await sideBySide({ file, body: 'loops', lanes, settings });
  let heard = 0;
  const listener = () => {
    heard++;
  };
  const all = Object.fromEntries(EVENTS.map((event) => [event, listener]));
  // A group with an observer of its own does not hear of the channels.
  const groups = {
    [`${OURS}, nobody listens`]: new Group({ observer: {} }),
    [`${OURS}, an observer hears the end`]: new Group({ observer: { settle: listener } }),
    [`${OURS}, an observer hears everything`]: new Group({ observer: all }),
    [`${OURS}, the channels hear everything`]: new Group(),
  };
  for (const event of EVENTS) subscribe(nameOf(event), listener);
  const runs = Object.entries(groups).map(([name, group]) => ({ name, run: (key, fn) => group.run(key, fn) }));
  const lone = await sideBySide({ body: 'lone', lanes: [byHand(), ...runs], settings });
  const join = await sideBySide({ body: 'joins', lanes: [byHand(), ...runs], settings });
  if (heard === 0) throw new Error('Nobody heard anything.');
  return [
    { id: 'event-unheard', title: 'an event that nobody hears', entries: unheard },
    { id: 'events-lone', title: 'lone leader, two events', entries: lone },
    { id: 'events-join', title: 'a follower, one event', entries: join },
  ];
}

export let turns = 0;

export async function loops({ sink }, calls) {
  if (sink === undefined) for (let i = 0; i < calls; i++) turns += i & 1;
  else {
    for (let i = 0; i < calls; i++) {
      turns += i & 1;
      if (sink.hasSubscribers) sink.publish({ turns });
    }
  }
  return { calls };
}
