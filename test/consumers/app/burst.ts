import { subscribe, unsubscribe } from 'node:diagnostics_channel';

/** How many requests a burst has. */
export const CALLERS = 20;
const TIMEOUT_MS = 20_000;
const JOIN = 'nestjs-singleflight:flight:join';

/** Sends the same request many times at once; their answers. */
export function burst(url: string): Promise<unknown[]> {
  return Promise.all(Array.from({ length: CALLERS }, () => answerOf(url)));
}

async function answerOf(url: string): Promise<unknown> {
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}

/** Resolves when so many callers have joined flights of others, from now on. */
export function joins(count: number): Promise<void> {
  return new Promise((resolve) => {
    let joined = 0;
    const listen = (): void => {
      if (++joined < count) return;
      unsubscribe(JOIN, listen);
      resolve();
    };
    subscribe(JOIN, listen);
  });
}
