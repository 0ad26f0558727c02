import { EngineTimeoutError } from './errors.js';
import type { Due, Schedule } from './schedule.js';

/** What health needs of its fleet. */
export interface HealthHost {
  /** Asks the engine for a sign of life; never rejects. */
  ping(timeoutMs: number): void;
  /** The engine does not answer any more, and then that it does. */
  wentDown(error: unknown): void;
  cameBack(): void;
  /** It is down for so long that who waits for it waits no more. */
  gaveUp(error: unknown): void;
}

/** How long it takes at most until an engine that is down is asked again. */
const MAX_RETRY_MS = 5_000;

/**
 * Whether the engine answers. It is given up once it was silent for `degradeAfterMs` while somebody asked: a call that
 * times out with nothing heard since it was sent, or calls that are refused for so long. One refused call is not enough: a
 * connection that is killed and comes back must not cost those an execution who wait already. Who comes while the engine
 * says that it is not available does not wait for it: for them it is down at once. While it is down it is asked again and
 * again, by itself: a readiness probe makes no calls.
 */
export class Health implements Due {
  /** What the engine was last heard to fail with; undefined while it answers. Written below. */
  error: unknown = undefined;
  down = false;
  /** Whether it is down for those too who have waited for it. */
  givenUp = false;
  private aliveAt = -Infinity;
  /** Since when calls have been refused; undefined while they are not. */
  private refusedAt: number | undefined = undefined;
  private askedAt = -Infinity;
  /** How many flights of this process follow, and rely on a sign of life. */
  private watching = 0;
  /** What is due while it is down, after so long; then twice as long. Written by {@link fall} and {@link retry}. */
  private readonly recovery: Due = {
    due: (now) => {
      this.retry(now);
    },
  };
  private retryMs = 0;
  /** Written once, by {@link close}. */
  private closed = false;

  constructor(
    private readonly host: HealthHost,
    private readonly schedule: Schedule,
    /** Keeps no process alive. */
    private readonly background: Schedule,
    private readonly degradeAfterMs: number,
  ) {}

  alive(): void {
    this.aliveAt = performance.now();
    this.refusedAt = undefined;
    if (!this.down) return;
    this.down = false;
    this.givenUp = false;
    this.error = undefined;
    this.background.delete(this.recovery);
    this.host.cameBack();
  }

  /** A call that was sent then has failed. */
  failed(error: unknown, sentAt: number): void {
    if (this.aliveAt > sentAt) return;
    this.error = error;
    if (error instanceof EngineTimeoutError) {
      this.giveUp();
      return;
    }
    const now = performance.now();
    this.refusedAt ??= now;
    // Timers are as exact as a millisecond.
    if (now - this.refusedAt >= this.degradeAfterMs - 1) this.giveUp();
  }

  /** The engine says by itself that it cannot be asked, or has not started. */
  unavailable(error: unknown): void {
    this.failed(error, performance.now());
    this.goDown();
  }

  /** Down: looks after it in the background, from time to time. */
  lookAfter(): void {
    const now = performance.now();
    if (now - this.askedAt < this.degradeAfterMs) return;
    this.askedAt = now;
    this.host.ping(this.degradeAfterMs);
  }

  /** One more flight follows: a server that hangs has to be noticed while nothing else is asked of it. */
  watch(): void {
    if (this.watching++ > 0) return;
    const now = performance.now();
    this.schedule.set(this, now + this.degradeAfterMs / 2);
  }

  unwatch(): void {
    if (--this.watching === 0) this.schedule.delete(this);
  }

  due(now: number): void {
    if (this.watching === 0 || this.givenUp) return;
    const quietAt = this.aliveAt + this.degradeAfterMs / 2;
    if (quietAt > now) {
      this.schedule.set(this, quietAt);
      return;
    }
    this.host.ping(this.degradeAfterMs / 2);
    this.schedule.set(this, now + this.degradeAfterMs / 2);
  }

  /** The fleet needs it no more. */
  close(): void {
    this.closed = true;
    this.background.delete(this.recovery);
  }

  private giveUp(): void {
    if (this.givenUp) return;
    this.givenUp = true;
    const isNews = !this.down;
    if (isNews) this.fall();
    this.host.gaveUp(this.error);
    if (isNews) this.host.wentDown(this.error);
  }

  private goDown(): void {
    if (this.down) return;
    this.fall();
    this.host.wentDown(this.error);
  }

  private fall(): void {
    this.down = true;
    this.retryMs = this.degradeAfterMs;
    this.retryAfter(performance.now());
  }

  private retry(now: number): void {
    this.lookAfter();
    this.retryMs = Math.max(this.degradeAfterMs, Math.min(this.retryMs * 2, MAX_RETRY_MS));
    this.retryAfter(now);
  }

  private retryAfter(now: number): void {
    if (!this.closed) this.background.set(this.recovery, now + this.retryMs);
  }
}
