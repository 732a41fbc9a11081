/** The subscribers of one thread that wait for the next event, and their wake-ups. */
import { type CallbackErrors, NO_ERRORS } from "../../common/callback-errors.ts";
import { type Linked, LinkedList } from "../../common/linked-list.ts";
import type { ThreadWakeups } from "./thread-wakeups.ts";

export interface WaitingSubscriber extends Linked<WaitingSubscriber> {
  /** It was woken and has not read since. Only the list writes it. */
  woken: boolean;
  behind(): boolean;
  wake(): void;
}

/** A subscriber is woken once, when it is behind. Then it waits again only after its next read. */
export class WaitList {
  readonly #threadWakeups: ThreadWakeups;
  readonly #caughtUp: () => void;
  readonly #waiting = new LinkedList<WaitingSubscriber>();
  /** How many were woken and have not read since. */
  #wokenCount = 0;

  /** `caughtUp` is called when there is a new event and every subscriber has read those before it. */
  constructor(threadWakeups: ThreadWakeups, caughtUp: () => void) {
    this.#threadWakeups = threadWakeups;
    this.#caughtUp = caughtUp;
  }

  /** The subscriber checks once more that it is not behind, after this call. */
  add(subscriber: WaitingSubscriber): void {
    this.#clearWoken(subscriber);
    if (!this.#waiting.has(subscriber)) this.#waiting.add(subscriber);
    this.#threadWakeups.request();
  }

  delete(subscriber: WaitingSubscriber): void {
    this.#clearWoken(subscriber);
    this.#waiting.delete(subscriber);
  }

  /**
   * Wakes the subscribers that are behind, all of them even if some throw, and returns what they threw. One that is not
   * behind keeps waiting: it would not read, and only a read puts it back into the list.
   */
  wake(): CallbackErrors {
    if (this.#waiting.size === 0) return NO_ERRORS;
    if (this.#wokenCount === 0) this.#caughtUp();
    const woken = this.#takeBehind();
    let errors: unknown[] | undefined;
    // The list is up to date before the first call: `wake` may add and delete subscribers.
    for (const subscriber of woken) {
      try {
        subscriber.wake();
      } catch (error) {
        errors ??= [];
        errors.push(error);
      }
    }
    return errors ?? NO_ERRORS;
  }

  /** Another thread has new events. */
  wokenByThread(): CallbackErrors {
    if (this.#waiting.size === 0) return NO_ERRORS;
    this.#threadWakeups.request();
    return this.wake();
  }

  #takeBehind(): WaitingSubscriber[] {
    const behind: WaitingSubscriber[] = [];
    let next: WaitingSubscriber | undefined;
    for (let subscriber = this.#waiting.oldest; subscriber !== undefined; subscriber = next) {
      next = subscriber.newer;
      if (!subscriber.behind()) continue;
      this.#waiting.delete(subscriber);
      subscriber.woken = true;
      behind.push(subscriber);
    }
    this.#wokenCount += behind.length;
    return behind;
  }

  #clearWoken(subscriber: WaitingSubscriber): void {
    if (!subscriber.woken) return;
    subscriber.woken = false;
    this.#wokenCount -= 1;
  }
}
