/** The subscribers of one thread that wait for events, and how they hear of those that other threads make. */
import type { Doorbells } from "./doorbells.ts";

export interface Sleeper {
  behind(): boolean;
  wake(): void;
}

/** Each is woken once, when it is behind, and then forgotten until its next read. */
export class Sleepers {
  readonly #bells: Doorbells;
  readonly #sleepers = new Set<Sleeper>();

  constructor(bells: Doorbells) {
    this.#bells = bells;
  }

  /** Whoever falls asleep looks once more whether it is behind, after this. */
  add(sleeper: Sleeper): void {
    this.#sleepers.add(sleeper);
    this.#bells.arm();
  }

  delete(sleeper: Sleeper): void {
    this.#sleepers.delete(sleeper);
  }

  /** Who is not behind sleeps on: it would not read, and only a read has it woken again. */
  wake(): void {
    if (this.#sleepers.size === 0) return;
    for (const sleeper of [...this.#sleepers]) {
      if (!sleeper.behind()) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
  }

  /** Another thread rang. */
  rung(): void {
    if (this.#sleepers.size === 0) return;
    this.#bells.arm();
    this.wake();
  }
}
