/**
 * The waiters for the leases of a shard, in shared memory: a list for each lease, first in first out. The waiters of
 * one list may be in different threads.
 *
 * A list is a ring: the slot of its first waiter leads to both of its ends. 0 is the empty list.
 */
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";
import { SlotPool, slotPoolBytes } from "../shm/slot-pool.ts";
import { DueHeap, dueHeapBytes } from "./due-heap.ts";

/** Of all leases of a shard together. */
export const SHARD_WAITERS_MAX = 65_536;
/** There is room for so many waiters a lease on average, and in any case for those of one key. */
const WAITERS_PER_LEASE = 4;

/** A waiter: words, and then two cells of eight bytes. The number of the wait is 0 in a free slot. */
const WAITER_BYTES = 40;
const WAITER_WORDS = WAITER_BYTES / 4;
const WAITER_CELLS = WAITER_BYTES / 8;
const WORD = { next: 0, previous: 1, lease: 2, thread: 3, leaseMs: 4, holder: 5 } as const;
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
  /** The id of who will have the lease. Below 2^32. */
  readonly holder: number;
}

export interface LeaseLimits {
  readonly leasesMax: number;
  readonly leasesOfHolderMax: number;
  readonly leasesOfNamespaceMax: number;
  /** Of one key. */
  readonly waitersMax: number;
}

type WaiterLimits = Pick<LeaseLimits, "leasesMax" | "waitersMax">;

const countOf = ({ leasesMax, waitersMax }: WaiterLimits): number =>
  Math.min(leasesMax * waitersMax, Math.max(leasesMax * WAITERS_PER_LEASE, waitersMax), SHARD_WAITERS_MAX);

export function waiterRecordsBytes(limits: WaiterLimits): number {
  const count = countOf(limits);
  return alignedBytes(slotPoolBytes(count, WAITER_BYTES)) + alignedBytes(dueHeapBytes(count));
}

export class WaiterRecords {
  readonly #pool: SlotPool;
  readonly #words: Uint32Array;
  readonly #cells: Float64Array;
  /** In the order of their deadlines. For reading: the records keep it. */
  readonly due: DueHeap;

  constructor(region: Region, limits: WaiterLimits) {
    const count = countOf(limits);
    const cut = createCutter(region.buffer, region.begin);
    const bytes = slotPoolBytes(count, WAITER_BYTES);
    const slots = cut(bytes);
    this.#pool = new SlotPool(slots, count, WAITER_BYTES);
    this.#words = new Uint32Array(slots.buffer, slots.begin, bytes / 4);
    this.#cells = new Float64Array(slots.buffer, slots.begin, bytes / 8);
    this.due = new DueHeap(cut(dueHeapBytes(count)), count, (slot) => this.deadlineMs(slot));
  }

  /** Puts a waiter at the end of the list that begins with `first`. Returns its slot, or 0 when all are taken. */
  append(first: number, waiter: NewWaiter): number {
    const slot = this.#pool.take();
    if (slot === 0) return 0;
    this.#words[slot * WAITER_WORDS + WORD.lease] = waiter.lease;
    this.#words[slot * WAITER_WORDS + WORD.thread] = waiter.thread;
    this.#words[slot * WAITER_WORDS + WORD.leaseMs] = waiter.leaseMs;
    this.#words[slot * WAITER_WORDS + WORD.holder] = waiter.holder;
    this.#cells[slot * WAITER_CELLS + CELL.wait] = waiter.wait;
    this.#cells[slot * WAITER_CELLS + CELL.deadlineMs] = waiter.deadlineMs;
    const next = first === 0 ? slot : first;
    const previous = first === 0 ? slot : this.#word(first, WORD.previous);
    this.#link(previous, slot);
    this.#link(slot, next);
    this.due.add(slot);
    return slot;
  }

  /** Returns the first of what is left of the list that begins with `first`. */
  remove(first: number, slot: number): number {
    const next = this.next(slot);
    this.#link(this.#word(slot, WORD.previous), next);
    this.due.remove(slot);
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

  holder(slot: number): number {
    return this.#word(slot, WORD.holder);
  }

  #word(slot: number, which: number): number {
    return this.#words[slot * WAITER_WORDS + which] ?? 0;
  }

  #link(slot: number, next: number): void {
    this.#words[slot * WAITER_WORDS + WORD.next] = next;
    this.#words[next * WAITER_WORDS + WORD.previous] = slot;
  }
}
