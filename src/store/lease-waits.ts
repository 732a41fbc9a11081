/**
 * The waits of one thread for the leases of a shard: how to tell each its end, and what is still to be told, to
 * this thread's and to those of other threads.
 */
import type { EntryView, LeaseResult } from "./store.ts";
import type { StoreThreads } from "./threads.ts";

export type Settle = (result: LeaseResult) => void;

/** How a wait ends. */
export interface WaitEnd {
  readonly thread: number;
  /** Its number in its thread, from 1. */
  readonly wait: number;
  readonly namespace: string;
  readonly key: string;
  readonly result: LeaseResult;
}

export class LeaseWaits {
  readonly #threads: StoreThreads;
  readonly #settles = new Map<number, Settle>();
  #lastWait = 0;
  #ends: WaitEnd[] = [];

  constructor(threads: StoreThreads) {
    this.#threads = threads;
  }

  /** The number of a new wait. */
  begin(settle: Settle): number {
    this.#settles.set(++this.#lastWait, settle);
    return this.#lastWait;
  }

  /** Nobody wants to hear of this wait. False when it was told its end already. */
  cancel(wait: number): boolean {
    return this.#settles.delete(wait);
  }

  /** Decided, to be told later. */
  end(end: WaitEnd): void {
    this.#ends.push(end);
  }

  /** The next end to tell. */
  next(): WaitEnd | undefined {
    return this.#ends.shift();
  }

  /** False when it was cancelled. What happens in another thread is that thread's to find out. */
  tell(end: WaitEnd): boolean {
    const { thread, wait, namespace, key, result } = end;
    if (thread !== this.#threads.self) {
      const message = { kind: "settled", waiter: wait, namespace, key, result: toMessage(result) } as const;
      this.#threads.send(thread, message);
      return true;
    }
    const settle = this.#settles.get(wait);
    if (settle === undefined) return false;
    this.#settles.delete(wait);
    settle(result);
    return true;
  }
}

/** Sending a value sends the whole buffer under it, which for a small one is a slab with many others in it. */
function toMessage(result: LeaseResult): LeaseResult {
  if (result.kind === "hit") return { ...result, entry: withOwnBuffer(result.entry) };
  return result.stale === undefined ? result : { ...result, stale: withOwnBuffer(result.stale) };
}

function withOwnBuffer(entry: EntryView): EntryView {
  const { value } = entry;
  return value.byteLength === value.buffer.byteLength ? entry : { ...entry, value: new Uint8Array(value) };
}
