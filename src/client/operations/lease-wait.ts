/** The part of a load that waits for a server or for the lease of another process, and that a caller's deadline may end. */
import { CacheError } from "../../common/errors.ts";

export class LeaseWait {
  #reject: ((error: CacheError) => void) | undefined;
  #ended = false;

  /** The result of `asked`. When the wait is ended first: that of `otherwise`, or DEADLINE where it has none. */
  over<Answer>(asked: Promise<Answer>, otherwise: () => Answer | undefined): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#reject = undefined;
      };
      this.#reject = (error) => {
        const answer = otherwise();
        if (answer === undefined) reject(error);
        else resolve(answer);
      };
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
