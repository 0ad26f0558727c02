// Taken when the file is loaded: tests that fake the time still wait for real turns of the event loop.
const immediate = setImmediate;

/** Resolves in the next turn of the event loop, when every microtask has run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    immediate(resolve);
  });
}

/** Lets `count` microtasks pass. */
export async function microtasks(count: number): Promise<void> {
  for (let passed = 0; passed < count; passed++) await Promise.resolve();
}

/** Whether a promise has settled once every microtask has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  const settled = (): void => {
    pending = false;
  };
  promise.then(settled, settled);
  await turn();
  return pending;
}
