const { deepEqual, equal } = require('node:assert/strict');

const CALLERS = 20;

/** Meets a group with many calls at once, and fails unless one run, held until all have called, answered them all. */
exports.checkOneRun = async (Group, held) => {
  const group = new Group({ name: 'products' });
  const load = held();
  const answers = Promise.all(Array.from({ length: CALLERS }, () => group.run('1', load)));
  load.release('a lamp');
  deepEqual(await answers, Array(CALLERS).fill('a lamp'));
  equal(load.calls, 1);
  equal(group.size, 0);
  console.log(`${CALLERS} answers of one run`);
};
