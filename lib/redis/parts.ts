import type { Fence } from '../fleet/engine.js';

const SWEEP_MS = 10_000;
/** How long a part that nobody has ended is remembered, in leases. */
const LEASES = 4;

interface Part {
  /** The flight's id, as the fleet knows it. */
  readonly flight: string;
  readonly tokens: Map<string, TokenPart>;
}

interface TokenPart {
  /** Undefined until the answer to its join has come. */
  fence: Fence | undefined;
  role: 'leader' | 'follower' | undefined;
  until: number;
}

/**
 * The flights that this process leads or waits for, by their name in Redis: which messages concern it, and whether its
 * inbox is needed by somebody else here. Written by the engine's verbs and by what comes into the inbox.
 */
export class Parts {
  private readonly byName = new Map<string, Part>();
  /** When those that nobody ended were last cleared away. */
  private sweptAt = 0;

  get size(): number {
    return this.byName.size;
  }

  flightOf(name: string): string | undefined {
    return this.byName.get(name)?.flight;
  }

  /** A token asks for a part, from now on: what is pushed may overtake the answer. */
  ask(name: string, flight: string, token: string, leaseMs: number): void {
    const now = performance.now();
    if (now - this.sweptAt > SWEEP_MS) this.sweep(now);
    let part = this.byName.get(name);
    if (part === undefined) this.byName.set(name, (part = { flight, tokens: new Map() }));
    const { fence, role } = part.tokens.get(token) ?? {};
    part.tokens.set(token, { fence, role, until: now + LEASES * leaseMs });
  }

  take(name: string, token: string, role: 'leader' | 'follower', fence: Fence | undefined): void {
    const part = this.byName.get(name)?.tokens.get(token);
    if (part === undefined) return;
    part.role = role;
    part.fence = fence;
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

  /** Those who waited for this flight, or an earlier one, have what they waited for. */
  settle(name: string, fence: Fence): void {
    for (const [token, part] of this.byName.get(name)?.tokens ?? []) {
      if (part.role === 'follower' && part.fence !== undefined && part.fence <= fence) this.end(name, token);
    }
  }

  /** The flights of this id that other tokens here wait for, by their fences; 0 for who has no answer yet. */
  waitedForBeside(name: string, token: string): Fence[] {
    const others = [...(this.byName.get(name)?.tokens ?? [])].filter(([other]) => other !== token);
    return others.flatMap(([, { role, fence = 0n }]) => (role === 'leader' ? [] : [fence]));
  }

  /** It does not wait any more, whatever the engine says to that. */
  leave(name: string, token: string): void {
    if (this.byName.get(name)?.tokens.get(token)?.role !== 'leader') this.end(name, token);
  }

  clear(): void {
    this.byName.clear();
  }

  private sweep(now: number): void {
    this.sweptAt = now;
    for (const [name, { tokens }] of this.byName) {
      for (const [token, { until }] of tokens) if (until < now) this.end(name, token);
    }
  }
}
