// Everybody who can coalesce calls, behind one signature: `run(key, fn)`. An adapter does no more than its comment says.
// A cache is told to keep nothing, or as little as it can: what is measured is the coalescing.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Group } from '../../dist/esm/core/index.js';
import { ByHand } from './by-hand.mjs';

export const LIMIT = 'by hand';
export const OURS = 'nestjs-singleflight';

/**
 * Makes one of each, with what else it can do: `runMany` for a million keys, `runWithRole` for a caller who is told
 * how it went; `keeps` where it keeps a value for a while, `signals` where it takes one and callers cannot leave by it.
 */
export function makeContenders() {
  return Promise.all([byHand(), ours(), ...PEERS.map((make) => make())]);
}

/** The limit: what one would write oneself, and nothing can be faster that does the same. */
export function byHand() {
  const calls = new ByHand();
  return { name: LIMIT, run: (key, fn) => calls.run(key, fn) };
}

export function ours(options) {
  const group = new Group(options);
  return { name: OURS, version: versionOf('../../package.json'), run: (key, fn) => group.run(key, fn) };
}

const PEERS = [
  async function promiseCoalesce() {
    const { coalesceAsync } = await import('promise-coalesce');
    return peer('promise-coalesce', { run: (key, fn) => coalesceAsync(key, fn) });
  },

  async function zcong() {
    const { Singleflight } = await import('@zcong/singleflight');
    const calls = new Singleflight();
    return peer('@zcong/singleflight', {
      run: (key, fn) => calls.do(key, fn),
      runWithRole: (key, fn) => calls.doWithFresh(key, fn),
    });
  },

  async function onestone() {
    const { Singleflight } = await import('@onestone/singleflight');
    const calls = new Singleflight();
    return peer('@onestone/singleflight', { run: (key, fn) => calls.do(key, fn) });
  },

  // The memoized function takes the caller's function as its second argument; nothing is cached.
  async function pMemoize() {
    const { default: memoize } = await import('p-memoize');
    return peer('p-memoize', { run: memoize((_key, fn) => fn(), { cache: false }) });
  },

  // A ttl of 0 means to it: deduplicate only. The caller's function goes with the arguments, beside the key.
  async function asyncCacheDedupe() {
    const { createCache } = await import('async-cache-dedupe');
    const cache = createCache({ ttl: 0, storage: { type: 'memory' } });
    cache.define('load', { serialize: ({ key }) => key }, ({ fn }) => fn());
    return peer('async-cache-dedupe', { run: (key, fn) => cache.load({ key, fn }) });
  },

  async function cacheableCoalesce() {
    const { coalesceAsync } = await import('@cacheable/utils');
    return peer('@cacheable/utils', { name: 'cacheable coalesceAsync', run: (key, fn) => coalesceAsync(key, fn) });
  },

  // Its store keeps nothing; errors are thrown, and its 'error' event, which comes with each, has a listener.
  async function cacheableGetOrSet() {
    const { Cacheable, Keyv } = await import('cacheable');
    const cache = new Cacheable({ primary: new Keyv({ store: new KeepsNothing() }) });
    cache.on('error', () => undefined);
    const options = { throwErrors: true };
    return peer('cacheable', { name: 'cacheable getOrSet', run: (key, fn) => cache.getOrSet(key, fn, options) });
  },

  // Its store keeps nothing.
  async function cacheManager() {
    const [{ createCache }, { Keyv }] = await Promise.all([import('cache-manager'), import('cacheable')]);
    const cache = createCache({ stores: [new Keyv({ store: new KeepsNothing() })] });
    return peer('cache-manager', { name: 'cache-manager wrap', run: (key, fn) => cache.wrap(key, fn) });
  },

  // The caller's function is the context of the one that all fetches share; what it came to is stale from the start.
  async function lruCache() {
    const { LRUCache } = await import('lru-cache');
    const fetchMethod = (_key, _stale, { context: { fn }, options }) => {
      options.start = -10;
      return fn();
    };
    const cache = new LRUCache({ max: 1_000, ttl: 1, fetchMethod });
    const large = new LRUCache({ max: 1_000_000, ttl: 1, fetchMethod });
    return peer('lru-cache', {
      name: 'lru-cache fetch',
      run: (key, fn) => cache.fetch(key, { context: { fn } }),
      runMany: (key, fn) => large.fetch(key, { context: { fn } }),
      signals: 'a signal ends the fetch for everybody, and each call leaves a listener on it',
    });
  },

  // Those who waited read the cache, so it must keep the value until all of them have woken: 100 ms.
  async function bentocache() {
    const [{ BentoCache, bentostore }, { memoryDriver }] = await Promise.all([
      import('bentocache'),
      import('bentocache/drivers/memory'),
    ]);
    const stores = { memory: bentostore().useL1Layer(memoryDriver({ maxItems: 1_000 })) };
    const cache = new BentoCache({ default: 'memory', stores });
    return peer('bentocache', {
      keeps: true,
      run: (key, factory) => cache.getOrSet({ key, ttl: '100ms', factory }),
    });
  },

  // The function belongs to the loader, so the leader's is left in a map for it; the key is cleared as its function ends.
  // Who is loaded in one batch is answered when the last of them has been.
  async function dataloader() {
    const { default: DataLoader } = await import('dataloader');
    const functions = new Map();
    const cacheMap = new Map();
    const loadOne = async (key) => {
      const fn = functions.get(key);
      functions.delete(key);
      try {
        return await fn();
      } catch (error) {
        return error instanceof Error ? error : new Error('not an Error', { cause: error });
      } finally {
        loader.clear(key);
      }
    };
    const loader = new DataLoader((keys) => Promise.all(keys.map(loadOne)), { cacheMap });
    return peer('dataloader', {
      run: (key, fn) => {
        if (!cacheMap.has(key)) functions.set(key, fn);
        return loader.load(key);
      },
    });
  },

  // A shared Observable for each key, in a map until it is over.
  async function rxjsShare() {
    const { defer, finalize, firstValueFrom, share } = await import('rxjs');
    const shared = new Map();
    return peer('rxjs', {
      name: 'RxJS share',
      run: (key, fn) => {
        let source = shared.get(key);
        if (source === undefined) {
          const over = finalize(() => shared.delete(key));
          source = defer(fn).pipe(over, share());
          shared.set(key, source);
        }
        return firstValueFrom(source);
      },
    });
  },
];

/** A store for Keyv from which nothing comes back. */
class KeepsNothing {
  opts = {};
  get() {
    return undefined;
  }
  set() {
    return true;
  }
  delete() {
    return true;
  }
  clear() {
    return undefined;
  }
}

function peer(packageName, contender) {
  return { name: packageName, version: installedVersion(packageName), isPeer: true, ...contender };
}

function installedVersion(packageName) {
  const searched = createRequire(import.meta.url).resolve.paths(packageName);
  for (const folder of searched) {
    try {
      return versionOf(`${folder}/${packageName}/package.json`);
    } catch {
      // Not in this folder: the next one up.
    }
  }
  throw new Error(`${packageName} is not installed.`);
}

function versionOf(manifest) {
  return JSON.parse(readFileSync(new URL(manifest, import.meta.url), 'utf8')).version;
}
