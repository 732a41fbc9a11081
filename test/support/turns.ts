/** Turns of an event loop that a test takes by hand: what is deferred runs when the test says so. */

const promisesSettled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** More turns than any test needs: something defers itself for ever. */
const TURNS_MAX = 10_000;

export class Turns {
  #deferred: (() => void)[] = [];

  /** Runs later, once for each time it is asked. */
  readonly defer = (run: () => void): void => {
    this.#deferred.push(run);
  };

  /** Runs what is deferred, and what that defers, until nothing is and every promise has settled. */
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
