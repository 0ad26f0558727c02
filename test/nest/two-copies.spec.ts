import { execFile } from 'node:child_process';

import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { compiledProgram } from '../support/compiled.js';

describe('Two copies of the library in one process', () => {
  const program = compiledProgram('test/nest/two-copies/program.js', 'lib', 'test/nest/two-copies');
  const copy = compiledProgram('lib/index.js', 'lib');

  it('are one to the requests of an app: its module is of one, its interceptor of the other', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [program(), pathToFileURL(copy()).href]);
    expect(JSON.parse(stdout)).toEqual({
      bodies: Array(5).fill('a lamp'),
      runs: 1,
      callers: 5,
      active: 0,
      size: 0,
    });
  });
});
