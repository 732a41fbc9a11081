/**
 * Wakes the other threads in which subscribers wait: a thread gets one message for new events, however many follow,
 * until it requests the next one.
 */

import type { StoreThreads } from "../api/threads.ts";
import type { Region } from "../shm/region.ts";

/** The thread wants a message. 0, as in new memory: it wants none, or has been sent one. */
const REQUESTED = 1;

/** A word for each thread, and one that all of them write to. */
export function threadWakeupsBytes(threads: number): number {
  return (threads + 1) * Int32Array.BYTES_PER_ELEMENT;
}

export class ThreadWakeups {
  readonly #threads: StoreThreads;
  readonly #words: Int32Array;

  constructor(region: Region, threads: StoreThreads) {
    this.#threads = threads;
    this.#words = new Int32Array(region.buffer, region.begin, threads.count + 1);
  }

  /** Requests a message for this thread. Then check for new events: those that come after the check send it. */
  request(): void {
    const { self, count } = this.#threads;
    if (count === 1) return;
    Atomics.store(this.#words, self, REQUESTED);
    // Atomic accesses have one order. Either this load comes after the add in `notifyOthers`, and then this thread sees
    // the new events; or it comes before, and then the other thread sees the request.
    Atomics.load(this.#words, count);
  }

  /** Call it after the new events were appended. */
  notifyOthers(): void {
    const { self, count } = this.#threads;
    if (count === 1) return;
    Atomics.add(this.#words, count, 1);
    for (let thread = 0; thread < count; thread++) {
      if (thread === self || Atomics.load(this.#words, thread) !== REQUESTED) continue;
      if (Atomics.exchange(this.#words, thread, 0) === REQUESTED)
        this.#threads.send(thread, { kind: "wake" });
    }
  }
}
