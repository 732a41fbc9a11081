/**
 * A lock in a word of shared memory, which the threads of a server hold for microseconds.
 *
 * It is the second mutex of Ulrich Drepper, "Futexes Are Tricky", 2011. The word says free, held, or contended: held,
 * and a thread may sleep. Only a contended lock costs its holder a system call. A thread spins for about as long as a
 * lock is usually held, and then sleeps. Not reentrant, not fair.
 */
import type { Region } from "./region.ts";

export interface Lock {
  /** Throws after a long time without success: then the holder is stuck, or its thread has ended. */
  acquire(): void;
  release(): void;
}

export const LOCK_BYTES = Int32Array.BYTES_PER_ELEMENT;

const FREE = 0;
const HELD = 1;
const CONTENDED = 2;
const SPINS = 256;
/** The patience is spent in so many sleeps: a single one also ends when the whole process was stopped meanwhile. */
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
    // A thread that slept does not know whether others still do, and so leaves the lock contended.
    let sleepsLeft = SLEEPS;
    while (Atomics.exchange(word, 0, CONTENDED) !== FREE) {
      if (sleepsLeft === 0) throw new Error(`a lock was not released within ${this.#patienceMs} ms`);
      if (Atomics.wait(word, 0, CONTENDED, this.#patienceMs / SLEEPS) === "timed-out") sleepsLeft--;
    }
  }
}

/** For memory that only one thread has. */
export const NO_LOCK: Lock = {
  acquire() {},
  release() {},
};
