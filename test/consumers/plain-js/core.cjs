const { throws } = require('node:assert/strict');
const { Group } = require('nestjs-singleflight/core');
const fleet = require('nestjs-singleflight/fleet');
const postgres = require('nestjs-singleflight/postgres');
const redis = require('nestjs-singleflight/redis');
const { held } = require('nestjs-singleflight/testing');
const { checkEngines } = require('./check-engines.cjs');
const { checkOneRun } = require('./check-one-run.cjs');

throws(() => require.resolve('@nestjs/common'), { code: 'MODULE_NOT_FOUND' });
void checkOneRun(Group, held).then(() => checkEngines(fleet, redis, postgres));
