import type { EventEmitter } from 'node:events';
import { runInThisContext } from 'node:vm';
import { afterEach, beforeEach } from '@jest/globals';

/** The rejections that nobody has handled, as they come, for as long as a test of this `describe` runs. */
export function unhandledRejections(): unknown[] {
  // Jest gives its tests a copy of `process`, which hears of nothing.
  const process = runInThisContext('process') as EventEmitter;
  const unhandled: unknown[] = [];
  const hear = (error: unknown): void => {
    unhandled.push(error);
  };
  beforeEach(() => {
    process.on('unhandledRejection', hear);
  });
  afterEach(() => {
    process.off('unhandledRejection', hear);
  });
  return unhandled;
}
