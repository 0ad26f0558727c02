/** The promise behind what a function returned: itself if it is one, a thenable's, or none. */
export function promiseOf(returned: unknown): Promise<unknown> | undefined {
  if (returned instanceof Promise && returned.constructor === Promise && returned.then === Promise.prototype.then) {
    return returned as Promise<unknown>;
  }
  if ((typeof returned !== 'object' || returned === null) && typeof returned !== 'function') return undefined;
  const { then } = returned as { then?: unknown };
  if (typeof then !== 'function') return undefined;
  // Adopted here and once: a query builder runs its query each time somebody calls its `then`.
  return new Promise((resolve, reject) => {
    then.call(returned, resolve, reject);
  });
}
