import type { Fence } from '../fleet/engine.js';

const SWEEP_MS = 10_000;
/** How long a part that nobody has ended is remembered, in leases. */
const LEASES = 4;

type Role = 'leader' | 'follower';

interface Part {
  /** The flight's id, as the fleet knows it. */
  readonly flight: string;
  readonly tokens: Map<string, TokenPart>;
}

interface TokenPart {
  /** Undefined until an answer to a join has come. */
  fence: Fence | undefined;
  role: Role | undefined;
  /** Whether it asks just now: a message may overtake the answer. */
  asks: boolean;
  until: number;
}

/**
 * The flights that this process leads or waits for, by their name in the database: every process hears of all flights,
 * and these are its own. Written by the engine's verbs.
 */
export class Parts {
  private readonly byName = new Map<string, Part>();
  /** When those that nobody ended were last cleared away. */
  private sweptAt = 0;

  get size(): number {
    return this.byName.size;
  }

  /** A token asks for a part, from now on. */
  ask(name: string, flight: string, token: string, leaseMs: number): void {
    const now = performance.now();
    if (now - this.sweptAt > SWEEP_MS) this.sweep(now);
    let part = this.byName.get(name);
    if (part === undefined) this.byName.set(name, (part = { flight, tokens: new Map() }));
    const { fence, role } = part.tokens.get(token) ?? {};
    part.tokens.set(token, { fence, role, asks: true, until: now + LEASES * leaseMs });
  }

  take(name: string, token: string, role: Role, fence: Fence | undefined): void {
    const part = this.byName.get(name)?.tokens.get(token);
    if (part !== undefined) Object.assign(part, { role, fence, asks: false });
  }

  /** A leader lives on. */
  extend(name: string, token: string, leaseMs: number): void {
    const part = this.byName.get(name)?.tokens.get(token);
    if (part !== undefined) part.until = performance.now() + LEASES * leaseMs;
  }

  end(name: string, token: string): void {
    const part = this.byName.get(name);
    part?.tokens.delete(token);
    if (part?.tokens.size === 0) this.byName.delete(name);
  }

  /** The flight's id, if somebody here waits for it, or may by the time the message is read. */
  waitedFor(name: string, fence: Fence): string | undefined {
    return this.about(name, (part) => part.asks || (part.role === 'follower' && part.fence === fence));
  }

  /** The flight's id, if somebody here leads it or waits for it. */
  known(name: string, fence: Fence): string | undefined {
    return this.about(name, (part) => part.asks || part.fence === fence);
  }

  /** Those who waited for this flight have what they waited for. */
  settle(name: string, fence: Fence): void {
    for (const [token, part] of this.byName.get(name)?.tokens ?? []) {
      if (!part.asks && part.role === 'follower' && part.fence === fence) this.end(name, token);
    }
  }

  clear(): void {
    this.byName.clear();
  }

  private about(name: string, isMeant: (part: TokenPart) => boolean): string | undefined {
    const part = this.byName.get(name);
    for (const one of part?.tokens.values() ?? []) if (isMeant(one)) return part?.flight;
    return undefined;
  }

  private sweep(now: number): void {
    this.sweptAt = now;
    for (const [name, { tokens }] of this.byName) {
      for (const [token, { until }] of tokens) if (until < now) this.end(name, token);
    }
  }
}
