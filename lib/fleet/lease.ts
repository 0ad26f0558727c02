import type { Fence } from './engine.js';
import type { Fleet } from './fleet.js';
import type { Due } from './schedule.js';

/** What a lease tells the flight that holds it. */
export interface Leaseholder {
  readonly id: string;
  readonly token: string;
  /** Another process leads, or may. */
  leaseLost(): void;
  /** It is about to be extended: whether it should be, or is being given up. */
  beforeRenewal(): boolean;
}

/** Leadership of one flight: extended each third of a lease until it ends, is lost, or has lasted for `maxRunMs`. */
export class Lease implements Due {
  /** Whether the engine said so, and another process may lead. Written once, below. */
  lost = false;
  /** Whether its flight was forgotten: it goes on, and nobody new joins it. Written by the flight. */
  forgotten = false;
  /** Whether it is given up or over; written once, by {@link end}. */
  private ended = false;
  /** Until when it is held at least, by this process's clock: from before the engine was asked. */
  private endsAt: number;
  private readonly renewedUntil: number;

  constructor(
    private readonly fleet: Fleet,
    private readonly holder: Leaseholder,
    readonly fence: Fence,
    askedAt: number,
    leaseMs: number,
    maxRunMs: number,
  ) {
    this.endsAt = askedAt + leaseMs;
    this.renewedUntil = askedAt + maxRunMs;
    this.schedule(askedAt);
  }

  /** Whether this process knows that nobody else leads, unless the engine has lost its data. */
  get inside(): boolean {
    return !this.lost && performance.now() < this.endsAt;
  }

  /** How long it lasts yet, in milliseconds. */
  get restMs(): number {
    return Math.max(0, this.endsAt - performance.now());
  }

  due(now: number): void {
    if (this.ended || this.lost) return;
    if (this.holder.beforeRenewal()) this.renew(now);
    else this.schedule(now);
  }

  /** The engine may have lost it: says at once that it is held. */
  renewNow(): void {
    if (!this.ended && !this.lost) this.renew(performance.now());
  }

  end(): void {
    this.ended = true;
    this.fleet.leads.delete(this);
  }

  private renew(now: number): void {
    const leaseMs = this.fleet.leaseFor(this.renewedUntil - now);
    // Has led for long enough: from the lease's end on others take over.
    if (leaseMs === undefined) return;
    this.schedule(now);
    const { fence, holder, forgotten } = this;
    const insideLease = this.inside && !forgotten;
    const request = { flight: holder.id, token: holder.token, fence, leaseMs, insideLease };
    this.fleet.renew(request).then(
      (answer) => {
        this.renewed(answer, now + leaseMs);
      },
      () => {
        // The next time is soon enough: as long as the engine cannot be asked nobody else can ask it either.
      },
    );
  }

  private renewed(answer: 'held' | 'reclaimed' | 'lost', endsAt: number): void {
    if (this.ended || this.lost) return;
    if (answer !== 'lost') {
      this.endsAt = Math.max(this.endsAt, endsAt);
      return;
    }
    this.lost = true;
    this.end();
    this.holder.leaseLost();
  }

  private schedule(now: number): void {
    this.fleet.leads.set(this, now + this.fleet.limits.leaseMs / 3);
  }
}
