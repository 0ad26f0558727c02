import type { Bytes, InboxListener, RedisConnection, Subscription } from './connection.js';
import type { Script } from './lua.js';

/** A connection that the engine may open and end. */
export interface Ownable extends RedisConnection {
  /** Connects, if the client does not do so by itself, and takes its errors: nobody else listens. */
  open(): void;
  close(): void;
}

/** A connection by a client of the engine's own: made when it is first needed, so that an engine without work has none. */
export class OwnConnection implements RedisConnection {
  /** Written by {@link opened} and {@link close}. */
  private current: Ownable | undefined = undefined;

  constructor(private readonly make: () => Ownable) {}

  get ready(): boolean {
    return this.current?.ready ?? false;
  }

  whenReady(signal: AbortSignal): Promise<void> {
    return this.opened().whenReady(signal);
  }

  run(script: Script, keys: readonly string[], args: readonly Bytes[]): Promise<unknown> {
    return this.opened().run(script, keys, args);
  }

  fetch(key: string, fields: readonly string[]): Promise<readonly unknown[]> {
    return this.opened().fetch(key, fields);
  }

  info(section: string): Promise<string | undefined> {
    return this.opened().info(section);
  }

  subscribe(channel: string, listener: InboxListener): Subscription {
    return this.opened().subscribe(channel, listener);
  }

  /** The next call makes another. */
  close(): void {
    this.current?.close();
    this.current = undefined;
  }

  private opened(): Ownable {
    if (this.current === undefined) {
      this.current = this.make();
      this.current.open();
    }
    return this.current;
  }
}
