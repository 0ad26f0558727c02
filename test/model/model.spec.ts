import { describe, it } from '@jest/globals';
import fc from 'fast-check';
import { fakeTime, restartTime } from '../support/fake-time.js';
import { groups, program, PROGRAMS, report, SEED, TIMEOUT_MS } from './programs.js';
import { Promises } from './promises.js';
import { SideBySide } from './side-by-side.js';
import { unhandledRejections } from './unhandled.js';

describe('Groups do what their model does, and keep their promises', () => {
  fakeTime();
  const unhandled = unhandledRejections();

  it(
    'in random programs',
    async () => {
      const promises = new Promises();
      const property = fc.asyncProperty(groups, program, async (options, steps) => {
        // A program that failed has left something behind, and others like it are tried next.
        restartTime();
        unhandled.length = 0;
        const pair = new SideBySide(options);
        await pair.takeAll(steps);
        promises.check(pair.driven.end(unhandled));
      });
      await fc.assert(property, { numRuns: PROGRAMS, seed: SEED });
      promises.expectExercised(PROGRAMS);
      report('Model', promises.exercised);
    },
    TIMEOUT_MS,
  );
});
