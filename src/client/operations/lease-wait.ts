/** The part of a load that waits for a server or for the lease of another process, and that a caller's deadline may end. */
import { CacheError } from "../../common/errors.ts";

export class LeaseWait {
  #reject: ((error: CacheError) => void) | undefined;
  #ended = false;

  /** The result of `asked`, or DEADLINE when the wait is ended first. */
  over<Answer>(asked: Promise<Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#reject = undefined;
      };
      this.#reject = reject;
      asked.then(
        (answer) => {
          leave();
          resolve(answer);
        },
        (error) => {
          leave();
          reject(error);
        },
      );
    });
  }

  /** Whether the wait was ended before it was over. */
  get ended(): boolean {
    return this.#ended;
  }

  /** False: nobody waits (any more), since the load is under way. */
  end(): boolean {
    if (this.#reject === undefined) return this.#ended;
    this.#ended = true;
    this.#reject(new CacheError("DEADLINE", "there was no lease by the deadline"));
    this.#reject = undefined;
    return true;
  }
}
