import type { Fence, Joined } from './engine.js';
import { EarlyPushes } from './early-pushes.js';
import { EngineTimeoutError, EngineUnavailableError } from './errors.js';
import type { Fleet } from './fleet.js';
import type { Due } from './schedule.js';

/** What following tells the flight that it is done for, and has to know of it. */
export interface FollowingHost {
  readonly id: string;
  readonly token: string;
  readonly plan: { readonly maxRunMs: number };
  /** Whether answers of the engine come too late: it runs the function, or is over. */
  readonly isOut: boolean;
  /** Under which it leads. */
  readonly fence: Fence | undefined;
  /** The engine says that it leads. */
  lead(lead: Lead): void;
  /** It follows that one from now on. */
  followed(fence: Fence): void;
  /** Another process has forgotten the one it follows. */
  forgotten(): void;
  /** That one has ended, and this is how. */
  arrived(payload: Uint8Array): void;
  /** The engine cannot be asked. */
  degrade(error: unknown): void;
  /** Nobody here wants that lead, or waits for that one, any more; undefined: for whatever the engine has noted. */
  giveUp(fence: Fence | undefined): void;
}

/** The lead, as the engine has granted it. */
export interface Lead {
  readonly fence: Fence;
  readonly askedAt: number;
  readonly leaseMs: number;
  /** Whether it has followed before. */
  readonly takeover: boolean;
  /** Whether it was forgotten before the answer was there. */
  readonly forgotten: boolean;
}

/**
 * What a flight has to do with the engine while it does not lead: it **asks** for the lead, and **follows** the flight
 * that has it until it is told the result, or until the lease of that one is over and it asks again.
 */
export class Following implements Due {
  /** The flight that is followed. Written by {@link follow}, and by {@link again} when the lead was lost. */
  private since: Fence | undefined = undefined;
  /** When the lease of that one is over, and the jitter. Written by {@link follow} and {@link waitOn}. */
  private askAgainAt = Infinity;
  /** Whether an answer of the engine is awaited, and what to ask after that. Written by {@link ask}. */
  private asking = false;
  private next: { readonly take: boolean } | undefined = undefined;
  /** How often the engine has failed in a row when it was asked for the lead. Written by {@link ask}'s answers. */
  private failures = 0;
  /** Read, and emptied, with the first answer that is followed. Written by {@link follow}. */
  private early = new EarlyPushes();
  /** Whether the engine is watched. Written by {@link follow} and {@link stop}. */
  private isFollowing = false;

  constructor(
    private readonly fleet: Fleet,
    private readonly host: FollowingHost,
  ) {}

  /** Asks for the first time, as soon as the engine can be asked for this id. */
  begin(): void {
    const refusal = this.fleet.refusal();
    if (refusal !== undefined) {
      this.host.degrade(refusal);
      return;
    }
    const heldUp = this.fleet.heldUp(this.host.id);
    if (this.fleet.link.started && heldUp === undefined) this.ask(true);
    else void this.beginAfter(heldUp);
  }

  /** The lead has been lost: asks who has it. */
  again(fence: Fence): void {
    this.since = fence;
    this.ask(true);
  }

  /** Whether the end of a flight is waited for. */
  get waits(): boolean {
    return this.since !== undefined && !this.host.isOut;
  }

  /** Its own flight is over before that one is. */
  leave(): void {
    if (this.since !== undefined) this.host.giveUp(this.since);
  }

  /** Neither asks nor watches the engine any more, until it has to once more. */
  stop(): void {
    this.fleet.follows.delete(this);
    if (!this.isFollowing) return;
    this.isFollowing = false;
    this.fleet.health.unwatch();
  }

  // ---- is told

  settled(fence: Fence, payload: Uint8Array | undefined): void {
    if (this.host.isOut) return;
    this.fleet.health.alive();
    if (this.since === undefined) this.early.settled(fence, payload);
    else if (fence >= this.since) {
      if (payload === undefined) this.ask(true);
      else this.host.arrived(payload);
    }
  }

  abandoned(fence: Fence): void {
    if (this.host.isOut) return;
    if (this.since === undefined) this.early.abandoned(fence);
    else if (fence >= this.since) this.ask(true);
  }

  forgotten(fence: Fence): void {
    if (this.since === fence) this.host.forgotten();
    else if (this.since === undefined && !this.host.isOut) this.early.forgotten(fence);
  }

  /** Pushes may be missing. */
  resync(): void {
    if (this.waits) this.ask(false);
  }

  /** The lease is over, or the time after which it asks an engine again that has failed. */
  due(now: number): void {
    if (!this.host.isOut) this.ask(this.since === undefined || now >= this.askAgainAt);
  }

  // ---- asks

  private async beginAfter(heldUp: Promise<unknown> | undefined): Promise<void> {
    const { host } = this;
    try {
      await heldUp;
      await this.fleet.start();
      if (!host.isOut) this.ask(true);
    } catch (error) {
      if (!host.isOut) host.degrade(error);
    }
  }

  /** Asks for the lead, for what the flight has become that it follows, or for both; one question at a time. */
  private ask(take: boolean): void {
    if (this.asking) {
      this.next = { take: take || this.next?.take === true };
      return;
    }
    this.asking = true;
    this.fleet.follows.delete(this);
    const { since } = this;
    const { id, token, plan } = this.host;
    const askedAt = performance.now();
    const leaseMs = this.fleet.leaseFor(plan.maxRunMs) ?? Math.max(1, this.fleet.engine.limits.minLeaseMs);
    const request = { flight: id, token, leaseMs, since, ...(take ? undefined : { take }) };
    const answered = (joined: Joined): void => {
      this.failures = 0;
      this.joined(joined, askedAt, leaseMs);
    };
    this.fleet.join(request, answered).then(
      (joined) => {
        this.asking = false;
        answered(joined);
        this.askNext();
      },
      (error: unknown) => {
        this.asking = false;
        this.next = undefined;
        this.joinFailed(error, take);
      },
    );
  }

  private askNext(): void {
    const { next } = this;
    this.next = undefined;
    if (next !== undefined && this.waits) this.ask(next.take);
  }

  private joined(joined: Joined, askedAt: number, leaseMs: number): void {
    if (this.host.isOut) {
      this.refuse(joined);
      return;
    }
    switch (joined.role) {
      case 'leader':
        this.lead(joined.fence, askedAt, leaseMs);
        return;
      case 'follower':
        this.follow(joined.fence, joined.expiresInMs);
        return;
      case 'settled':
        this.host.arrived(joined.payload);
        return;
      case 'orphan':
        this.waitOn();
    }
  }

  /** An answer that nobody wants any more. */
  private refuse(joined: Joined): void {
    if (joined.role === 'leader' && joined.fence !== this.host.fence) this.host.giveUp(joined.fence);
    else if (joined.role === 'follower') this.host.giveUp(joined.fence);
  }

  /**
   * The engine has failed. A connection that is killed and comes back must not cost an execution: it asks once more after
   * `degradeAfterMs`, and again for as long as it follows a lease that is not over. With a timeout that time has passed,
   * and it may lead without knowing it.
   */
  private joinFailed(error: unknown, take: boolean): void {
    if (this.host.isOut) return;
    const isTimeout = this.since === undefined && error instanceof EngineTimeoutError;
    if (isTimeout) this.host.giveUp(undefined);
    if (take) this.failures++;
    if (this.fleet.health.givenUp || this.failures > 1 || isTimeout) this.host.degrade(error);
    else this.fleet.follows.set(this, performance.now() + this.fleet.limits.degradeAfterMs);
  }

  private lead(fence: Fence, askedAt: number, leaseMs: number): void {
    const takeover = this.since !== undefined;
    this.stop();
    this.host.lead({ fence, askedAt, leaseMs, takeover, forgotten: this.early.hasForgotten(fence) });
  }

  // ---- follows

  private follow(fence: Fence, expiresInMs: number): void {
    // Its own process has ended that one, and the engine does not know: it is not joined by those who may know.
    if (this.since === undefined && this.fleet.unpublished.get(this.host.id) === fence) {
      this.host.degrade(new EngineUnavailableError(this.fleet.engine.name));
      return;
    }
    const isNew = this.since !== fence;
    this.since = fence;
    if (!this.isFollowing) {
      this.isFollowing = true;
      this.fleet.health.watch();
    }
    if (isNew) this.host.followed(fence);
    if (this.host.isOut) return;
    this.askAgainAt = performance.now() + expiresInMs + this.fleet.jitterMs();
    const { early } = this;
    // Once: what is about no flight that the engine knows of would be asked for again and again.
    this.early = new EarlyPushes();
    if (early.hasForgotten(fence)) this.host.forgotten();
    const settled = early.settledSince(fence);
    if (settled !== undefined) this.settled(settled.fence, settled.payload);
    else if (early.hasAbandoned(fence)) this.ask(true);
    else this.fleet.follows.set(this, this.askAgainAt);
  }

  /** Nothing is there to follow; the one it has followed may come back until its lease is over. */
  private waitOn(): void {
    const now = performance.now();
    if (this.askAgainAt <= now || this.askAgainAt === Infinity) this.askAgainAt = now + this.fleet.jitterMs();
    this.fleet.follows.set(this, this.askAgainAt);
  }
}
