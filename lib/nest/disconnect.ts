import type { NodeResponse } from './http-exchange.js';

/** Somebody who wants to know that a client goes away before it has its answer. */
export interface Waiting {
  /** Its response; undefined where there is none to listen to. */
  readonly node: NodeResponse | undefined;
  /** Whether it has been answered, so that nothing more is to be known. */
  readonly over: boolean;
  /** What listens for it. Written here alone, once, when the listening begins. */
  onClose: (() => void) | undefined;
  disconnected(): void;
}

/**
 * Has somebody told, once, when the client goes away before it has its answer. It listens from the end of the event
 * loop's turn on: a client does not go in the midst of one, and many are answered before its end.
 */
export function watchClient(waiting: Waiting): void {
  if (arrived === undefined) {
    arrived = [];
    afterTurn(listenAll);
  }
  arrived.push(waiting);
}

/** It is over: nothing listens for it any more. */
export function stopWatching({ node, onClose }: Waiting): void {
  if (onClose !== undefined) node?.removeListener('close', onClose);
}

function listen(waiting: Waiting): void {
  const { node } = waiting;
  if (node === undefined || waiting.over) return;
  // Named before it is kept: a function that is assigned to a property as it is made, V8 makes among the old, and all
  // that it holds, the request and its buffers, stays until the next full collection.
  const closed = (): void => {
    // HTTP/2's response does not say the first.
    if ((node.writableFinished ?? node.writableEnded) !== true) waiting.disconnected();
  };
  if (hasGone(node)) {
    closed();
    return;
  }
  node.on('close', closed);
  waiting.onClose = closed;
}

/** Whether a response cannot be sent any more, because its client has gone. */
export function hasGone({ destroyed, stream }: NodeResponse): boolean {
  // HTTP/2's response has no such property, its stream has.
  return (destroyed ?? stream?.destroyed) === true;
}

// The one of the start: a fake clock's would be put away with all that waits for it.
const afterTurn = setImmediate;

/**
 * Those who have come in this turn of the event loop; undefined between turns: an array that waited there would be among
 * the old when it is filled, and keep what was in it until the next full collection.
 */
let arrived: Waiting[] | undefined;

function listenAll(): void {
  const all = arrived ?? [];
  arrived = undefined;
  for (const waiting of all) listen(waiting);
}
