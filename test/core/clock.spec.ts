import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { turnTime } from '../../lib/core/clock.js';
import { turn } from '../support/turns.js';

describe('turnTime', () => {
  afterEach(() => {
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  it('reads the clock once in a turn of the event loop', async () => {
    await turn();
    const reads = jest.spyOn(performance, 'now');
    const times = Array.from({ length: 100 }, () => turnTime());
    await Promise.resolve();
    times.push(turnTime());
    expect(reads).toHaveBeenCalledTimes(1);
    expect(new Set(times).size).toBe(1);
    await turn();
    await turn();
    turnTime();
    expect(reads).toHaveBeenCalledTimes(2);
  });

  it('follows the time of fake timers, and goes back to the real one', async () => {
    const before = turnTime();
    jest.useFakeTimers();
    const start = turnTime();
    jest.advanceTimersByTime(5_000);
    expect(turnTime() - start).toBe(5_000);
    jest.useRealTimers();
    await turn();
    expect(turnTime()).toBeGreaterThanOrEqual(before);
    expect(turnTime()).toBeLessThan(before + 60_000);
  });

  it('is not held up by fake timers that were put away before they ran', () => {
    for (let round = 0; round < 3; round++) {
      jest.useFakeTimers();
      const start = turnTime();
      jest.advanceTimersByTime(100);
      expect(turnTime() - start).toBe(100);
      jest.useRealTimers();
    }
  });

  it('is the time at which a timer fires, for what the timer calls', () => {
    jest.useFakeTimers();
    const start = turnTime();
    const seen: number[] = [];
    for (const ms of [10, 20, 30]) setTimeout(() => seen.push(turnTime() - start), ms);
    jest.advanceTimersByTime(30);
    expect(seen).toEqual([10, 20, 30]);
  });
});
