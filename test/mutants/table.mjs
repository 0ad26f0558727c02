import { batches } from './table/batches.mjs';
import { callers } from './table/callers.mjs';
import { groups } from './table/group.mjs';
import { interceptor } from './table/interceptor.mjs';
import { isolation } from './table/isolation.mjs';
import { nestjs } from './table/nest.mjs';
import { promises } from './table/promises.mjs';

/**
 * Hand-made mutants of the library: each is a slip that breaks a promise or a documented behaviour.
 *
 * @type {import('./table/mutant.mjs').Mutant[]}
 */
export const mutants = [...promises, ...groups, ...batches, ...isolation, ...callers, ...nestjs, ...interceptor];
