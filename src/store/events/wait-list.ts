/** The subscribers of one thread that wait for events, and how they hear of those that other threads make. */
import type { ThreadWakeups } from "./thread-wakeups.ts";

export interface WaitingSubscriber {
  /** Where it is among those that sleep; or AWAKE; or NOWHERE, as it begins and ends. */
  place: number;
  behind(): boolean;
  wake(): void;
}

export const NOWHERE = -1;
const AWAKE = -2;

/** Each is woken once, when it is behind, and then forgotten until its next read. */
export class WaitList {
  readonly #threadWakeups: ThreadWakeups;
  readonly #caughtUp: () => void;
  /** No Set: an event for a thousand subscribers takes each out and puts it back. */
  #waitList: WaitingSubscriber[] = [];
  /** How many were woken and have not read since. */
  #awake = 0;

  /** `caughtUp`: everybody has read what there was until now. */
  constructor(threadWakeups: ThreadWakeups, caughtUp: () => void) {
    this.#threadWakeups = threadWakeups;
    this.#caughtUp = caughtUp;
  }

  /** Whoever falls asleep looks once more whether it is behind, after this. */
  add(subscriber: WaitingSubscriber): void {
    if (subscriber.place < 0) {
      if (subscriber.place === AWAKE) this.#awake -= 1;
      this.#keep(subscriber);
    }
    this.#threadWakeups.request();
  }

  delete(subscriber: WaitingSubscriber): void {
    const { place } = subscriber;
    subscriber.place = NOWHERE;
    if (place === AWAKE) this.#awake -= 1;
    if (place < 0) return;
    const last = this.#waitList.pop();
    if (last === undefined || last === subscriber) return;
    this.#waitList[place] = last;
    last.place = place;
  }

  /** Who is not behind sleeps on: it would not read, and only a read has it woken again. */
  wake(): void {
    if (this.#waitList.length === 0) return;
    if (this.#awake === 0) this.#caughtUp();
    const woken: WaitingSubscriber[] = [];
    const asleep = this.#waitList;
    this.#waitList = [];
    for (const subscriber of asleep) {
      if (subscriber.behind()) {
        subscriber.place = AWAKE;
        woken.push(subscriber);
      } else this.#keep(subscriber);
    }
    this.#awake += woken.length;
    // Only now, when all have their places: who is woken may put itself and others to bed, or take them out.
    for (const subscriber of woken) subscriber.wake();
  }

  /** Another thread rang. */
  wokenByThread(): void {
    if (this.#waitList.length === 0) return;
    this.#threadWakeups.request();
    this.wake();
  }

  #keep(subscriber: WaitingSubscriber): void {
    subscriber.place = this.#waitList.length;
    this.#waitList.push(subscriber);
  }
}
