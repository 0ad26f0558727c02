import { expect } from '@jest/globals';
import {
  errorsTravel,
  everybodySettles,
  idleCostsNothing,
  keysNeverCollide,
  nobodyIsSpecial,
  ownContext,
} from './caller-promises.js';
import {
  boundsHold,
  closedGroupsStartNothing,
  freeBeforeAnybodyWakes,
  fresh,
  lastOneOut,
  noFalseAlarm,
  oneAtATime,
  registeredFirst,
  removedByIdentity,
} from './flight-promises.js';
import { History } from './history.js';
import type { Log } from './log.js';

/** Checks one promise in what really happened, without the model; returns how often there was something to check. */
type Check = (history: History) => number;

const PROMISES: readonly (readonly [name: string, check: Check])[] = [
  ['1 one at a time', oneAtATime],
  ['2 fresh', fresh],
  ['3 registered first', registeredFirst],
  ['4 removed by identity', removedByIdentity],
  ['5 free before anybody wakes', freeBeforeAnybodyWakes],
  ['6 everybody settles, once', everybodySettles],
  ['7 nobody is special', nobodyIsSpecial],
  ['8 the last one out', lastOneOut],
  ['9 errors travel as they are', errorsTravel],
  ['10 own context', ownContext],
  ['11 keys never collide', keysNeverCollide],
  ['12 idle costs nothing', idleCostsNothing],
  ['bounds hold', boundsHold],
  ['closed groups start nothing', closedGroupsStartNothing],
  ['no false alarm', noFalseAlarm],
];

/** The promises, checked in one program after the other. */
export class Promises {
  /** How often each promise had something to check. */
  readonly exercised = new Map(PROMISES.map(([name]) => [name, 0]));

  check(log: Log): void {
    const history = new History(log);
    const broken = PROMISES.flatMap(([name, check]) => {
      try {
        this.exercised.set(name, this.exercised.get(name)! + check(history));
        return [];
      } catch (error) {
        return [`${name}: ${(error as Error).message}`];
      }
    });
    if (broken.length > 0) throw new Error(`Broken: ${broken.join('; ')}.`);
  }

  /** A promise that had nothing to be checked in would hold, too. */
  expectExercised(programs: number): void {
    for (const [name, times] of this.exercised) {
      if (times < Math.floor(programs / 100)) expect(`${name}: exercised ${times} times`).toBe('exercised more often');
    }
  }
}
