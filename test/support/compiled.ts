import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from '@jest/globals';
import { transformFileSync } from '@swc/core';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * A program with the part of the library that it needs, as JavaScript in a folder of its own, for processes of their own.
 *
 * @param folders what is compiled, from the project's root; with all of `lib`, it is `nestjs-singleflight` there
 * @returns where the program is, once the tests run
 */
export function compiledProgram(program: string, ...folders: string[]): () => string {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'singleflight-'));
    const manifest = { name: 'nestjs-singleflight', type: 'module', exports: './lib/index.js' };
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'dir');
    for (const part of folders) {
      for (const file of readdirSync(join(ROOT, part), { recursive: true, encoding: 'utf8' })) {
        if (file.endsWith('.ts')) compile(join(part, file), folder);
      }
    }
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return () => join(folder, program);
}

function compile(file: string, folder: string): void {
  const { code } = transformFileSync(join(ROOT, file), {
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
      keepClassNames: true,
    },
    module: { type: 'es6' },
  });
  const target = join(folder, file.replace(/ts$/, 'js'));
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, code);
}
