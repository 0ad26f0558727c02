import { afterEach, beforeEach, jest } from '@jest/globals';
import { turn } from './turns.js';

/** From here on the tests of this file or `describe` move the time themselves. Promises and microtasks stay real. */
export function fakeTime(): void {
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
  });
  afterEach(() => {
    jest.useRealTimers();
  });
}

/** Lets the time pass, and everything happen that was due. */
export async function pass(ms: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms);
  await turn();
}
