const { deepEqual, equal } = require('node:assert/strict');
const { setImmediate } = require('node:timers/promises');

const CALLERS = 20;

/** Meets a group with many calls at once, and fails unless one run answered them all. */
exports.checkOneRun = async (Group) => {
  const group = new Group({ name: 'products' });
  let runs = 0;
  const load = async () => {
    runs++;
    return setImmediate(`product ${runs}`);
  };
  const answers = await Promise.all(Array.from({ length: CALLERS }, () => group.run('1', load)));
  deepEqual(answers, Array(CALLERS).fill('product 1'));
  equal(runs, 1);
  equal(group.size, 0);
  console.log(`${CALLERS} answers of one run`);
};
