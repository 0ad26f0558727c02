import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { hasDefaultExport, importsOf, type Files, type Import } from '../support/imports.js';

const LIB = fileURLToPath(new URL('../../lib', import.meta.url));

/** The house: what each part may import of the others, and of what is not ours. */
const ARROWS: Readonly<Record<string, { readonly parts: readonly string[]; readonly packages: readonly string[] }>> = {
  core: { parts: [], packages: ['node:diagnostics_channel', 'node:async_hooks'] },
  rx: { parts: ['core'], packages: ['rxjs'] },
  fleet: { parts: ['core'], packages: ['node:'] },
  nest: {
    parts: ['core', 'rx', 'fleet'],
    packages: ['node:', 'rxjs', 'reflect-metadata', '@nestjs/common', '@nestjs/core'],
  },
  postgres: { parts: ['core', 'fleet'], packages: ['node:'] },
  redis: { parts: ['core', 'fleet'], packages: ['node:'] },
  observe: {
    parts: ['core'],
    packages: ['node:', '@opentelemetry/', 'prom-client', '@nestjs/common', '@nestjs/terminus'],
  },
  testing: { parts: ['core', 'fleet'], packages: ['node:'] },
};

/** Every rule that the files break, in words. */
function violationsOf(files: Files): string[] {
  const imports = importsOf(files);
  return [
    ...imports.flatMap((one) => [arrow(one), barrel(one), deepImport(one)]),
    ...Object.entries(files).map(([path, text]) =>
      hasDefaultExport(path, text) ? `${path} has a default export` : '',
    ),
    ...circles(imports.filter(({ value }) => value)),
  ].filter((violation) => violation !== '');
}

function arrow({ from, to, relative: isFile }: Import): string {
  const part = partOf(from);
  if (part === '' || (isFile && partOf(to) === part)) return '';
  const allowed = ARROWS[part];
  if (allowed === undefined) return `${from} is in no part of the house`;
  const isAllowed = isFile
    ? allowed.parts.includes(partOf(to))
    : allowed.packages.some((name) => to === name || (/[:/]$/.test(name) && to.startsWith(name)));
  return isAllowed ? '' : `${from} imports ${to}`;
}

function barrel({ from, to }: Import): string {
  return to.endsWith('index.ts') && partOf(from) !== '' ? `${from} imports the barrel ${to}` : '';
}

function deepImport({ from, to }: Import): string {
  return /^@nestjs\/[^/]+\//.test(to) ? `${from} reaches into ${to}` : '';
}

function circles(imports: readonly Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of imports) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const found: string[] = [];
  const walk = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) found.push(`circle: ${[...path.slice(path.indexOf(file)), file].join(' → ')}`);
    if (path.includes(file) || done.has(file)) return;
    for (const other of next.get(file) ?? []) walk(other, [...path, file]);
    done.add(file);
  };
  for (const file of next.keys()) walk(file, []);
  return found;
}

/** The directory directly below lib; empty for the root entry point. */
function partOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : '';
}

function library(): Files {
  const paths = readdirSync(LIB, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
  return Object.fromEntries(
    paths.map((path) => [relative('.', path).split(sep).join('/'), readFileSync(join(LIB, path), 'utf8')]),
  );
}

describe('The house', () => {
  it('has arrows in one direction only, no barrel inside, no default export, no circle', () => {
    const files = library();
    expect(Object.keys(files)).toEqual(expect.arrayContaining(['index.ts', 'core/group.ts', 'rx/do-chan.ts']));
    expect(importsOf(files).length).toBeGreaterThan(Object.keys(files).length);
    expect(violationsOf(files)).toEqual([]);
  });

  it('is seen to stand', () => {
    expect(
      violationsOf({
        'index.ts': "export { Group } from './core/group.js';\nexport * from './nest/module.js';",
        'core/group.ts': "import { channel } from 'node:diagnostics_channel';\nimport type { B } from './b.js';",
        'core/b.ts': "import { type Group } from './group.js';\nimport { AsyncLocalStorage } from 'node:async_hooks';",
        'rx/do-chan.ts': "import { Observable } from 'rxjs';\nimport type { Group } from '../core/group.js';",
        'nest/module.ts': "import { Module } from '@nestjs/common';\nimport { doChan } from '../rx/do-chan.js';",
        'redis/engine.ts': "import type { Engine } from '../fleet/engine.js';",
        'fleet/engine.ts': "import { Group } from '../core/group.js';",
      }),
    ).toEqual([]);
  });

  it.each<[string, Files, string[]]>([
    ['core → rx', { 'core/a.ts': "import '../rx/b.js';" }, ['core/a.ts imports rx/b.ts']],
    ['core → rx, types only', { 'core/a.ts': "import type { B } from '../rx/b.js';" }, ['core/a.ts imports rx/b.ts']],
    ['core → a package', { 'core/a.ts': "import { of } from 'rxjs';" }, ['core/a.ts imports rxjs']],
    ['core → Node', { 'core/a.ts': "import { inspect } from 'node:util';" }, ['core/a.ts imports node:util']],
    ['core → Node by its old name', { 'core/a.ts': "import 'async_hooks';" }, ['core/a.ts imports async_hooks']],
    ['core → the root', { 'core/a.ts': "import { x } from '../x.js';" }, ['core/a.ts imports x.ts']],
    ['a re-export', { 'core/a.ts': "export { b } from '../nest/b.js';" }, ['core/a.ts imports nest/b.ts']],
    ['an import()', { 'core/a.ts': "const b = await import('../nest/b.js');" }, ['core/a.ts imports nest/b.ts']],
    ['a type import()', { 'core/a.ts': "type B = import('../nest/b.js').B;" }, ['core/a.ts imports nest/b.ts']],
    ['rx → nest', { 'rx/a.ts': "import { b } from '../nest/b.js';" }, ['rx/a.ts imports nest/b.ts']],
    ['fleet → redis', { 'fleet/a.ts': "import { b } from '../redis/b.js';" }, ['fleet/a.ts imports redis/b.ts']],
    ['redis → nest', { 'redis/a.ts': "import { b } from '../nest/b.js';" }, ['redis/a.ts imports nest/b.ts']],
    ['redis → a client', { 'redis/a.ts': "import { Redis } from 'ioredis';" }, ['redis/a.ts imports ioredis']],
    [
      'postgres → redis',
      { 'postgres/a.ts': "import { b } from '../redis/b.js';" },
      ['postgres/a.ts imports redis/b.ts'],
    ],
    ['postgres → a client', { 'postgres/a.ts': "import { Pool } from 'pg';" }, ['postgres/a.ts imports pg']],
    ['observe → nest', { 'observe/a.ts': "import { b } from '../nest/b.js';" }, ['observe/a.ts imports nest/b.ts']],
    ['testing → nest', { 'testing/a.ts': "import { b } from '../nest/b.js';" }, ['testing/a.ts imports nest/b.ts']],
    [
      'a part of no house',
      { 'shed/a.ts': "import { b } from '../core/b.js';" },
      ['shed/a.ts is in no part of the house'],
    ],
    [
      'a barrel from inside',
      { 'nest/a.ts': "import { Group } from '../core/index.js';" },
      ['nest/a.ts imports the barrel core/index.ts'],
    ],
    [
      'a barrel of its own part',
      { 'core/a.ts': "import { Group } from './index.js';" },
      ['core/a.ts imports the barrel core/index.ts'],
    ],
    [
      'a deep import into Nest',
      { 'nest/a.ts': "import { x } from '@nestjs/common/constants.js';" },
      ['nest/a.ts imports @nestjs/common/constants.js', 'nest/a.ts reaches into @nestjs/common/constants.js'],
    ],
    ['a default export', { 'core/a.ts': 'export default class A {}' }, ['core/a.ts has a default export']],
    ['another', { 'core/a.ts': 'const a = 1;\nexport default a;' }, ['core/a.ts has a default export']],
    ['one more', { 'core/a.ts': 'const a = 1;\nexport { a as default };' }, ['core/a.ts has a default export']],
    [
      'a circle',
      {
        'core/a.ts': "import { b } from './b.js';",
        'core/b.ts': "import { c } from './c.js';",
        'core/c.ts': "import { a } from './a.js';",
      },
      ['circle: core/a.ts → core/b.ts → core/c.ts → core/a.ts'],
    ],
  ])('would be seen to fall: %s', (_, files, violations) => {
    expect(violationsOf(files)).toEqual(violations);
  });
});
