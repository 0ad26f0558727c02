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
