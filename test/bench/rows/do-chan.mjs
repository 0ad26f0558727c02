// Go's `DoChan`: one call with many subscribers, beside one promise with many `then`.
import { Observable, defer, finalize, firstValueFrom, from, share } from 'rxjs';
import { Group, doChan } from '../../../dist/esm/index.js';
import { LIMIT, OURS, byHand } from '../contenders.mjs';
import { sideBySide } from '../measure.mjs';

const file = import.meta.url;
const SUBSCRIBERS = 1_000;

export async function measureRow(settings) {
  const group = new Group();
  const limit = byHand();
  const shared = sharedByKey();
  const perSubscriber = [
    { name: '`then` on a promise', open: (load) => limit.run('product', load), listen: (to, heard) => to.then(heard) },
    { name: OURS, open: (load) => doChan(group, 'product', load), listen: subscribe },
    { name: 'RxJS share', isPeer: true, open: (load) => shared('product', load), listen: subscribe },
    { name: 'RxJS from(promise)', open: (load) => from(load()), listen: subscribe },
    { name: 'the least an Observable can cost', open: leastObservable, listen: subscribe },
  ];
  const perCall = [
    { name: LIMIT, run: limit.run },
    { name: OURS, run: (key, load) => firstValueFrom(doChan(group, key, load)) },
    { name: 'RxJS share', isPeer: true, run: (key, load) => firstValueFrom(shared(key, load)) },
  ];
  return [
    {
      id: 'do-chan',
      title: '`doChan`, per subscriber',
      entries: await sideBySide({ file, body: 'subscribers', lanes: perSubscriber, settings }),
    },
    {
      id: 'do-chan-lone',
      title: '`doChan`, lone, with its one subscriber',
      entries: await sideBySide({ body: 'lone', lanes: perCall, settings }),
    },
  ];
}

/** A shared Observable for each key, in a map until it is over. */
function sharedByKey() {
  const flights = new Map();
  return (key, load) => {
    let flight = flights.get(key);
    if (flight === undefined) {
      flight = defer(load).pipe(
        finalize(() => flights.delete(key)),
        share(),
      );
      flights.set(key, flight);
    }
    return flight;
  };
}

const subscribe = (to, heard) => to.subscribe(heard);

/** It counts nobody and can stop nothing. */
function leastObservable(load) {
  const promise = load();
  return new Observable((subscriber) => {
    promise.then((value) => {
      subscriber.next(value);
      subscriber.complete();
    });
  });
}

export async function subscribers(lane, calls) {
  let made = 0;
  for (; made < calls; made += SUBSCRIBERS) {
    await new Promise((resolve) => {
      let waiting = SUBSCRIBERS;
      let land;
      const flight = new Promise((settle) => {
        land = settle;
      });
      const opened = lane.open(() => flight);
      const heard = () => {
        if (--waiting === 0) resolve();
      };
      for (let i = 0; i < SUBSCRIBERS; i++) lane.listen(opened, heard);
      land(42);
    });
  }
  return { calls: made };
}
