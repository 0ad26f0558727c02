import { jest } from '@jest/globals';
import * as common from '@nestjs/common';
import * as core from '@nestjs/core';
import type { ClsService as ClsServiceType } from 'nestjs-cls';

/**
 * For libraries of Nest that are CommonJS: they `require` Nest, which is ESM, and Jest can do that on the newest Node
 * only. They get this test's Nest.
 */
jest.doMock('@nestjs/common', () => common);
jest.doMock('@nestjs/core', () => core);
jest.doMock('@nestjs/core/injector/injector', () => injector);
jest.doMock('@nestjs/core/errors/exceptions/unknown-dependencies.exception', () => exceptions);

const injector = await import('@nestjs/core/injector/injector.js');
const exceptions = await import('@nestjs/core/errors/exceptions/unknown-dependencies.exception.js');

export const { ThrottlerGuard, ThrottlerModule } = await import('@nestjs/throttler');
export const { ClsModule, ClsService } = await import('nestjs-cls');
export type ClsService = ClsServiceType;
