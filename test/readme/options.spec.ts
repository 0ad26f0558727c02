import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { CALL_OPTIONS, GROUP_OPTIONS } from '../../lib/core/options.js';
import { HTTP_OPTIONS, MODULE_OPTIONS } from '../../lib/nest/module-options.js';
import { DECORATOR_OPTIONS } from '../../lib/nest/single-flight.decorator.js';

const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
const blocks = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code ?? '');

/** An option of a call that is written out, and not merely a property of that name. */
const given = (option: string, where: RegExp): boolean =>
  blocks.some((code) => where.test(code) && new RegExp(`\\b${option}(:|,| \\})`).test(code));

describe('the README gives an example of', () => {
  it.each([...CALL_OPTIONS])('the option %s of a call', (option) => {
    expect(given(option, /singleFlight\.run\(/)).toBe(true);
  });

  it.each([...GROUP_OPTIONS])('the option %s of a group', (option) => {
    expect(given(option, /new Group|forFeature\(|forRoot\(/)).toBe(true);
  });

  it.each([...DECORATOR_OPTIONS])('the option %s of the decorator', (option) => {
    expect(given(option, /@SingleFlight\(/)).toBe(true);
  });

  it.each([
    'isGlobal',
    ...MODULE_OPTIONS.filter((option) => !GROUP_OPTIONS.includes(option as never)),
    ...HTTP_OPTIONS,
  ])('the option %s of the module', (option) => {
    expect(given(option, /forRoot(Async)?\(/)).toBe(true);
  });

  it('and the option graceMs of close', () => {
    expect(readme).toMatch(/close\(\{ graceMs/);
  });
});
