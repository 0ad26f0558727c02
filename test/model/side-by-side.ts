import { isDeepStrictEqual } from 'node:util';
import { expect } from '@jest/globals';
import type { FlightInfo } from '../../lib/core/stats.js';
import { answersOf } from './answers.js';
import { Driven } from './driven.js';
import type { ModelFlight } from './group-model.js';
import { innerCall, KEYS, type GroupStep, type Step } from './steps.js';
import { WorldModel } from './world-model.js';

/** Groups and their model, taken through the same steps. */
export class SideBySide {
  readonly driven: Driven;
  private readonly model: WorldModel;

  constructor(groups: readonly GroupStep[]) {
    this.driven = new Driven(groups);
    this.model = new WorldModel(groups);
  }

  /** What is not separated by a `wake` or a `pass` happens in one go. */
  async takeAll(steps: readonly Step[]): Promise<void> {
    for (const [index, one] of steps.entries()) {
      if (one.step === 'wake') await this.compare();
      else if (one.step === 'pass') await this.pass(one.ms);
      else this.take(one, `${index}`);
    }
    await this.land();
  }

  private take(one: Step, path: string): void {
    const { model, driven } = this;
    switch (one.step) {
      case 'call':
        model.call(path, one);
        void driven.call(path, one);
        return;
      case 'forget':
        expect(driven.forget(one.group, one.key)).toBe(model.groups[one.group]!.forget(one.key));
        return;
      case 'forget all':
        expect(driven.forgetAll(one.group)).toBe(model.groups[one.group]!.forgetAll());
        return;
      default: {
        const flight = this.flightOf(one);
        for (const player of [model, driven]) this.play(one, player, flight);
      }
    }
  }

  private play(one: Step, player: WorldModel | Driven, flight: ModelFlight | undefined): void {
    if (one.step === 'abort') player.abort(one.signal);
    if (one.step === 'close') player.close(one.group, one.graceMs);
    if (one.step === 'read' && flight !== undefined) player.read(flight.path);
    if (one.step === 'settle' && flight !== undefined && !endsByItself(flight)) player.settle(flight.path, one.end);
  }

  /** A signal may be read whenever; only who runs can end. */
  private flightOf(one: Step): ModelFlight | undefined {
    if (!('flight' in one)) return undefined;
    const flights = one.step === 'read' ? this.model.flights : this.model.flights.filter(({ ended }) => !ended);
    return flights[one.flight % flights.length];
  }

  private async pass(ms: number): Promise<void> {
    await this.compare();
    for (let passed = 0; passed < ms; passed++) {
      this.model.pass();
      this.driven.pass();
      await this.compare();
    }
  }

  /** Ends every function, those that are started meanwhile too, and lets every time limit pass. */
  private async land(): Promise<void> {
    await this.compare();
    for (const flight of this.model.flights) {
      for (const player of [this.model, this.driven])
        this.play({ step: 'settle', flight: 0, end: 'value' }, player, flight);
      await this.compare();
    }
    await this.pass(60);
  }

  /** Lets everybody wake, and compares all that can be seen from outside. */
  private async compare(): Promise<void> {
    const { model, driven } = this;
    model.wake();
    await driven.wake();
    const answers = answersOf(driven.log);
    for (const [path, answer] of answers) model.allow(path, answer);
    const seen = {
      answers,
      groups: driven.groups.map((group, index) => ({
        size: group.size,
        stats: group.stats(),
        inFlight: inOrder(group.inFlight()),
        closed: driven.closed[index],
      })),
      signals: signalsOf(driven.log.flights, ({ aborted }) => aborted && (aborted.reason as Error).name),
    };
    const promised = {
      answers: model.answers,
      groups: model.groups.map((group) => ({
        size: group.keyed().length,
        stats: group.stats(),
        inFlight: inOrder(group.inFlight((key) => String(KEYS[key]))),
        closed: group.closing === 'closed',
      })),
      signals: signalsOf(model.flights, ({ read, aborted }) => (read ? aborted : undefined)),
    };
    // Asked first because it is quicker than the assertion, which is there to print the difference.
    if (!isDeepStrictEqual(seen, promised)) expect(seen).toEqual(promised);
  }
}

/** Whether it ends when the call ends that its function waits for. */
function endsByItself({ work, parts }: ModelFlight): boolean {
  const keys = parts.map(({ key }) => key);
  return work.returns === 'nested' && innerCall(work, keys) !== undefined;
}

function signalsOf<F extends { readonly path: string }>(
  flights: readonly F[],
  nameOf: (flight: F) => string | undefined,
): Map<string, string | undefined> {
  return new Map(flights.map((flight) => [flight.path, nameOf(flight)]));
}

/** Oldest first, and those of one age by whatever else tells them apart. */
function inOrder(list: readonly FlightInfo[]): FlightInfo[] {
  const inAge = [...list].sort((one, other) => other.ageMs - one.ageMs);
  if (list.some(({ ageMs }, index) => ageMs !== inAge[index]!.ageMs)) throw new Error('Not oldest first.');
  return inAge.sort(
    (one, other) => other.ageMs - one.ageMs || JSON.stringify(one).localeCompare(JSON.stringify(other)),
  );
}
