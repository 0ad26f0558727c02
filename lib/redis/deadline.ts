import { EngineTimeoutError, EngineUnavailableError } from '../fleet/errors.js';
import { ignore } from './connection.js';
import { refusalOf } from './refusals.js';

/** What is asked, as errors name it, and for how long. */
export interface Question {
  readonly engine: string;
  readonly operation: string;
  readonly signal: AbortSignal;
}

/** Sends it and waits; what comes after the signal is told to `onLate` only. */
export function ask<T>(
  { engine, operation, signal }: Question,
  send: () => Promise<T>,
  onLate: (answer: T) => void = ignore,
): Promise<T> {
  const askedAt = performance.now();
  return new Promise((resolve, reject) => {
    let isLate = false;
    const giveUp = (): void => {
      isLate = true;
      reject(new EngineTimeoutError(engine, operation, Math.round(performance.now() - askedAt)));
    };
    if (signal.aborted) {
      giveUp();
      return;
    }
    signal.addEventListener('abort', giveUp, { once: true });
    send()
      .finally(() => {
        signal.removeEventListener('abort', giveUp);
      })
      .then(
        (answer) => {
          if (isLate) onLate(answer);
          else resolve(answer);
        },
        (error: unknown) => {
          reject(new EngineUnavailableError(engine, { cause: refusalOf(error) }));
        },
      );
  });
}

/** Waits for so long, and fails with that sentence otherwise. */
export async function within<T>(promise: Promise<T>, ms: number, otherwise: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(otherwise));
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
