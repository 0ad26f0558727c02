import { deferred, type Deferred } from '../../support/deferred.js';

/** The work that flights share: counts its executions, and each of them ends when the test says so. */
export class Work<T = string> {
  /** What each execution was given. */
  readonly args: unknown[][] = [];
  readonly #executions: Deferred<T>[] = [];

  /** How often it was executed. */
  get count(): number {
    return this.#executions.length;
  }

  /** One execution. */
  execute(...args: unknown[]): Promise<T> {
    this.args.push(args);
    const execution = deferred<T>();
    this.#executions.push(execution);
    return execution.promise;
  }

  /** Ends every execution so far, or the one with this index. */
  resolve(value: T, index?: number): void {
    for (const execution of this.#some(index)) execution.resolve(value);
  }

  reject(error: unknown, index?: number): void {
    for (const execution of this.#some(index)) execution.reject(error);
  }

  #some(index: number | undefined): Deferred<T>[] {
    return index === undefined ? this.#executions : [this.#executions[index]!];
  }
}

/** One turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Gives the event loop its turns until the condition holds. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    if (condition()) return;
    await nextTurn();
  }
  throw new Error(`It never came to this: ${String(condition)}`);
}

/** What a promise rejects with. */
export function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => {
      throw new Error(`It resolved to ${String(value)}.`);
    },
    (error: unknown) => error,
  );
}
