// The decorator, beside the same Map and promise written into the method by hand, on objects of one class and of
// sixteen: a call site that has seen sixteen classes is what an app's own code looks like to the library.
import { pMemoizeDecorator } from 'p-memoize';
import { SingleFlight, encodeKey } from '../../../dist/esm/index.js';
import { LIMIT, OURS } from '../contenders.mjs';
import { sideBySide } from '../measure.mjs';

const file = import.meta.url;
/** What a join of a decorated method is compared with: the call, and the key of its arguments, which nobody can save. */
const KEYED = 'a method without coalescing, its key made';

export async function measureRow(settings) {
  const tables = [];
  for (const classes of [1, 16]) {
    const of = classes === 1 ? 'one class' : 'sixteen classes';
    const lone = await sideBySide({ file, body: 'lone', lanes: lanesOf(classes), settings });
    const join = await sideBySide({ file, body: 'joins', lanes: lanesOf(classes), settings });
    tables.push({ id: `decorator-lone-${classes}`, title: `decorated method, lone, ${of}`, entries: lone });
    tables.push({ id: `decorator-join-${classes}`, title: `decorated method, joining, ${of}`, entries: join });
  }
  return tables;
}

function lanesOf(classes) {
  const objects = (makeClass) => Array.from({ length: classes }, () => new (makeClass())());
  return [
    { name: `${LIMIT}, inside the method`, objects: objects(classByHand) },
    { name: 'a method without coalescing', objects: objects(classBare) },
    { name: KEYED, objects: objects(classKeyed) },
    { name: OURS, objects: objects(() => decorated(SingleFlight((id) => id))) },
    {
      name: `${OURS}, without a join window`,
      objects: objects(() => decorated(SingleFlight((id) => id, { joinWindowMs: Infinity }))),
    },
    { name: 'p-memoize decorator', isPeer: true, objects: objects(classMemoized) },
  ];
}

const classBare = () =>
  class {
    pending = undefined;
    async load(id) {
      return id.length;
    }
    held() {
      return this.pending;
    }
  };

/** The methods wrapped in a function that makes the key, as any decorator has to. */
function classKeyed() {
  const { prototype } = class extends classBare() {};
  for (const name of ['load', 'held']) {
    const method = prototype[name];
    prototype[name] = wrapped(method, (id) => id);
  }
  return prototype.constructor;
}

function wrapped(method, keyFn) {
  return function (...args) {
    if (encodeKey(keyFn.apply(this, args)) === '') throw new Error('There is no such key.');
    return method.apply(this, args);
  };
}

const classByHand = () =>
  class {
    pending = undefined;
    loads = new Map();
    helds = new Map();
    load(id) {
      const known = this.loads.get(id);
      if (known !== undefined) return known;
      const promise = this.loadNow(id);
      this.loads.set(id, promise);
      const cleanup = () => {
        this.loads.delete(id);
      };
      promise.then(cleanup, cleanup);
      return promise;
    }
    async loadNow(id) {
      return id.length;
    }
    held(id) {
      const known = this.helds.get(id);
      if (known !== undefined) return known;
      const promise = this.pending;
      this.helds.set(id, promise);
      const cleanup = () => {
        this.helds.delete(id);
      };
      promise.then(cleanup, cleanup);
      return promise;
    }
  };

/** As `experimentalDecorators` apply it. */
function decorated(decorator) {
  const { prototype } = class extends classBare() {};
  for (const method of ['load', 'held']) {
    // The method is the class's own, not inherited.
    const { value } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(prototype), method);
    const descriptor = { value, writable: true, configurable: true };
    Object.defineProperty(prototype, method, decorator(prototype, method, descriptor));
  }
  return prototype.constructor;
}

/** As the decorators of ECMAScript are applied. */
function classMemoized() {
  const initializers = [];
  for (const name of ['load', 'held']) {
    const context = { kind: 'method', name, addInitializer: (initializer) => initializers.push(initializer) };
    pMemoizeDecorator({ cache: false })(classBare().prototype[name], context);
  }
  return class extends classBare() {
    constructor() {
      super();
      for (const initializer of initializers) initializer.call(this);
    }
  };
}

const keys = Array.from({ length: 2 ** 10 }, (_none, i) => `product:${i}`);

export async function lone({ objects }, calls) {
  for (let i = 0; i < calls; i++) await objects[i % objects.length].load(keys[i % keys.length]);
  return { calls };
}

/** Only the call is timed, not the waking: everybody gets the same promise. */
export async function joins({ objects }, calls) {
  let land;
  const pending = new Promise((resolve) => {
    land = resolve;
  });
  for (const object of objects) {
    object.pending = pending;
    void object.held('product');
  }
  let last;
  for (let i = 0; i < calls; i++) last = objects[i % objects.length].held('product');
  land(42);
  await last;
  return { calls };
}
