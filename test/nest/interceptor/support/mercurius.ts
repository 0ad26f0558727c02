import { createRequire } from 'node:module';
import { jest } from '@jest/globals';

/**
 * Mercurius is CommonJS, and what it serves GraphiQL with `require`s a library that is ESM, which Jest can do on the
 * newest Node only. It gets the same library, imported.
 */
const require = createRequire(import.meta.url);
const esm = createRequire(require.resolve('@fastify/static')).resolve('content-disposition');
const contentDisposition = (await import(esm)) as object;
jest.doMock(esm, () => contentDisposition);

export const { MercuriusDriver } = await import('@nestjs/mercurius');
