import { nodeResponseOf, type HttpResponse, type NodeResponse } from './http-exchange.js';

/** Somebody who wants to know that a client goes away before it has its answer. */
export interface Waiting {
  readonly response: HttpResponse;
  /** Whether it has been answered, so that nothing more is to be known. */
  readonly over: boolean;
  /** To be called when it is over. Written once, when the listening begins. */
  stopWatching: (() => void) | undefined;
  disconnected(): void;
}

/**
 * Has somebody told, once, when the client goes away before it has its answer. It listens from the end of the event
 * loop's turn on: a client does not go in the midst of one, and many are answered before its end.
 */
export function watchClient(waiting: Waiting): void {
  if (arrived.push(waiting) === 1) afterTurn(listenAll);
}

function listen(waiting: Waiting): void {
  if (waiting.over) return;
  const node = nodeResponseOf(waiting.response);
  if (node === undefined) return;
  const closed = (): void => {
    // HTTP/2's response does not say the first.
    if ((node.writableFinished ?? node.writableEnded) !== true) waiting.disconnected();
  };
  if (hasGone(node)) {
    closed();
    return;
  }
  node.on('close', closed);
  waiting.stopWatching = () => {
    node.removeListener('close', closed);
  };
}

/** Whether a response cannot be sent any more, because its client has gone. */
export function hasGone({ destroyed, stream }: NodeResponse): boolean {
  // HTTP/2's response has no such property, its stream has.
  return (destroyed ?? stream?.destroyed) === true;
}

// The one of the start: a fake clock's would be put away with all that waits for it.
const afterTurn = setImmediate;

/** Those who have come in this turn of the event loop. */
let arrived: Waiting[] = [];

function listenAll(): void {
  const all = arrived;
  arrived = [];
  for (const waiting of all) listen(waiting);
}
