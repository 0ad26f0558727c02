/** A Map and a promise, written by hand: no options, no counters, no events, nobody can leave. */
export class ByHand {
  #promises = new Map();

  run(key, fn) {
    const known = this.#promises.get(key);
    if (known !== undefined) return known;
    const promise = fn();
    this.#promises.set(key, promise);
    const cleanup = () => {
      this.#promises.delete(key);
    };
    promise.then(cleanup, cleanup);
    return promise;
  }
}
