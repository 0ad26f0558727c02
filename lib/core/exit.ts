import { WaitTimeoutError, type ErrorPlace } from './errors.js';
import type { CallOptions } from './options.js';

/** What makes a caller leave: its signal or its time limit. Neither listener nor timer outlives the caller. */
export class Exit {
  private readonly signal: AbortSignal | undefined;
  private readonly timer: NodeJS.Timeout | undefined;

  constructor(
    { signal, waitTimeoutMs }: CallOptions,
    place: () => ErrorPlace,
    readonly leave: (reason: unknown) => void,
  ) {
    this.signal = signal;
    if (signal !== undefined) departuresOf(signal).add(this);
    if (waitTimeoutMs !== undefined && waitTimeoutMs !== Infinity) {
      this.timer = setTimeout(() => {
        leave(new WaitTimeoutError(place(), waitTimeoutMs));
      }, waitTimeoutMs);
    }
  }

  close(): void {
    clearTimeout(this.timer);
    if (this.signal !== undefined) departuresOf(this.signal).delete(this);
  }
}

/** The exits that one signal opens: one listener for all of them, while there are any. */
class Departures {
  private readonly exits = new Set<Exit>();

  constructor(private readonly signal: AbortSignal) {}

  add(exit: Exit): void {
    if (this.exits.size === 0) this.signal.addEventListener('abort', this);
    this.exits.add(exit);
  }

  delete(exit: Exit): void {
    if (this.exits.delete(exit) && this.exits.size === 0) this.signal.removeEventListener('abort', this);
  }

  handleEvent(): void {
    for (const exit of [...this.exits]) exit.leave(this.signal.reason);
  }
}

const departures = new WeakMap<AbortSignal, Departures>();

function departuresOf(signal: AbortSignal): Departures {
  let found = departures.get(signal);
  if (found === undefined) departures.set(signal, (found = new Departures(signal)));
  return found;
}
