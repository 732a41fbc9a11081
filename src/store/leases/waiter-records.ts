/**
 * The waiters for the leases of a shard, in shared memory: a list for each lease, first in first out. The waiters of
 * one list may be in different threads.
 *
 * A list is a ring: the slot of its first waiter leads to both of its ends. 0 is the empty list.
 */
import type { Region } from "../shm/region.ts";
import { SlotPool, slotPoolBytes } from "../shm/slot-pool.ts";

/** Of all leases of a shard together. */
export const SHARD_WAITERS_MAX = 65_536;

/** A waiter: words, and then two cells of eight bytes. The number of the wait is 0 in a free slot. */
const WAITER_BYTES = 40;
const WAITER_WORDS = WAITER_BYTES / 4;
const WAITER_CELLS = WAITER_BYTES / 8;
const WORD = { next: 0, previous: 1, lease: 2, thread: 3, leaseMs: 4 } as const;
const CELL = { wait: 3, deadlineMs: 4 } as const;

export interface NewWaiter {
  /** The slot of the lease that it waits for. */
  readonly lease: number;
  readonly thread: number;
  /** The number of the wait in its thread, at least 1. */
  readonly wait: number;
  readonly deadlineMs: number;
  /** The time for which it asks for the lease. Below 2^32. */
  readonly leaseMs: number;
}

export interface LeaseLimits {
  readonly leasesMax: number;
  /** Of one key. */
  readonly waitersMax: number;
}

const countOf = ({ leasesMax, waitersMax }: LeaseLimits): number =>
  Math.min(leasesMax * waitersMax, SHARD_WAITERS_MAX);

export function waiterRecordsBytes(limits: LeaseLimits): number {
  return slotPoolBytes(countOf(limits), WAITER_BYTES);
}

export class WaiterRecords {
  readonly #pool: SlotPool;
  readonly #words: Uint32Array;
  readonly #cells: Float64Array;

  constructor(region: Region, limits: LeaseLimits) {
    const bytes = waiterRecordsBytes(limits);
    this.#pool = new SlotPool(region, countOf(limits), WAITER_BYTES);
    this.#words = new Uint32Array(region.buffer, region.begin, bytes / 4);
    this.#cells = new Float64Array(region.buffer, region.begin, bytes / 8);
  }

  /** Puts a waiter at the end of the list that begins with `first`. Returns its slot, or 0 when all are taken. */
  append(first: number, waiter: NewWaiter): number {
    const slot = this.#pool.take();
    if (slot === 0) return 0;
    this.#words[slot * WAITER_WORDS + WORD.lease] = waiter.lease;
    this.#words[slot * WAITER_WORDS + WORD.thread] = waiter.thread;
    this.#words[slot * WAITER_WORDS + WORD.leaseMs] = waiter.leaseMs;
    this.#cells[slot * WAITER_CELLS + CELL.wait] = waiter.wait;
    this.#cells[slot * WAITER_CELLS + CELL.deadlineMs] = waiter.deadlineMs;
    const next = first === 0 ? slot : first;
    const previous = first === 0 ? slot : this.#word(first, WORD.previous);
    this.#link(previous, slot);
    this.#link(slot, next);
    return slot;
  }

  /** Returns the first of what is left of the list that begins with `first`. */
  remove(first: number, slot: number): number {
    const next = this.next(slot);
    this.#link(this.#word(slot, WORD.previous), next);
    this.#cells[slot * WAITER_CELLS + CELL.wait] = 0;
    this.#pool.give(slot);
    if (next === slot) return 0;
    return slot === first ? next : first;
  }

  /** The next waiter of the list; after the last one, the first. */
  next(slot: number): number {
    return this.#word(slot, WORD.next);
  }

  /** The wait that was put into this slot is still there. */
  holds(slot: number, thread: number, wait: number): boolean {
    return this.wait(slot) === wait && this.thread(slot) === thread;
  }

  lease(slot: number): number {
    return this.#word(slot, WORD.lease);
  }

  thread(slot: number): number {
    return this.#word(slot, WORD.thread);
  }

  leaseMs(slot: number): number {
    return this.#word(slot, WORD.leaseMs);
  }

  wait(slot: number): number {
    return this.#cells[slot * WAITER_CELLS + CELL.wait] ?? 0;
  }

  deadlineMs(slot: number): number {
    return this.#cells[slot * WAITER_CELLS + CELL.deadlineMs] ?? 0;
  }

  #word(slot: number, which: number): number {
    return this.#words[slot * WAITER_WORDS + which] ?? 0;
  }

  #link(slot: number, next: number): void {
    this.#words[slot * WAITER_WORDS + WORD.next] = next;
    this.#words[next * WAITER_WORDS + WORD.previous] = slot;
  }
}
