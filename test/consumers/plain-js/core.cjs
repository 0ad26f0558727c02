const { throws } = require('node:assert/strict');
const { Group } = require('nestjs-singleflight/core');
const { held } = require('nestjs-singleflight/testing');
const { checkOneRun } = require('./check-one-run.cjs');

throws(() => require.resolve('@nestjs/common'), { code: 'MODULE_NOT_FOUND' });
void checkOneRun(Group, held);
