/** Something that runs until a function's end is known. */
export interface Execution {
  /** How the function ended; called once. */
  end(ok: boolean, outcome: unknown): void;
}

/**
 * What a function returns that tells its execution's end by itself: not at once, and no promise in between. It is a thenable
 * as well, for a group of another copy of this library, which does not know this class.
 */
export abstract class Ending {
  /** Called once; tells the execution's end once, and not before it has returned. */
  abstract begin(execution: Execution): void;

  then(resolve: (value: unknown) => void, reject: (error: unknown) => void): void {
    this.begin({
      end: (ok, outcome) => {
        if (ok) resolve(outcome);
        else reject(outcome);
      },
    });
  }
}

/**
 * Tells an execution how what its function returned comes to an end: before anybody else who waits for that, so that
 * the key is free before anybody wakes. A value is an end already.
 *
 * @returns the native promise that the function returned, if it is one
 * @throws whatever reading a thenable's `then` throws
 */
export function endWith(execution: Execution, returned: unknown): Promise<unknown> | undefined {
  if (isPlainPromise(returned)) {
    returned.then(
      (value) => {
        execution.end(true, value);
      },
      (error: unknown) => {
        execution.end(false, error);
      },
    );
    return returned;
  }
  if (returned instanceof Ending) {
    returned.begin(execution);
    return undefined;
  }
  const then = thenOf(returned);
  if (then === undefined) execution.end(true, returned);
  else adopt(execution, returned, then);
  return undefined;
}

function isPlainPromise(value: unknown): value is Promise<unknown> {
  return value instanceof Promise && value.constructor === Promise && value.then === Promise.prototype.then;
}

type Then = (this: unknown, resolve: (value: unknown) => void, reject: (error: unknown) => void) => unknown;

function thenOf(value: unknown): Then | undefined {
  if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return undefined;
  const { then } = value as { then?: unknown };
  return typeof then === 'function' ? (then as Then) : undefined;
}

/** Once: a query builder runs its query each time somebody calls its `then`. The flight ends in the very callback. */
function adopt(execution: Execution, thenable: unknown, then: Then): void {
  let over = false;
  let asking = true;
  const settle = (ok: boolean, outcome: unknown): void => {
    if (over) return;
    over = true;
    // Who calls back at once is heard when a promise would be: those who ask in the same tick join.
    if (asking) void endWith(execution, ok ? Promise.resolve(outcome) : Promise.reject(outcome));
    else if (ok) endWithValue(execution, outcome);
    else execution.end(false, outcome);
  };
  try {
    then.call(
      thenable,
      (value) => {
        settle(true, value);
      },
      (error) => {
        settle(false, error);
      },
    );
  } catch (error) {
    settle(false, error);
  }
  asking = false;
}

/** As a promise does with what it is resolved with: it may be a thenable again. */
function endWithValue(execution: Execution, value: unknown): void {
  try {
    void endWith(execution, value);
  } catch (error) {
    execution.end(false, error);
  }
}
