import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll } from '@jest/globals';
import { transformFileSync } from '@swc/core';

/** How a program ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const CORE = fileURLToPath(new URL('../../lib/core/', import.meta.url));

/**
 * Runs programs in a process of their own, where Jest's sandbox hides nothing: what is left unhandled, what keeps the
 * process alive, what stays on the heap. They see `Group` and everything else that the core exports, as `core`.
 */
export function programs(): (program: string, ...flags: string[]) => Promise<Ended> {
  let directory = '';
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'singleflight-'));
    writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
    for (const file of readdirSync(CORE)) {
      const { code } = transformFileSync(join(CORE, file), {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'es6' },
      });
      writeFileSync(join(directory, file.replace(/ts$/, 'js')), code);
    }
  });
  afterAll(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return (program, ...flags) => {
    const core = pathToFileURL(join(directory, 'index.js')).href;
    const text = `import * as core from '${core}';\nconst { Group } = core;\n${program}`;
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        [...flags, '--input-type=module', '--eval', text],
        { timeout: 20_000 },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
          resolve({ code, stdout: stdout.trim(), stderr: stderr.trim() });
        },
      );
    });
  };
}
