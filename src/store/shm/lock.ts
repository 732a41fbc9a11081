/**
 * A lock over a word of shared memory, which the threads of a server hold for microseconds.
 *
 * (Ulrich Drepper, "Futexes Are Tricky", 2011, the second mutex.) Free, held, or held with somebody asleep: only
 * the last of these costs its holder a call out of JavaScript. A thread spins for about as long as a lock is
 * held before it goes to sleep. Not reentrant, not fair.
 */
import type { Region } from "./region.ts";

export interface Lock {
  /** Throws when the lock was not to be had for a long time: then its holder is stuck, or gone. */
  acquire(): void;
  release(): void;
}

export const LOCK_BYTES = Int32Array.BYTES_PER_ELEMENT;

const FREE = 0;
const HELD = 1;
const CONTENDED = 2;
const SPINS = 256;
/** Patience is lost in as many sleeps, since one may seem to have lasted while the whole process was stopped. */
const SLEEPS = 10;

export class SharedLock implements Lock {
  readonly #word: Int32Array;
  readonly #patienceMs: number;

  constructor(region: Region, patienceMs = 10_000) {
    this.#word = new Int32Array(region.buffer, region.begin, 1);
    this.#patienceMs = patienceMs;
  }

  acquire(): void {
    if (Atomics.compareExchange(this.#word, 0, FREE, HELD) !== FREE) this.#acquireHeld();
  }

  release(): void {
    if (Atomics.exchange(this.#word, 0, FREE) === CONTENDED) Atomics.notify(this.#word, 0, 1);
  }

  #acquireHeld(): void {
    const word = this.#word;
    for (let spin = 0; spin < SPINS; spin++) {
      if (Atomics.load(word, 0) === FREE && Atomics.compareExchange(word, 0, FREE, HELD) === FREE) return;
    }
    // Whoever slept cannot know that nobody else does, and so leaves the word saying that somebody may.
    let sleepsLeft = SLEEPS;
    while (Atomics.exchange(word, 0, CONTENDED) !== FREE) {
      if (sleepsLeft === 0) throw new Error(`a lock was not released within ${this.#patienceMs} ms`);
      if (Atomics.wait(word, 0, CONTENDED, this.#patienceMs / SLEEPS) === "timed-out") sleepsLeft--;
    }
  }
}

/** Of what only one thread has. */
export const NO_LOCK: Lock = {
  acquire() {},
  release() {},
};
