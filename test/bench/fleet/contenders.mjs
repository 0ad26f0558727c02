// Who has to keep several processes from doing the same work: run(key, fn).
import { Group } from '../../../dist/esm/core/index.js';
import { FleetGroup } from '../../../dist/esm/fleet/index.js';
import { RedisEngine } from '../../../dist/esm/redis/index.js';
import { connect } from './redis.mjs';

/** Each is made when it is first asked for, and only once. */
export function contenders(options) {
  const made = new Map();
  return (name) => {
    if (!made.has(name)) made.set(name, MAKERS[name](options));
    return made.get(name);
  };
}

const MAKERS = {
  async fleet({ port }) {
    const engine = new RedisEngine({ client: connect(port), prefix: 'bench' });
    const group = new FleetGroup({ app: 'bench', fleet: 'flight', engine });
    await group.start();
    return { run: (key, fn) => group.run(key, fn) };
  },

  /** A lock, and the result under a key beside it; in front a group, so that each process asks for it once. */
  async 'redlock-universal + result key'({ port }) {
    const { createLock, IoredisAdapter } = await import('redlock-universal');
    const client = connect(port);
    const adapter = new IoredisAdapter(client);
    const [group, resultMs] = [new Group(), 10_000];
    const locked = async (key, fn) => {
      // Its default is to try again every 100 ms, three times.
      const lock = createLock({ adapter, key: `lock:${key}`, ttl: 30_000, retryAttempts: 1_000 });
      const handle = await lock.acquire();
      try {
        const kept = await client.get(`result:${key}`);
        if (kept !== null) return JSON.parse(kept);
        const value = await fn();
        await client.set(`result:${key}`, JSON.stringify(value), 'PX', resultMs);
        return value;
      } finally {
        await lock.release(handle);
      }
    };
    return { run: (key, fn) => group.run(key, () => locked(key, fn)) };
  },

  async bentocache({ port }) {
    const { BentoCache, bentostore } = await import('bentocache');
    const { memoryDriver } = await import('bentocache/drivers/memory');
    const { redisDriver, redisBusDriver } = await import('bentocache/drivers/redis');
    const connection = { host: '127.0.0.1', port };
    const store = bentostore()
      .useL1Layer(memoryDriver())
      .useL2Layer(redisDriver({ connection }))
      .useBus(redisBusDriver({ connection }));
    const cache = new BentoCache({ default: 'all', stores: { all: store } });
    return { run: (key, fn) => cache.getOrSet({ key, factory: fn, ttl: '10s' }) };
  },
};
