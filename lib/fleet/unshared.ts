/** For how long, in milliseconds. */
const ALONE_FOR_MS = 30_000;
/** How many are kept: what is forgotten too early waits twice once more. */
const MAX_FLIGHTS = 1_000;

/**
 * The flights whose last result could not be shared, with another process or another request. For a while they are flown
 * alone: who follows would wait for the result, hear that it cannot have it, and run the function then. By id, not by name:
 * what another key comes back with may well be shared.
 */
export class Unshared {
  /** Until when, by id; the oldest first. Written below. */
  private readonly until = new Map<string, number>();

  get size(): number {
    return this.until.size;
  }

  add(id: string): void {
    const now = performance.now();
    this.until.delete(id);
    this.until.set(id, now + ALONE_FOR_MS);
    for (const [oldest, until] of this.until) {
      if (until > now && this.until.size <= MAX_FLIGHTS) return;
      this.until.delete(oldest);
    }
  }

  has(id: string): boolean {
    const until = this.until.get(id);
    if (until === undefined) return false;
    if (until > performance.now()) return true;
    this.until.delete(id);
    return false;
  }
}
