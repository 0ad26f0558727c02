import { beforeAll, describe, expect, it } from '@jest/globals';
import { compileAll, type Program, type Verdict } from './programs.js';

const compilers = ['typescript-5.9', 'typescript', 'typescript-7.0'];
const programs: Program[] = [
  ...compilers.flatMap((compiler): Program[] => [
    { compiler, decorators: 'legacy', checks: 'strict' },
    { compiler, decorators: 'tc39', checks: 'strict' },
  ]),
  { compiler: 'typescript', decorators: 'legacy', checks: 'loose' },
  { compiler: 'typescript', decorators: 'legacy', checks: 'exact' },
];

let verdicts: Map<Program, Verdict>;

beforeAll(async () => {
  verdicts = await compileAll(programs);
}, 300_000);

describe.each(programs)('The public types, $compiler, $decorators decorators, $checks checks', (program) => {
  it('accept every use that fits', () => {
    expect(verdicts.get(program)!.errorsInAccepted).toEqual([]);
  });

  it('reject every other use, on its line and with its sentence', () => {
    const { errorsInRejected, expectedInRejected } = verdicts.get(program)!;
    expect(errorsInRejected).toEqual(expectedInRejected);
    expect(expectedInRejected.length).toBeGreaterThan(40);
  });
});
