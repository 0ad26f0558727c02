import type { Fence } from './engine.js';

/** What a flight is told before it knows which flight it follows: a push may overtake the answer to its join. */
export class EarlyPushes {
  private result: { readonly fence: Fence; readonly payload: Uint8Array | undefined } | undefined = undefined;
  private lastAbandoned: Fence = 0n;
  private readonly forgottenFences = new Set<Fence>();

  settled(fence: Fence, payload: Uint8Array | undefined): void {
    if (this.result === undefined || fence > this.result.fence) this.result = { fence, payload };
  }

  abandoned(fence: Fence): void {
    if (fence > this.lastAbandoned) this.lastAbandoned = fence;
  }

  forgotten(fence: Fence): void {
    this.forgottenFences.add(fence);
  }

  /** The result of that flight, or of a later one. */
  settledSince(fence: Fence): { readonly fence: Fence; readonly payload: Uint8Array | undefined } | undefined {
    return this.result !== undefined && this.result.fence >= fence ? this.result : undefined;
  }

  hasAbandoned(fence: Fence): boolean {
    return this.lastAbandoned >= fence;
  }

  hasForgotten(fence: Fence): boolean {
    return this.forgottenFences.has(fence);
  }
}
