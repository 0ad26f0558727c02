import { equal, throws } from 'node:assert/strict';
import { createRequire } from 'node:module';
import { Group } from 'nestjs-singleflight/core';
import * as fleet from 'nestjs-singleflight/fleet';
import * as postgres from 'nestjs-singleflight/postgres';
import * as redis from 'nestjs-singleflight/redis';
import { held } from 'nestjs-singleflight/testing';
import { checkEngines } from './check-engines.cjs';
import { checkOneRun } from './check-one-run.cjs';

const require = createRequire(import.meta.url);

throws(() => require.resolve('@nestjs/common'), { code: 'MODULE_NOT_FOUND' });
equal(require('nestjs-singleflight/core').Group, Group);
equal(require('nestjs-singleflight/postgres').PostgresEngine, postgres.PostgresEngine);
equal(require('nestjs-singleflight/redis').RedisEngine, redis.RedisEngine);
await checkOneRun(Group, held);
await checkEngines(fleet, redis, postgres);
