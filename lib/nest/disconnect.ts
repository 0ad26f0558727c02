import { nodeResponseOf, type HttpResponse, type NodeResponse } from './http-exchange.js';

/** Somebody who wants to know that a client goes away before it has its answer. */
export interface Waiting {
  readonly response: HttpResponse;
  /** Whether it has been answered, so that nothing more is to be known. */
  readonly over: boolean;
  disconnected(): void;
}

/**
 * Has somebody told, once, when the client goes away before it has its answer. It listens from the end of the event
 * loop's turn on: a client does not go in the midst of one, and many are answered before its end.
 */
export class Disconnect {
  private node: NodeResponse | undefined = undefined;
  /** Written once, when it begins to listen. */
  private listener: (() => void) | undefined = undefined;

  constructor(private readonly waiting: Waiting) {
    if (arrived.push(this) === 1) afterTurn(listenAll);
  }

  /** Nobody is told any more. */
  stop(): void {
    if (this.listener !== undefined) this.node?.removeListener('close', this.listener);
  }

  listen(): void {
    if (this.waiting.over) return;
    const node = nodeResponseOf(this.waiting.response);
    if (node === undefined) return;
    const closed = (): void => {
      // HTTP/2's response does not say the first.
      if ((node.writableFinished ?? node.writableEnded) !== true) this.waiting.disconnected();
    };
    if (hasGone(node)) {
      closed();
      return;
    }
    this.node = node;
    this.listener = closed;
    node.on('close', this.listener);
  }
}

/** Whether a response cannot be sent any more, because its client has gone. */
export function hasGone({ destroyed, stream }: NodeResponse): boolean {
  // HTTP/2's response has no such property, its stream has.
  return (destroyed ?? stream?.destroyed) === true;
}

// The one of the start: a fake clock's would be put away with all that waits for it.
const afterTurn = setImmediate;

/** Those who have come in this turn of the event loop. */
let arrived: Disconnect[] = [];

function listenAll(): void {
  const all = arrived;
  arrived = [];
  for (const disconnect of all) disconnect.listen();
}
