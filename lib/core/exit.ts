import { WaitTimeoutError, type ErrorPlace } from './errors.js';
import type { CallOptions } from './options.js';
import { SmallSet } from './small-set.js';

/** Who leaves by an exit. */
export interface Leaver {
  /** Where it is, for its errors. */
  place(): ErrorPlace;
  leave(reason: unknown): void;
}

/** What makes a caller leave: its signal or its time limit. Neither listener nor timer outlives the caller. */
export class Exit {
  private readonly departures: Departures | undefined;
  private readonly timer: NodeJS.Timeout | undefined;

  /** The exit of a caller; none where it asks for none. */
  static of(options: CallOptions, leaver: Leaver): Exit | undefined {
    return options.signal === undefined && options.waitTimeoutMs === undefined ? undefined : new Exit(options, leaver);
  }

  private constructor({ signal, waitTimeoutMs = Infinity }: CallOptions, leaver: Leaver) {
    this.departures = signal === undefined ? undefined : departuresOf(signal);
    this.departures?.add(leaver);
    this.timer = waitTimeoutMs === Infinity ? undefined : setTimeout(leaveLate, waitTimeoutMs, leaver, waitTimeoutMs);
  }

  close(leaver: Leaver): void {
    if (this.timer !== undefined) clearTimeout(this.timer);
    this.departures?.delete(leaver);
  }
}

function leaveLate(leaver: Leaver, waitTimeoutMs: number): void {
  leaver.leave(new WaitTimeoutError(leaver.place(), waitTimeoutMs));
}

/** The callers whom one signal makes leave: one listener for all of them, while there are any. */
class Departures {
  private readonly leavers = new SmallSet<Leaver>();

  constructor(private readonly signal: AbortSignal) {}

  add(leaver: Leaver): void {
    if (this.leavers.size === 0) this.signal.addEventListener('abort', this);
    this.leavers.add(leaver);
  }

  delete(leaver: Leaver): void {
    if (this.leavers.delete(leaver) && this.leavers.size === 0) this.signal.removeEventListener('abort', this);
  }

  handleEvent(): void {
    this.leavers.forEach((leaver) => {
      leaver.leave(this.signal.reason);
    });
  }
}

const departures = new WeakMap<AbortSignal, Departures>();

function departuresOf(signal: AbortSignal): Departures {
  let found = departures.get(signal);
  if (found === undefined) departures.set(signal, (found = new Departures(signal)));
  return found;
}
