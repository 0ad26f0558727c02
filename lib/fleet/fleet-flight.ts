import { AsyncResource } from 'node:async_hooks';
import { AbandonedError, FlightTimeoutError, type ErrorPlace, type SingleFlightError } from '../core/errors.js';
import type { FlightFunction, FlightRecord, Pilot } from '../core/flight.js';
import type { Fence, Joined } from './engine.js';
import type { Told } from './engine-link.js';
import { EngineTimeoutError, EngineUnavailableError, LeaseLostError } from './errors.js';
import type { Fleet, FleetMember } from './fleet.js';
import { EarlyPushes } from './early-pushes.js';
import { land } from './landing.js';
import { Lease, type Leaseholder } from './lease.js';
import { LedFlight, type LedFlightHost } from './led-flight.js';

/** What a flight of the fleet tells the group it belongs to. */
export interface FleetFlightHost {
  place(flight: FleetFlight): ErrorPlace;
  led(flight: FleetFlight, fence: Fence, takeover: boolean): void;
  followed(flight: FleetFlight, fence: Fence): void;
  lost(flight: FleetFlight, fence: Fence): void;
  /** Its function runs without the fleet, or it fails: the engine is down, or the result cannot be carried. */
  degraded(why: 'down' | 'unshared'): void;
}

/** What is to be flown. */
export interface FlightPlan {
  /** The flight's name, the same in every process. */
  readonly name: string;
  readonly key: string;
  readonly fn: FlightFunction<unknown>;
  readonly maxRunMs: number;
  readonly lingerMs: number;
}

/**
 * The life of a flight of this process within the fleet, from the call of the local flight's "function" until that
 * function has ended: it **joins**; then it **leads** and runs the user's function under a lease, or it **follows** until
 * it is told the result, or until the lease of the one it follows is over and it asks again, which may make it lead. When
 * the engine is down it runs the function alone, or fails. At most one of `led` and `since` decides what it does: with
 * neither it joins.
 *
 * It is what the local flight's function returns, a thenable, so that the local flight ends in the very callback in which
 * this one does.
 */
export class FleetFlight implements Pilot, Told, FleetMember, Leaseholder, LedFlightHost {
  readonly id: string;
  readonly token: string;
  /** The run of the function here. Set when it begins to lead or to run alone; unset when it has to join once more. */
  private led: LedFlight | undefined = undefined;
  /** Set while `led` runs under one. */
  private lease: Lease | undefined = undefined;
  /** The flight that it follows. Set by the answers of the engine. */
  private since: Fence | undefined = undefined;
  /** When the lease of that one is over, and the jitter. */
  private askAgainAt = Infinity;
  /** Whether an answer of the engine is awaited, and what to ask after that. */
  private asking = false;
  private next: { readonly take: boolean } | undefined = undefined;
  /** How often the engine has failed in a row when it was asked for the lead. */
  private failures = 0;
  /** Read, and emptied, with the first answer. */
  private early = new EarlyPushes();
  /** Whether its lease is being offered to nobody in particular. */
  private abandoning = false;
  /** Whether its function was stopped because its lease was lost. */
  private wasStopped = false;
  /** Whether its callers have their answer, and only the function runs on. */
  private cut = false;
  /** Whether all of it is. Written once, by {@link finish}. */
  private over = false;
  /** Why it ends before it has begun. */
  private aborted: SingleFlightError | undefined = undefined;
  private isFollowing = false;
  private readonly context = new AsyncResource('SingleFlightFleet');
  // Written once, by `then`.
  private resolve: ((value: unknown) => void) | undefined = undefined;
  private reject: ((error: unknown) => void) | undefined = undefined;

  constructor(
    private readonly fleet: Fleet,
    readonly host: FleetFlightHost,
    readonly record: FlightRecord<string>,
    readonly plan: FlightPlan,
  ) {
    this.id = fleet.idOf(plan.name, plan.key);
    this.token = fleet.newToken();
    fleet.link.add(this.id, this);
    fleet.members.add(this);
    record.handOver(this);
  }

  /** Called by the local flight, once. */
  then(resolve: (value: unknown) => void, reject: (error: unknown) => void): void {
    this.resolve = resolve;
    this.reject = reject;
    if (this.aborted !== undefined) this.finish(false, this.aborted);
    else this.begin();
  }

  // ---- joins

  private begin(): void {
    const refusal = this.fleet.refusal();
    if (refusal !== undefined) {
      this.degrade(refusal);
      return;
    }
    const heldUp = this.fleet.heldUp(this.id);
    if (this.fleet.link.started && heldUp === undefined) this.ask(true);
    else void this.beginAfter(heldUp);
  }

  private async beginAfter(heldUp: Promise<unknown> | undefined): Promise<void> {
    try {
      await heldUp;
      await this.fleet.start();
      if (!this.isOut) this.ask(true);
    } catch (error) {
      if (!this.isOut) this.degrade(error);
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
    const askedAt = performance.now();
    const leaseMs = this.fleet.leaseFor(this.plan.maxRunMs) ?? Math.max(1, this.fleet.engine.limits.minLeaseMs);
    const request = { flight: this.id, token: this.token, leaseMs, since, ...(take ? undefined : { take }) };
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
    if (next !== undefined && !this.isOut && this.since !== undefined) this.ask(next.take);
  }

  private joined(joined: Joined, askedAt: number, leaseMs: number): void {
    if (this.isOut) {
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
        this.deliver(joined.payload);
        return;
      case 'orphan':
        this.waitOn();
    }
  }

  /** An answer that nobody wants any more. */
  private refuse(joined: Joined): void {
    if (joined.role === 'leader' && joined.fence !== this.lease?.fence) this.giveUp(joined.fence);
    else if (joined.role === 'follower') this.stopWaiting(joined.fence);
  }

  /**
   * The engine has failed. A connection that is killed and comes back must not cost an execution: it asks once more after
   * `degradeAfterMs`, and again for as long as it follows a lease that is not over. With a timeout that time has passed,
   * and it may lead without knowing it.
   */
  private joinFailed(error: unknown, take: boolean): void {
    if (this.isOut) return;
    const isTimeout = this.since === undefined && error instanceof EngineTimeoutError;
    if (isTimeout) this.giveUp(undefined);
    if (take) this.failures++;
    if (this.fleet.health.givenUp || this.failures > 1 || isTimeout) this.degrade(error);
    else this.fleet.follows.set(this, performance.now() + this.fleet.limits.degradeAfterMs);
  }

  // ---- follows

  private follow(fence: Fence, expiresInMs: number): void {
    // Its own process has ended that one, and the engine does not know: it is not joined by those who may know.
    if (this.since === undefined && this.fleet.unpublished.get(this.id) === fence) {
      this.degrade(new EngineUnavailableError(this.fleet.engine.name));
      return;
    }
    const isNew = this.since !== fence;
    this.since = fence;
    if (!this.isFollowing) {
      this.isFollowing = true;
      this.fleet.health.watch();
    }
    if (isNew) this.host.followed(this, fence);
    if (this.isOut) return;
    this.askAgainAt = performance.now() + expiresInMs + this.fleet.jitterMs();
    const { early } = this;
    // Once: what is about no flight that the engine knows of would be asked for again and again.
    this.early = new EarlyPushes();
    if (early.hasForgotten(fence)) this.record.forgottenElsewhere();
    const settled = early.settledSince(fence);
    if (settled !== undefined) this.settledElsewhere(settled.fence, settled.payload);
    else if (early.hasAbandoned(fence)) this.ask(true);
    else this.fleet.follows.set(this, this.askAgainAt);
  }

  /** Nothing is there to follow; the one it has followed may come back until its lease is over. */
  private waitOn(): void {
    const now = performance.now();
    if (this.askAgainAt <= now || this.askAgainAt === Infinity) this.askAgainAt = now + this.fleet.jitterMs();
    this.fleet.follows.set(this, this.askAgainAt);
  }

  /** The lease is over, or the time after which it asks an engine again that has failed. */
  due(now: number): void {
    if (!this.isOut) this.ask(this.since === undefined || now >= this.askAgainAt);
  }

  private stopFollowing(): void {
    this.fleet.follows.delete(this);
    if (!this.isFollowing) return;
    this.isFollowing = false;
    this.fleet.health.unwatch();
  }

  settledElsewhere(fence: Fence, payload: Uint8Array | undefined): void {
    if (this.isOut) return;
    this.fleet.health.alive();
    if (this.since === undefined) this.early.settled(fence, payload);
    else if (fence >= this.since) {
      if (payload === undefined) this.ask(true);
      else this.deliver(payload);
    }
  }

  abandonedElsewhere(fence: Fence): void {
    if (this.isOut) return;
    if (this.since === undefined) this.early.abandoned(fence);
    else if (fence >= this.since) this.ask(true);
  }

  forgottenElsewhere(fence: Fence): void {
    if (this.over) return;
    if (this.lease?.fence === fence) this.lease.forgotten = true;
    if (this.lease?.fence === fence || this.since === fence) this.record.forgottenElsewhere();
    else if (this.since === undefined && this.led === undefined) this.early.forgotten(fence);
  }

  /** This process has forgotten it, and is about to tell the others. */
  forgottenHere(): void {
    if (this.lease !== undefined) this.lease.forgotten = true;
  }

  resync(): void {
    if (this.lease !== undefined && !this.cut) this.lease.renewNow();
    else if (!this.isOut && this.since !== undefined) this.ask(false);
  }

  engineDown(error: unknown): void {
    if (!this.isOut && this.since !== undefined) this.degrade(error);
  }

  private deliver(payload: Uint8Array): void {
    const outcome = this.fleet.cargo.unpack(payload, this.plan.name, () => this.host.place(this));
    if (outcome.kind === 'settled') this.finish(outcome.ok, outcome.outcome);
    else {
      this.host.degraded('unshared');
      this.runAlone();
    }
  }

  // ---- leads, or runs alone

  private lead(fence: Fence, askedAt: number, leaseMs: number): void {
    const takeover = this.since !== undefined;
    this.stopFollowing();
    this.lease = new Lease(this.fleet, this, fence, askedAt, leaseMs, this.plan.maxRunMs);
    if (this.early.hasForgotten(fence)) this.forgottenElsewhere(fence);
    this.led = new LedFlight(this, this.plan.key, fence);
    this.host.led(this, fence, takeover);
    this.run();
  }

  /** The engine cannot be asked. */
  private degrade(error: unknown): void {
    this.host.degraded('down');
    if (this.fleet.limits.whenDown === 'local') this.runAlone();
    else this.finish(false, placed(error, this.host.place(this)));
  }

  private runAlone(): void {
    this.stopFollowing();
    this.led = new LedFlight(this, this.plan.key, undefined);
    this.run();
  }

  /** In the context of the caller, also when a timer or a message has led here. */
  private run(): void {
    const { led, plan } = this;
    this.context.runInAsyncScope(() => {
      led?.run(plan.fn);
    });
  }

  /** The function has ended. Packed before anybody here has the result, and might change it. */
  ended(led: LedFlight, ok: boolean, outcome: unknown): void {
    const { lease } = this;
    if (led !== this.led || this.over) return;
    if (lease === undefined || this.cut) this.finish(ok, outcome);
    else if (!lease.lost) {
      this.land(lease, ok, outcome);
      this.finish(ok, outcome);
    } else if (!ok && this.record.aboard > 0 && !this.record.settled && this.wasStopped) this.joinAgain(lease.fence);
    else this.finish(ok, outcome);
  }

  private land(lease: Lease, ok: boolean, outcome: unknown): void {
    const { id, token, plan, record } = this;
    const payload = this.fleet.cargo.pack(ok, outcome, plan.name, () => this.host.place(this));
    const lingerMs = ok && record.keyed && !lease.forgotten ? plan.lingerMs : 0;
    land(this.fleet, lease, { id, token, name: plan.name, payload, lingerMs }, () => {
      this.host.lost(this, lease.fence);
    });
  }

  // ---- its lease

  leaseLost(): void {
    const { lease, led } = this;
    if (lease === undefined || led === undefined || this.over) return;
    this.host.lost(this, lease.fence);
    this.wasStopped = led.stoppable;
    led.abort(new LeaseLostError(this.host.place(this), lease.fence));
    if (this.record.aboard === 0) this.emptied();
  }

  /** The function has been stopped because another process leads: its callers get that one's result. */
  private joinAgain(fence: Fence): void {
    this.led = undefined;
    this.lease = undefined;
    this.wasStopped = false;
    this.since = fence;
    this.ask(true);
  }

  /** Somebody elsewhere may have stopped waiting meanwhile. */
  beforeRenewal(): boolean {
    if (this.record.aboard === 0) this.emptied();
    return !this.abandoning;
  }

  // ---- who is aboard

  emptied(): void {
    if (this.over || this.cut) return;
    const { led, lease } = this;
    if (led === undefined) this.record.doom();
    else if (led.stoppable || this.wasStopped) {
      if (lease === undefined || lease.lost) this.record.doom();
      else this.offer(lease);
    }
  }

  boarded(): void {
    // What follows from nobody being aboard is decided when the engine has answered, or has been decided.
  }

  signalRead(): void {
    if (this.lease?.lost === true) this.wasStopped = true;
    if (this.record.aboard === 0) this.emptied();
  }

  /** Nobody is aboard, and the function can be stopped; unless somebody waits in another process. */
  private offer(lease: Lease): void {
    if (this.abandoning) return;
    this.abandoning = true;
    const request = { flight: this.id, token: this.token, fence: lease.fence, unlessWaiting: true };
    const answered = (answer: 'abandoned' | 'waiting'): void => {
      this.abandoning = false;
      if (this.over || this.cut) return;
      // Renewals have waited for the answer. Somebody has come aboard meanwhile: the lease is had back, if it is free.
      if (answer === 'waiting' || this.record.aboard > 0) lease.renewNow();
      else {
        lease.end();
        this.record.doom();
      }
    };
    this.fleet
      .ask('abandon', this.fleet.limits.operationTimeoutMs, () => this.fleet.engine.abandon(request))
      .then(answered, () => {
        answered('abandoned');
      });
  }

  /** The local flight is over for its callers: doomed, timed out, or its group closed. */
  abort(reason: SingleFlightError): void {
    if (this.over || this.cut) return;
    const { led, lease } = this;
    if (led === undefined) {
      this.aborted = reason;
      if (this.since !== undefined) this.stopWaiting(this.since);
      if (this.reject !== undefined) this.finish(false, reason);
      return;
    }
    if (lease !== undefined && !lease.lost) {
      // Shared with the whole fleet; anything else is this process's own affair, and the others take over at once.
      if (reason instanceof FlightTimeoutError) this.land(lease, false, reason);
      else if (!(reason instanceof AbandonedError)) this.giveUp(lease.fence);
      lease.end();
    }
    this.cut = true;
    led.abort(reason);
  }

  private giveUp(fence: Fence | undefined): void {
    const { engine } = this.fleet;
    this.fleet.tell('abandon', () => engine.abandon({ flight: this.id, token: this.token, fence }));
  }

  /** The engine knows of processes that wait, not of flights: unless another one here waits for the same. */
  private stopWaiting(fence: Fence): void {
    const isShared = this.fleet.link
      .with(this.id)
      .some((other) => other !== this && other instanceof FleetFlight && !other.isOut && other.since === fence);
    if (!isShared) this.giveUp(fence);
  }

  // ---- is over

  /** Whether answers of the engine have come too late: it runs the function, or is over. */
  private get isOut(): boolean {
    return this.over || this.led !== undefined || this.aborted !== undefined;
  }

  private finish(ok: boolean, outcome: unknown): void {
    this.over = true;
    this.stopFollowing();
    this.lease?.end();
    this.fleet.link.delete(this.id, this);
    this.fleet.members.delete(this);
    if (ok) this.resolve?.(outcome);
    else this.reject?.(outcome);
  }
}

/** The engine's error, with where it has kept a flight from starting. */
function placed(error: unknown, place: ErrorPlace): unknown {
  if (error instanceof EngineTimeoutError) {
    return new EngineTimeoutError(error.engine, error.operation, error.timeoutMs, { place, cause: error });
  }
  if (!(error instanceof EngineUnavailableError)) return error;
  return new EngineUnavailableError(error.engine, { place, cause: error.cause ?? error });
}
