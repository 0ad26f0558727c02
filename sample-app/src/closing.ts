export interface Closable {
  close(): Promise<unknown>;
  /** For somebody who presses Ctrl-C again: the same without waiting for anybody. */
  closeAtOnce?(): Promise<void>;
}

/** What is open, and the signals that ask to close it: the first one politely, the second one at once. */
export class Closing {
  private readonly interruption = new AbortController();
  /** Promises: what is half open, such as a server that is being started, must be closed as well. */
  private readonly opened: Promise<Closable>[] = [];

  constructor() {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(name, () => {
        if (!this.interrupted.aborted) this.interruption.abort();
        else void this.closeAtOnce();
      });
    }
  }

  /** Aborted by the first signal. */
  get interrupted(): AbortSignal {
    return this.interruption.signal;
  }

  async open<T extends Closable>(opening: Promise<T>): Promise<T> {
    this.opened.push(opening);
    const opened = await opening;
    this.interrupted.throwIfAborted();
    return opened;
  }

  untilInterrupted(): Promise<void> {
    return new Promise((resolve) => {
      if (this.interrupted.aborted) resolve();
      this.interrupted.addEventListener('abort', () => {
        resolve();
      });
    });
  }

  closeAll(): Promise<void> {
    return this.closeEach((closable) => closable.close());
  }

  private async closeAtOnce(): Promise<void> {
    await this.closeEach(async (closable) => closable.closeAtOnce?.());
    process.exit(130);
  }

  /** The latest first: what was opened later may use what was there before. */
  private async closeEach(close: (closable: Closable) => Promise<unknown>): Promise<void> {
    for (const opening of this.opened.toReversed()) {
      const closable = await opening.catch(() => undefined);
      if (closable) await close(closable).catch(report);
    }
  }
}

function report(error: unknown): void {
  console.error('Could not close everything:', error);
}
