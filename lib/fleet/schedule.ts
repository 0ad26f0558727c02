import { AsyncResource } from 'node:async_hooks';

/** Something that is due at some time. */
export interface Due {
  due(now: number): void;
}

/** Calls what is due, by one timer for all: what is due soon is called with what is due now, so that clients pipeline. */
export class Schedule {
  private readonly entries = new Map<Due, number>();
  /** Runs while there are entries; written by {@link arm}. */
  private timer: NodeJS.Timeout | undefined = undefined;
  /** When it fires. */
  private firesAt = Infinity;
  /** The timer runs here, not in the context of whichever caller was the first. */
  private readonly context = new AsyncResource('SingleFlightFleet');

  /**
   * @param alive whether the timer keeps the process alive: somebody waits for what is due
   * @param slackMs what is due within so many milliseconds more is called as well
   */
  constructor(
    private readonly alive: boolean,
    private readonly slackMs = 0,
  ) {}

  get size(): number {
    return this.entries.size;
  }

  set(entry: Due, at: number): void {
    this.entries.set(entry, at);
    if (at < this.firesAt) this.arm(at);
  }

  delete(entry: Due): void {
    this.entries.delete(entry);
    if (this.entries.size === 0) this.disarm();
  }

  clear(): void {
    this.entries.clear();
    this.disarm();
  }

  private fire(): void {
    this.disarm();
    const now = performance.now();
    const due: Due[] = [];
    for (const [entry, at] of this.entries) if (at <= now + this.slackMs) due.push(entry);
    // A timer may come early by less than a millisecond; then nothing is due yet, and it is set once more.
    if (due.length > 0 && this.isAnyDue(now)) {
      for (const entry of due) if (this.entries.delete(entry)) entry.due(now);
    }
    this.armForNext();
  }

  private armForNext(): void {
    let next = Infinity;
    for (const at of this.entries.values()) if (at < next) next = at;
    if (next < this.firesAt) this.arm(next);
  }

  private isAnyDue(now: number): boolean {
    for (const at of this.entries.values()) if (at <= now) return true;
    return false;
  }

  private arm(at: number): void {
    clearTimeout(this.timer);
    this.firesAt = at;
    const delayMs = Math.max(1, Math.ceil(at - performance.now()));
    const fire = (): void => {
      this.fire();
    };
    this.timer = this.context.runInAsyncScope(() => setTimeout(fire, delayMs));
    if (!this.alive) this.timer.unref();
  }

  private disarm(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.firesAt = Infinity;
  }
}
