import { equal, throws } from 'node:assert/strict';
import { createRequire } from 'node:module';
import { Group } from 'nestjs-singleflight/core';
import { held } from 'nestjs-singleflight/testing';
import { checkOneRun } from './check-one-run.cjs';

const require = createRequire(import.meta.url);

throws(() => require.resolve('@nestjs/common'), { code: 'MODULE_NOT_FOUND' });
equal(require('nestjs-singleflight/core').Group, Group);
await checkOneRun(Group, held);
