import { EngineTimeoutError, EngineUnavailableError } from './errors.js';

/** What an engine asks its server, as errors name it, and for how long. */
export interface Question {
  readonly engine: string;
  readonly operation: string;
  readonly signal: AbortSignal;
  /** Why the server has refused it, as a sentence. */
  readonly refusalOf: (error: unknown) => Error;
}

/** Sends it and waits; what comes after the signal is told to `onLate` only. */
export function ask<T>(
  { engine, operation, signal, refusalOf }: Question,
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

/** What came of it, or an error of these words after so long; what comes later is told to `onLate` only. */
export function within<T>(promise: Promise<T>, ms: number, otherwise: string, onLate = ignore as (late: T) => void) {
  return new Promise<T>((resolve, reject) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      reject(new Error(otherwise));
    }, ms);
    promise.then((value) => {
      clearTimeout(timer);
      if (isLate) onLate(value);
      else resolve(value);
    }, reject);
    promise.catch(ignore).finally(() => {
      clearTimeout(timer);
    });
  });
}

function ignore(): void {
  // Whoever asked has been answered.
}
