/** The subscribers of one thread that wait for events, and how they hear of those that other threads make. */
import type { Doorbells } from "./doorbells.ts";

export interface Sleeper {
  /** Where it is among those that sleep; AWAKE: nowhere. */
  place: number;
  behind(): boolean;
  wake(): void;
}

export const AWAKE = -1;

/** Each is woken once, when it is behind, and then forgotten until its next read. */
export class Sleepers {
  readonly #bells: Doorbells;
  /** No Set: an event for a thousand subscribers takes each out and puts it back. */
  #sleepers: Sleeper[] = [];

  constructor(bells: Doorbells) {
    this.#bells = bells;
  }

  /** Whoever falls asleep looks once more whether it is behind, after this. */
  add(sleeper: Sleeper): void {
    if (sleeper.place === AWAKE) this.#keep(sleeper);
    this.#bells.arm();
  }

  delete(sleeper: Sleeper): void {
    const { place } = sleeper;
    if (place === AWAKE) return;
    sleeper.place = AWAKE;
    const last = this.#sleepers.pop();
    if (last === undefined || last === sleeper) return;
    this.#sleepers[place] = last;
    last.place = place;
  }

  /** Who is not behind sleeps on: it would not read, and only a read has it woken again. */
  wake(): void {
    if (this.#sleepers.length === 0) return;
    const woken: Sleeper[] = [];
    const asleep = this.#sleepers;
    this.#sleepers = [];
    for (const sleeper of asleep) {
      if (sleeper.behind()) {
        sleeper.place = AWAKE;
        woken.push(sleeper);
      } else this.#keep(sleeper);
    }
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
