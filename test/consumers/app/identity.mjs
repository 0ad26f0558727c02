// Whoever imports and whoever requires the library in one process must get the same classes: injection goes by them.
import { equal } from 'node:assert/strict';
import { createRequire } from 'node:module';
import * as root from 'nestjs-singleflight';
import * as core from 'nestjs-singleflight/core';

const require = createRequire(import.meta.url);

equal(require('nestjs-singleflight').SingleFlightService, root.SingleFlightService);
equal(require('nestjs-singleflight/core').Group, core.Group);
equal(root.Group, core.Group);
console.log('one SingleFlightService, one Group');
