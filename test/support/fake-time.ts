import { afterEach, beforeEach, jest } from '@jest/globals';
import { turn } from './turns.js';

/** From here on the tests of this file or `describe` move the time themselves. Promises and microtasks stay real. */
export function fakeTime(): void {
  beforeEach(() => {
    useFakeTime();
  });
  afterEach(() => {
    jest.useRealTimers();
  });
}

/** Begins anew within one test: whatever runs on the time so far never gets its turn. */
export function restartTime(): void {
  jest.useRealTimers();
  useFakeTime();
}

/** Lets the time pass, and everything happen that was due. */
export async function pass(ms: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms);
  await turn();
}

function useFakeTime(): void {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
}
