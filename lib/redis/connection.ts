import type { Script } from './lua.js';

/** A value of a script or a message: bytes, because payloads are. */
export type Bytes = string | Uint8Array;

/**
 * What the engine needs of a client: one small adapter each for ioredis and node-redis. Strings in answers come as
 * Buffers, numbers as numbers, nil as null.
 */
export interface RedisConnection {
  /** Whether a command that is sent now goes out now, and does not wait in a queue for the connection to come back. */
  readonly ready: boolean;
  /** Waits until it is ready; rejects at the first error. */
  whenReady(signal: AbortSignal): Promise<void>;
  run(script: Script, keys: readonly string[], args: readonly Bytes[]): Promise<unknown>;
  /** HMGET, outside of Lua. */
  fetch(key: string, fields: readonly string[]): Promise<readonly unknown[]>;
  /** INFO of one node; undefined where it is not allowed. */
  info(section: string): Promise<string | undefined>;
  subscribe(channel: string, listener: InboxListener): Subscription;
}

export interface InboxListener {
  message(message: Uint8Array): void;
  /** The channel is subscribed to: for the first time, or again after messages may have been missed. */
  live(): void;
  /** The server refuses the subscription; a lost connection is not told, it comes back. */
  refused(error: unknown): void;
}

export interface Subscription {
  /** Ends it; the connection too, if it is not the user's. */
  close(): Promise<void>;
}

/** An answer of the server, as against one of the connection: `NOPERM …`. */
export function isServerError(error: unknown): error is Error {
  return error instanceof Error && /^[A-Z]{2,} /.test(error.message);
}

export function isMissingScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

export function ignore(): void {
  // Whoever asked has been answered, or nobody asked.
}
