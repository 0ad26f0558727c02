/**
 * The time of the event loop's current turn, in whole milliseconds on the monotonic clock: the clock is read once per
 * turn, as libuv does, because a flight's age need not be known more exactly and reading the clock for every call would
 * cost more than joining a flight does. Whole, because V8 keeps a small integer in the object itself and any other
 * number beside it.
 */
export function turnTime(): number {
  // The comparison guards against fake timers: an immediate of a fake clock that was put away again would never run.
  if (readWith === setImmediate) return time;
  return readClock();
}

let time = 0;
let readWith: typeof setImmediate | undefined;

function readClock(): number {
  time = Math.floor(performance.now());
  readWith = setImmediate;
  // Referenced on purpose: without it the loop may sleep until the next event with the old time in place.
  setImmediate(turnOver);
  return time;
}

function turnOver(): void {
  readWith = undefined;
}
