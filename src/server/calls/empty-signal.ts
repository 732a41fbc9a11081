/** Waits until a collection is empty, for any number of waiters. */
export class EmptySignal {
  #waiting: PromiseWithResolvers<void> | undefined;

  /** Resolves at the next `reached`; at once when `size` is 0. */
  wait(size: number): Promise<void> {
    if (size === 0) return Promise.resolve();
    this.#waiting ??= Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** The collection has become empty. */
  reached(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
