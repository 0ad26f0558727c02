import { ignore, isServerError, type InboxListener, type Subscription } from './connection.js';

/** A connection to one node of a cluster that is not made again when it ends. */
export interface NodeConnection {
  /** Connects and subscribes; rejects when either fails. */
  open(channel: string, onMessage: (message: Uint8Array) => void, onEnd: () => void): Promise<void>;
  close(): void;
}

const FIRST_DELAY_MS = 50;
const LONGEST_DELAY_MS = 2_000;

/**
 * A subscription at any node of a cluster: a classic PUBLISH reaches every one of them. When that node's connection ends,
 * it moves to another, and says so once it is live there.
 */
export class NodeSubscription implements Subscription {
  /** Written by `open` and `close`. */
  private current: NodeConnection | undefined = undefined;
  /** Written once, by `close`. */
  private closed = false;
  /** Written when a node could not be had, and when one could. */
  private delayMs = FIRST_DELAY_MS;

  constructor(
    private readonly channel: string,
    private readonly listener: InboxListener,
    private readonly nextNode: () => Promise<NodeConnection | undefined>,
  ) {
    void this.open();
  }

  close(): Promise<void> {
    this.closed = true;
    this.current?.close();
    return Promise.resolve();
  }

  private async open(): Promise<void> {
    const node = await this.nextNode().catch(ignore);
    if (node === undefined) {
      this.openLater();
      return;
    }
    this.current = node;
    try {
      await node.open(
        this.channel,
        (message) => {
          this.listener.message(message);
        },
        () => {
          this.leave(node);
        },
      );
      if (this.closed) node.close();
      if (this.closed || this.current !== node) return;
      this.delayMs = FIRST_DELAY_MS;
      this.listener.live();
    } catch (error) {
      if (isServerError(error)) this.listener.refused(error);
      this.leave(node);
    }
  }

  /** Once per node, whichever way it ends. */
  private leave(node: NodeConnection): void {
    if (this.current !== node) return;
    this.current = undefined;
    node.close();
    this.openLater();
  }

  private openLater(): void {
    if (this.closed) return;
    setTimeout(() => {
      if (!this.closed) void this.open();
    }, this.delayMs).unref();
    this.delayMs = Math.min(this.delayMs * 2, LONGEST_DELAY_MS);
  }
}
