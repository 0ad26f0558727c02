/** What the engine needs of a `pg` Pool, version 8 or later. */
export interface PostgresPool {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  connect(): Promise<PostgresClient>;
  readonly options?: { readonly max?: number };
}

/** What it needs of a connection that listens: a `pg` Client that is connected, or one out of a pool. */
export interface PostgresClient {
  query(text: string): Promise<unknown>;
  on(event: 'notification', listener: (message: PostgresNotification) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  /** Of one out of a pool: `true` closes it. */
  release?(destroy: boolean): void;
  /** Of one that is in no pool. */
  end?(): Promise<void>;
}

export interface PostgresNotification {
  readonly channel: string;
  readonly payload?: string | undefined;
}

/** Closes a connection of ours. */
export function discard(client: PostgresClient): void {
  if (client.release !== undefined) client.release(true);
  else void client.end?.().catch(ignore);
}

export function ignore(): void {
  // Whoever asked has been answered, or nobody asked.
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
