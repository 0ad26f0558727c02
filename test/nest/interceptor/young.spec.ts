import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { compiledProgram } from '../../support/compiled.js';

/** A young generation that what is under way fits into, so that only what is kept becomes old. */
const FLAGS = ['--expose-gc', '--min-semi-space-size=32', '--max-semi-space-size=32'];

describe('Requests that were answered go with the next minor collection', () => {
  const program = compiledProgram(
    'test/nest/interceptor/young/program.js',
    'lib',
    'test/nest/interceptor',
    'test/support',
  );

  it.each([
    ['of those that lead', 0],
    ['of those that lead and the four that follow each', 4],
  ])('%s', async (_name, followers) => {
    const { stdout } = await promisify(execFile)(process.execPath, [...FLAGS, program(), String(followers)]);
    const { all, kept } = JSON.parse(stdout) as { all: number; kept: number };
    expect(kept).toBeLessThan(all / 10);
  });
});
