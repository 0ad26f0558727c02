import { AsyncResource } from 'node:async_hooks';
import { AbandonedError, FlightTimeoutError, type ErrorPlace, type SingleFlightError } from '../core/errors.js';
import type { FlightFunction, FlightRecord, Pilot } from '../core/flight.js';
import type { Fence } from './engine.js';
import type { Told } from './engine-link.js';
import { EngineTimeoutError, EngineUnavailableError, LeaseLostError } from './errors.js';
import type { Fleet, FleetMember } from './fleet.js';
import { Following, type FollowingHost, type Lead } from './following.js';
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
 * the engine is down it runs the function alone, or fails. What it does follows from `led`: without it {@link Following}
 * asks and follows.
 *
 * It is what the local flight's function returns, a thenable, so that the local flight ends in the very callback in which
 * this one does.
 */
export class FleetFlight implements Pilot, Told, FleetMember, Leaseholder, LedFlightHost, FollowingHost {
  readonly id: string;
  readonly token: string;
  /** The run of the function here. Set when it begins to lead or to run alone; unset when it has to join once more. */
  private led: LedFlight | undefined = undefined;
  /** Set while `led` runs under one. */
  private lease: Lease | undefined = undefined;
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
  private readonly following: Following;
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
    this.following = new Following(fleet, this);
    fleet.link.add(this.id, this);
    fleet.members.add(this);
    record.handOver(this);
  }

  /** Called by the local flight, once. */
  then(resolve: (value: unknown) => void, reject: (error: unknown) => void): void {
    this.resolve = resolve;
    this.reject = reject;
    if (this.aborted !== undefined) this.finish(false, this.aborted);
    else if (this.fleet.unshared.has(this.id) && this.fleet.refusal() === undefined) this.goUnshared();
    else this.following.begin();
  }

  // ---- is told

  settledElsewhere(fence: Fence, payload: Uint8Array | undefined): void {
    this.following.settled(fence, payload);
  }

  abandonedElsewhere(fence: Fence): void {
    this.following.abandoned(fence);
  }

  forgottenElsewhere(fence: Fence): void {
    if (this.over) return;
    if (this.lease?.fence === fence) {
      this.lease.forgotten = true;
      this.record.forgottenElsewhere();
    } else this.following.forgotten(fence);
  }

  /** This process has forgotten it, and is about to tell the others. */
  forgottenHere(): void {
    if (this.lease !== undefined) this.lease.forgotten = true;
  }

  resync(): void {
    if (this.lease !== undefined && !this.cut) this.lease.renewNow();
    else this.following.resync();
  }

  engineDown(error: unknown): void {
    if (this.following.waits) this.degrade(error);
  }

  // ---- follows

  followed(fence: Fence): void {
    this.host.followed(this, fence);
  }

  forgotten(): void {
    this.record.forgottenElsewhere();
  }

  arrived(payload: Uint8Array): void {
    const outcome = this.fleet.cargo.unpack(payload, this.plan.name, () => this.host.place(this));
    if (outcome.kind === 'settled') {
      this.record.elsewhere = true;
      this.finish(outcome.ok, outcome.outcome);
    } else {
      this.fleet.unshared.add(this.id);
      this.goUnshared();
    }
  }

  // ---- leads, or runs alone

  lead({ fence, askedAt, leaseMs, takeover, forgotten }: Lead): void {
    this.lease = new Lease(this.fleet, this, fence, askedAt, leaseMs, this.plan.maxRunMs);
    if (forgotten) this.forgottenElsewhere(fence);
    this.led = new LedFlight(this, this.plan.key, fence);
    this.host.led(this, fence, takeover);
    this.run();
  }

  degrade(error: unknown): void {
    this.host.degraded('down');
    if (this.fleet.limits.whenDown === 'local') this.runAlone();
    else this.finish(false, placed(error, this.host.place(this)));
  }

  private goUnshared(): void {
    this.host.degraded('unshared');
    this.runAlone();
  }

  private runAlone(): void {
    this.following.stop();
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

  get fence(): Fence | undefined {
    return this.lease?.fence;
  }

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
    this.following.again(fence);
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
      this.following.leave();
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

  giveUp(fence: Fence | undefined): void {
    const { engine } = this.fleet;
    this.fleet.tell('abandon', () => engine.abandon({ flight: this.id, token: this.token, fence }));
  }

  // ---- is over

  get isOut(): boolean {
    return this.over || this.led !== undefined || this.aborted !== undefined;
  }

  private finish(ok: boolean, outcome: unknown): void {
    this.over = true;
    this.following.stop();
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
