const { deepEqual, equal, throws } = require('node:assert/strict');
const { setImmediate } = require('node:timers/promises');

/** The fleet runs, and its engines load, where none of their clients is installed. */
exports.checkEngines = async ({ FleetGroup, MemoryEngine, MemoryHub }, { RedisEngine }, { PostgresEngine }) => {
  for (const client of ['ioredis', 'redis', 'pg']) {
    throws(() => require.resolve(client), { code: 'MODULE_NOT_FOUND' }, client);
  }
  const hub = new MemoryHub();
  const groups = [1, 2].map(() => new FleetGroup({ app: 'shop', fleet: 'product', engine: new MemoryEngine(hub) }));
  let runs = 0;
  const load = () => setImmediate(`a lamp of run ${++runs}`);
  deepEqual(await Promise.all(groups.map((group) => group.run('42', load))), Array(2).fill('a lamp of run 1'));
  equal(runs, 1);
  for (const group of groups) await group.close();
  throws(() => new RedisEngine({ client: {} }), { code: 'ERR_SINGLEFLIGHT_INVALID_OPTION' });
  throws(() => new PostgresEngine({ pool: {} }), { code: 'ERR_SINGLEFLIGHT_INVALID_OPTION' });
  equal(new PostgresEngine({ pool: { query() {}, connect() {} } }).name, 'postgres');
  console.log('two processes of a fleet, one run; the engines load without their clients');
};
