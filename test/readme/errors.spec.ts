import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import * as library from '../../lib/index.js';
import { SingleFlightError } from '../../lib/index.js';

const page = readFileSync(join(import.meta.dirname, '../../docs/errors.md'), 'utf8');
const sources = readFileSync(join(import.meta.dirname, '../../lib/core/errors.ts'), 'utf8');

const classes = Object.entries(library)
  .filter(([, value]) => typeof value === 'function' && value.prototype instanceof SingleFlightError)
  .map(([name]) => name);

describe('docs/errors.md', () => {
  const codes = [...page.matchAll(/^## (\w+)\n\n`(\w+)`/gm)].map(([, code, name]) => ({ code, name }));

  it('has every error class of the library under its code', () => {
    expect(codes.map(({ name }) => name).sort()).toEqual(classes.sort());
    for (const { code, name } of codes) {
      expect(`${code}`).toBe(
        `ERR_SINGLEFLIGHT_${name!
          .replace(/Error$/, '')
          .replace(/(?<=.)([A-Z])/g, '_$1')
          .toUpperCase()}`,
      );
    }
  });

  it('says cause and remedy of each', () => {
    for (const section of page.split(/^## /m).slice(1)) {
      expect(section).toMatch(/\*\*Cause\.\*\*/);
      expect(section).toMatch(/\*\*Remedy\.\*\*/);
    }
  });

  it('is where the code at the end of each message leads', () => {
    expect(sources).toContain('super(`${message} [${code}]`');
  });
});
