/**
 * Tells threads in which subscribers sleep that there are new events: once, however many events follow, until the
 * thread has its bell armed again.
 */

import type { StoreThreads } from "../api/threads.ts";
import type { Region } from "../shm/region.ts";

/** 0, as in new memory: nobody sleeps there, or the bell has rung. */
const armed = 1;

/** A bell a thread, and a word that everybody passes through. */
export function threadWakeupsBytes(threads: number): number {
  return (threads + 1) * Int32Array.BYTES_PER_ELEMENT;
}

export class ThreadWakeups {
  readonly #threads: StoreThreads;
  readonly #threadWakeups: Int32Array;

  constructor(region: Region, threads: StoreThreads) {
    this.#threads = threads;
    this.#threadWakeups = new Int32Array(region.buffer, region.begin, threads.count + 1);
  }

  /** Before it is checked that there is nothing new: what comes after that check then rings. */
  request(): void {
    const { self, count } = this.#threads;
    if (count === 1) return;
    Atomics.store(this.#threadWakeups, self, armed);
    // Atomic accesses have one order: either this sees the passage of whoever has something new, and all that it
    // wrote before, or it then sees this bell armed.
    Atomics.load(this.#threadWakeups, count);
  }

  /** After there is something new. */
  notifyOthers(): void {
    const { self, count } = this.#threads;
    if (count === 1) return;
    Atomics.add(this.#threadWakeups, count, 1);
    for (let thread = 0; thread < count; thread++) {
      if (thread === self || Atomics.load(this.#threadWakeups, thread) !== armed) continue;
      if (Atomics.exchange(this.#threadWakeups, thread, 0) === armed)
        this.#threads.send(thread, { kind: "wake" });
    }
  }
}
