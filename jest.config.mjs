import { availableParallelism } from 'node:os';

/** What swc makes of a TypeScript file: with Nest's decorators, or with those of TC39. */
const swc = (transform) => [
  '@swc/jest',
  {
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { useDefineForClassFields: false, ...transform },
      keepClassNames: true,
    },
    module: { type: 'es6' },
    sourceMaps: 'inline',
  },
];

/** @type {import('jest').Config} */
export default {
  rootDir: '.',
  roots: ['<rootDir>/test', '<rootDir>/sample-app/test'],
  testEnvironment: 'node',
  testMatch: ['**/*.spec.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  injectGlobals: false,
  moduleNameMapper: {
    '^nestjs-singleflight$': '<rootDir>/lib/index.ts',
    '^nestjs-singleflight/core$': '<rootDir>/lib/core/index.ts',
    '^nestjs-singleflight/fleet$': '<rootDir>/lib/fleet/index.ts',
    '^nestjs-singleflight/postgres$': '<rootDir>/lib/postgres/index.ts',
    '^nestjs-singleflight/redis$': '<rootDir>/lib/redis/index.ts',
    '^nestjs-singleflight/testing$': '<rootDir>/lib/testing/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: {
    '\\.tc39\\.spec\\.ts$': swc({ decoratorVersion: '2022-03' }),
    '\\.ts$': swc({ legacyDecorator: true, decoratorMetadata: true }),
  },
  testTimeout: 30_000,
  // Jest leaves a core to itself, which on a machine of two is half of it.
  maxWorkers: Math.max(2, availableParallelism() - 1),
};
