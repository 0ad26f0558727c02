import { AsyncLocalStorage } from 'node:async_hooks';
import { DeadlockError } from './errors.js';

/** A flight as the search for deadlocks sees it: whom its function waits for, and who waits for it. */
export class Waiting {
  private readonly waitsFor = new Set<Waiting>();
  private readonly waiters = new Set<Waiting>();
  private over = false;

  /** @param describe how an error names it: group and key */
  constructor(readonly describe: () => string) {}

  /** Runs a function whose calls are this flight's: whoever it waits for, this flight waits for. */
  run<R>(fn: () => R): R {
    return around.run(this, fn);
  }

  /** @throws DeadlockError when this flight already waits, through whatever chain, for the one around the current call */
  refuseCircle(): void {
    const waiter = around.getStore();
    if (waiter === undefined || waiter.over) return;
    const chain = this.chainTo(waiter, new Set());
    if (chain !== undefined) throw new DeadlockError([waiter, ...chain].map((flight) => flight.describe()));
  }

  /** The flight around the current call waits for this one, from now until this one is over. */
  await(): void {
    const waiter = around.getStore();
    if (waiter === undefined || waiter.over) return;
    waiter.waitsFor.add(this);
    this.waiters.add(waiter);
  }

  /** It has settled: nobody waits for it any more. */
  end(): void {
    this.over = true;
    for (const waiter of this.waiters) waiter.waitsFor.delete(this);
    this.waiters.clear();
    for (const awaited of this.waitsFor) awaited.waiters.delete(this);
    this.waitsFor.clear();
  }

  /** From this flight to the one that it waits for in the end. */
  private chainTo(target: Waiting, seen: Set<Waiting>): Waiting[] | undefined {
    if (this === target) return [this];
    seen.add(this);
    for (const next of this.waitsFor) {
      const chain = seen.has(next) ? undefined : next.chainTo(target, seen);
      if (chain !== undefined) return [this, ...chain];
    }
    return undefined;
  }
}

/** The flight in whose function the current call was made; shared by all groups, so that a chain may cross them. */
const around = new AsyncLocalStorage<Waiting | undefined>();

/**
 * Runs a function outside of the flight around it: what it calls is not taken for something that the flight waits for.
 * For work that is started inside a flight and not awaited there.
 *
 * @example
 * ```ts
 * import { Group, outsideFlight } from 'nestjs-singleflight/core';
 *
 * const group = new Group();
 * await group.run('page', async () => {
 *   // Started here, awaited by nobody: it may ask for 'page' itself.
 *   void outsideFlight(() => group.run('statistics', async () => 'counted'));
 *   return 'a page';
 * });
 * ```
 */
export function outsideFlight<R>(fn: () => R): R {
  return around.run(undefined, fn);
}
