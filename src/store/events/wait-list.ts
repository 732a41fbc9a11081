/** The subscribers of one thread that wait for events, and how they hear of those that other threads make. */
import type { Doorbells } from "./thread-wakeups.ts";

export interface Sleeper {
  /** Where it is among those that sleep; or AWAKE; or NOWHERE, as it begins and ends. */
  place: number;
  behind(): boolean;
  wake(): void;
}

export const NOWHERE = -1;
const AWAKE = -2;

/** Each is woken once, when it is behind, and then forgotten until its next read. */
export class Sleepers {
  readonly #bells: Doorbells;
  readonly #caughtUp: () => void;
  /** No Set: an event for a thousand subscribers takes each out and puts it back. */
  #sleepers: Sleeper[] = [];
  /** How many were woken and have not read since. */
  #awake = 0;

  /** `caughtUp`: everybody has read what there was until now. */
  constructor(bells: Doorbells, caughtUp: () => void) {
    this.#bells = bells;
    this.#caughtUp = caughtUp;
  }

  /** Whoever falls asleep looks once more whether it is behind, after this. */
  add(sleeper: Sleeper): void {
    if (sleeper.place < 0) {
      if (sleeper.place === AWAKE) this.#awake -= 1;
      this.#keep(sleeper);
    }
    this.#bells.arm();
  }

  delete(sleeper: Sleeper): void {
    const { place } = sleeper;
    sleeper.place = NOWHERE;
    if (place === AWAKE) this.#awake -= 1;
    if (place < 0) return;
    const last = this.#sleepers.pop();
    if (last === undefined || last === sleeper) return;
    this.#sleepers[place] = last;
    last.place = place;
  }

  /** Who is not behind sleeps on: it would not read, and only a read has it woken again. */
  wake(): void {
    if (this.#sleepers.length === 0) return;
    if (this.#awake === 0) this.#caughtUp();
    const woken: Sleeper[] = [];
    const asleep = this.#sleepers;
    this.#sleepers = [];
    for (const sleeper of asleep) {
      if (sleeper.behind()) {
        sleeper.place = AWAKE;
        woken.push(sleeper);
      } else this.#keep(sleeper);
    }
    this.#awake += woken.length;
    // Only now, when all have their places: who is woken may put itself and others to bed, or take them out.
    for (const sleeper of woken) sleeper.wake();
  }

  /** Another thread rang. */
  rung(): void {
    if (this.#sleepers.length === 0) return;
    this.#bells.arm();
    this.wake();
  }

  #keep(sleeper: Sleeper): void {
    sleeper.place = this.#sleepers.length;
    this.#sleepers.push(sleeper);
  }
}
