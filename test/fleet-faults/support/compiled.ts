import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from '@jest/globals';
import { transformFileSync } from '@swc/core';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const FOLDERS = ['lib/core', 'lib/fleet', 'lib/redis', 'lib/testing', 'test/fleet-faults/process'];

/** The program of a process of the fleet, with the part of the library that it needs, as JavaScript in a folder of its own. */
export function compiledProgram(): () => string {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'singleflight-fleet-'));
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'dir');
    for (const part of FOLDERS) {
      for (const file of readdirSync(join(ROOT, part), { recursive: true, encoding: 'utf8' })) {
        if (file.endsWith('.ts')) compile(join(part, file), folder);
      }
    }
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return () => join(folder, 'test/fleet-faults/process/program.js');
}

function compile(file: string, folder: string): void {
  const { code } = transformFileSync(join(ROOT, file), {
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'es6' },
  });
  const target = join(folder, file.replace(/ts$/, 'js'));
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, code);
}
