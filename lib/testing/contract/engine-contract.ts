import { contractCase, type ContractCase, type ContractOptions, type Scene } from './contract-world.js';
import { JOIN_CASES } from './join-cases.js';
import { COMPLETE_CASES, RENEW_CASES } from './lead-cases.js';
import { ABANDON_CASES, FORGET_CASES, LOSS_CASES, STOP_CASES } from './leave-cases.js';
import { TWO_IN_ONE_CASES } from './two-in-one-cases.js';

/**
 * What every engine has to pass, one case per rule of the port, for whichever test runner. Cases wait for what has to
 * happen, with a deadline, and clear away the processes they have started; an id is used by one case only, so that they
 * may share a server.
 *
 * @example
 * ```ts
 * import { describe, it } from 'node:test';
 * import { MemoryEngine, MemoryHub } from 'nestjs-singleflight/fleet';
 * import { engineContract } from 'nestjs-singleflight/testing';
 *
 * describe('My engine', () => {
 *   const make = () => {
 *     const hub = new MemoryHub();
 *     return { engine: () => new MemoryEngine(hub), loseData: () => hub.loseData() };
 *   };
 *   for (const { title, run } of engineContract({ make, losesData: true })) it(title, run);
 * });
 * ```
 */
export function engineContract(options: ContractOptions): readonly ContractCase[] {
  const tables: Readonly<Record<string, (scene: Scene) => Promise<void>>>[] = [
    ...[JOIN_CASES, RENEW_CASES, COMPLETE_CASES, ABANDON_CASES, FORGET_CASES, TWO_IN_ONE_CASES, STOP_CASES],
    ...(options.losesData === true ? [LOSS_CASES] : []),
  ];
  return tables.flatMap((cases) => Object.entries(cases)).map(([title, act]) => contractCase(title, options, act));
}
