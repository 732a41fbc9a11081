/** An event loop that a test controls: deferred callbacks run when the test says so. */

const promisesSettled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** More turns than any test needs. Reaching it means that a callback defers itself again and again. */
const TURNS_MAX = 10_000;

export class Turns {
  #deferred: (() => void)[] = [];

  /** Defers a callback. It runs once for each call. */
  readonly defer = (run: () => void): void => {
    this.#deferred.push(run);
  };

  /** Runs deferred callbacks, including new ones, until none is left and every promise has settled. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < TURNS_MAX; turn += 1) {
      await promisesSettled();
      const due = this.#deferred;
      if (due.length === 0) return;
      this.#deferred = [];
      for (const run of due) run();
    }
    throw new Error("the turns never end");
  }
}
