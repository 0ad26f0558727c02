import type {
  AbandonRequest,
  CompleteRequest,
  Fence,
  FlightSink,
  Joined,
  JoinRequest,
  RenewRequest,
} from './engine.js';

/** How long a flight is remembered after its lease for those who wait for it, in leases. */
const WAITING_LEASES = 2;
const SWEEP_MS = 1_000;

/** A clock in milliseconds that never goes back. */
export type Clock = () => number;

/**
 * What the {@link MemoryEngine}s of a fleet have in common, in one process: for tests, and to see what an engine does. No
 * timer runs in it: what is over is found to be when somebody asks.
 */
export class MemoryHub {
  private readonly entries = new Map<string, Entry>();
  /** Of the latest leader of any id; not lost with the data, so that fences rise all the same. */
  private lastFence: Fence = 0n;
  /** When what is over was last cleared away. */
  private sweptAt = -Infinity;

  /** @param now the clock that leases run on; default: the process's monotonic one */
  constructor(private readonly now: Clock = () => performance.now()) {}

  /** How many ids it remembers something of. */
  get size(): number {
    this.sweep(true);
    return this.entries.size;
  }

  /** Forgets everything, as a server does that starts again without its data. */
  loseData(): void {
    this.entries.clear();
  }

  join(request: JoinRequest, sink: FlightSink): Joined {
    const entry = this.entry(request.flight);
    const { token, leaseMs, since, take = true } = request;
    const now = this.now();
    const current = entry.currentAt(now);
    if (current?.token === token) return { role: 'leader', fence: current.fence };
    const old = since === undefined ? undefined : entry.flights.get(since);
    if (old?.resultAt(now) !== undefined) return old.settled();
    const followed = old?.leasedAt(now) === true ? old : current;
    if (followed !== undefined) {
      followed.wait(token, sink, now);
      return { role: 'follower', fence: followed.fence, expiresInMs: followed.leaseEnds - now };
    }
    const result = since === undefined ? entry.lingeringAt(now, request.lingerMs) : entry.resultSince(since, now);
    if (result !== undefined) return result.settled();
    if (!take && since !== undefined) {
      entry.flight(since, leaseMs).wait(token, sink, now);
      return { role: 'orphan' };
    }
    return { role: 'leader', fence: entry.lead(++this.lastFence, token, sink, leaseMs, now).fence };
  }

  renew({ flight, token, fence, leaseMs, insideLease }: RenewRequest, sink: FlightSink): 'held' | 'reclaimed' | 'lost' {
    const entry = this.entry(flight);
    const now = this.now();
    const led = entry.flights.get(fence);
    if (led?.token === token && led.leasedAt(now)) {
      led.lease(leaseMs, now);
      return 'held';
    }
    if (!insideLease || led?.result !== undefined || entry.wasForgottenSince(fence)) return 'lost';
    if (!entry.isFreeFor(fence, token, now)) return 'lost';
    entry.lead(fence, token, sink, leaseMs, now);
    return 'reclaimed';
  }

  complete(request: CompleteRequest): 'published' | 'lost' {
    const { token, fence, insideLease } = request;
    const entry = this.entry(request.flight);
    const now = this.now();
    const led = entry.flights.get(fence);
    if (led?.result !== undefined) return led.token === token ? 'published' : 'lost';
    const leads = led?.token === token && led.leasedAt(now);
    if (!leads && !(insideLease && entry.isFreeFor(fence, token, now))) return 'lost';
    const ended = led ?? entry.flight(fence, request.retainMs);
    ended.token = token;
    if (entry.current === ended) entry.current = undefined;
    if (request.retain) ended.keep(request, now);
    else ended.end(now);
    if (request.lingerMs > 0 && !ended.forgotten) entry.lingering = ended;
    const payload = Uint8Array.from(request.payload);
    ended.tell((sink) => {
      sink.settled(request.flight, fence, payload);
    });
    return 'published';
  }

  abandon({ flight, token, fence, unlessWaiting }: AbandonRequest): 'abandoned' | 'waiting' {
    const entry = this.entry(flight);
    const now = this.now();
    const found = fence === undefined ? entry.currentAt(now) : entry.flights.get(fence);
    if (found === undefined) return 'abandoned';
    if (found.token !== token || !found.leasedAt(now)) {
      found.waiters.delete(token);
      return 'abandoned';
    }
    if (unlessWaiting === true && found.waiters.size > 0) return 'waiting';
    if (entry.current === found) entry.current = undefined;
    found.end(now);
    found.tell((sink) => {
      sink.abandoned(flight, found.fence);
    });
    return 'abandoned';
  }

  forget(flight: string): void {
    const entry = this.entry(flight);
    entry.lingering = undefined;
    const { current } = entry;
    entry.current = undefined;
    if (current?.leasedAt(this.now()) !== true) return;
    current.forgotten = true;
    const tell = (sink: FlightSink): void => {
      sink.forgotten(flight, current.fence);
    };
    if (current.leader !== undefined) tell(current.leader);
    current.tell(tell, current.leader);
  }

  private entry(id: string): Entry {
    this.sweep(false);
    let entry = this.entries.get(id);
    if (entry === undefined) this.entries.set(id, (entry = new Entry()));
    return entry;
  }

  private sweep(atOnce: boolean): void {
    const now = this.now();
    if (!atOnce && now - this.sweptAt < SWEEP_MS) return;
    this.sweptAt = now;
    for (const [id, entry] of this.entries) if (entry.isEmptyAt(now)) this.entries.delete(id);
  }
}

/** What is known of one id. Written by the hub. */
class Entry {
  readonly flights = new Map<Fence, KnownFlight>();
  /** Whom fresh callers join. */
  current: KnownFlight | undefined = undefined;
  /** Whose result they get. */
  lingering: KnownFlight | undefined = undefined;

  currentAt(now: number): KnownFlight | undefined {
    return this.current?.leasedAt(now) === true ? this.current : undefined;
  }

  lingeringAt(now: number, maxAgeMs = Infinity): KnownFlight | undefined {
    const result = this.lingering?.resultAt(now);
    if (result === undefined) return undefined;
    return now - result.publishedAt < Math.min(result.lingerMs, maxAgeMs) ? this.lingering : undefined;
  }

  /** The latest result of a flight that is no older than that one. */
  resultSince(fence: Fence, now: number): KnownFlight | undefined {
    let latest: KnownFlight | undefined;
    for (const flight of this.flights.values()) {
      if (flight.forgotten || flight.fence < fence || flight.resultAt(now) === undefined) continue;
      if (latest === undefined || flight.fence > latest.fence) latest = flight;
    }
    return latest;
  }

  /** Whether a leader whose flight is gone may have it back: nobody leads, and nothing newer has ended. */
  isFreeFor(fence: Fence, token: string, now: number): boolean {
    const flight = this.flights.get(fence);
    const isOwn = flight?.token === undefined || flight.token === token;
    return isOwn && this.currentAt(now) === undefined && this.resultSince(fence, now) === undefined;
  }

  /** Whether that flight was forgotten, or a newer one. */
  wasForgottenSince(fence: Fence): boolean {
    for (const flight of this.flights.values()) if (flight.forgotten && flight.fence >= fence) return true;
    return false;
  }

  flight(fence: Fence, leaseMs: number): KnownFlight {
    let flight = this.flights.get(fence);
    if (flight === undefined) this.flights.set(fence, (flight = new KnownFlight(fence, leaseMs)));
    return flight;
  }

  lead(fence: Fence, token: string, sink: FlightSink, leaseMs: number, now: number): KnownFlight {
    const flight = this.flight(fence, leaseMs);
    flight.token = token;
    flight.leader = sink;
    flight.lease(leaseMs, now);
    this.current = flight;
    return flight;
  }

  isEmptyAt(now: number): boolean {
    for (const [fence, flight] of this.flights) if (flight.isOverAt(now)) this.flights.delete(fence);
    return this.flights.size === 0;
  }
}

interface KeptResult {
  readonly payload: Uint8Array;
  readonly publishedAt: number;
  readonly retainMs: number;
  readonly lingerMs: number;
}

/** What is known of one flight of an id. Written by its entry and the hub. */
class KnownFlight {
  /** Who leads it; undefined where only those who wait have told of it. */
  token: string | undefined = undefined;
  leader: FlightSink | undefined = undefined;
  leaseEnds = -Infinity;
  forgotten = false;
  result: KeptResult | undefined = undefined;
  readonly waiters = new Map<string, FlightSink>();
  /** Until when those who wait are remembered at least. */
  private waitedUntil = -Infinity;

  constructor(
    readonly fence: Fence,
    private leaseMs: number,
  ) {}

  leasedAt(now: number): boolean {
    return now < this.leaseEnds;
  }

  resultAt(now: number): KeptResult | undefined {
    const { result } = this;
    return result !== undefined && now - result.publishedAt < result.retainMs ? result : undefined;
  }

  isOverAt(now: number): boolean {
    return !this.leasedAt(now) && this.resultAt(now) === undefined && now >= this.waitedUntil;
  }

  lease(leaseMs: number, now: number): void {
    this.leaseMs = leaseMs;
    this.leaseEnds = now + leaseMs;
    this.waitedUntil = now + leaseMs * WAITING_LEASES;
  }

  end(now: number): void {
    this.leaseEnds = Math.min(this.leaseEnds, now);
  }

  wait(token: string, sink: FlightSink, now: number): void {
    this.waiters.set(token, sink);
    this.waitedUntil = Math.max(this.waitedUntil, now + this.leaseMs * WAITING_LEASES);
  }

  keep({ payload, retainMs, lingerMs }: CompleteRequest, now: number): void {
    this.end(now);
    this.result = { payload: Uint8Array.from(payload), publishedAt: now, retainMs, lingerMs };
  }

  settled(): Joined {
    return { role: 'settled', fence: this.fence, payload: (this.result as KeptResult).payload };
  }

  /** Tells every process that waits, once. */
  tell(message: (sink: FlightSink) => void, except?: FlightSink): void {
    for (const sink of new Set(this.waiters.values())) if (sink !== except) message(sink);
  }
}
