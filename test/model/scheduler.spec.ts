import { describe, it } from '@jest/globals';
import fc, { type Scheduler } from 'fast-check';
import { fakeTime, restartTime } from '../support/fake-time.js';
import { turn } from '../support/turns.js';
import { Driven } from './driven.js';
import { actors, groups, PROGRAMS, report, SEED, TIMEOUT_MS } from './programs.js';
import { Promises } from './promises.js';
import type { Step } from './steps.js';
import { unhandledRejections } from './unhandled.js';

describe('Groups keep their promises', () => {
  fakeTime();
  const unhandled = unhandledRejections();

  it(
    'in whatever order the scheduler lets callers call, functions end and time pass',
    async () => {
      const promises = new Promises();
      const property = fc.asyncProperty(fc.scheduler(), groups, actors, async (scheduler, options, sequences) => {
        // A program that failed has left something behind, and others like it are tried next.
        restartTime();
        unhandled.length = 0;
        const driven = new Driven(options);
        schedule(scheduler, driven, sequences);
        await scheduler.waitIdle();
        await land(driven);
        promises.check(driven.end(unhandled));
      });
      await fc.assert(property, { numRuns: PROGRAMS, seed: SEED });
      promises.expectExercised(PROGRAMS);
      report('Scheduler', promises.exercised);
    },
    TIMEOUT_MS,
  );
});

/** Each actor takes its steps one after the other, while functions end: who is next is the scheduler's choice. */
function schedule(scheduler: Scheduler, driven: Driven, sequences: readonly (readonly Step[])[]): void {
  driven.functions.onPending = (path, end) => {
    void scheduler.schedule(Promise.resolve(), `${path} ends`).then(() => {
      driven.settle(path, end);
    });
  };
  for (const [actor, steps] of sequences.entries()) {
    scheduler.scheduleSequence(
      steps.map((one, index) => ({
        label: `${actor}: ${one.step}`,
        builder: async () => {
          await take(one, `${actor}_${index}`, driven);
          driven.look();
        },
      })),
    );
  }
}

async function take(one: Step, path: string, driven: Driven): Promise<void> {
  switch (one.step) {
    case 'call':
      // Whoever calls does not wait: others come meanwhile.
      void driven.call(path, one);
      return;
    case 'abort':
      driven.abort(one.signal);
      return;
    case 'forget':
      driven.forget(one.group, one.key);
      return;
    case 'forget all':
      driven.forgetAll(one.group);
      return;
    case 'close':
      driven.close(one.group, one.graceMs);
      return;
    case 'read': {
      const { paths } = driven.functions;
      if (paths.length > 0) driven.read(paths[one.flight % paths.length]!);
      return;
    }
    default:
      await pass(driven, 2);
  }
}

/** Timers fire when those have run who are awake. */
async function pass(driven: Driven, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed++) {
    await turn();
    driven.pass();
    await turn();
  }
}

/** Every function has ended, or ends when a call does that it waits for; every time limit passes. */
async function land(driven: Driven): Promise<void> {
  await driven.wake();
  await pass(driven, 60);
}
