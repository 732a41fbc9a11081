/**
 * The waits of one thread for the leases of a shard: how to tell each its end, and what is still to be told, to
 * this thread's and to those of other threads.
 */
import type { EntryView, LeaseResult } from "../api/store.ts";
import type { StoreMessage, StoreThreads } from "../api/threads.ts";

export type WaitsSettled = Extract<StoreMessage, { kind: "settled" }>;
export type Settle = (result: LeaseResult) => void;

/** How a wait of this thread ends, or several of another one. */
export interface WaitEnd {
  readonly thread: number;
  /** Their numbers in their thread, from 1. */
  readonly waits: readonly number[];
  readonly namespace: string;
  readonly key: string;
  readonly result: LeaseResult;
}

interface OpenWaitEnd extends WaitEnd {
  readonly waits: number[];
}

export class WaiterCallbacks {
  readonly #threads: StoreThreads;
  readonly #settles = new Map<number, Settle>();
  #lastWait = 0;
  readonly #ends: OpenWaitEnd[] = [];
  /** How many of them are told: taking tens of thousands off the front one by one would move the rest each time. */
  #toldEnds = 0;
  /** By thread: the end that is to be sent there last. */
  readonly #lastEnds = new Map<number, OpenWaitEnd>();

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

  /** Decided, to be told later. Waits that end with the same result are told in their order. */
  end(thread: number, wait: number, namespace: string, key: string, result: LeaseResult): void {
    const last = this.#lastEnds.get(thread);
    if (last?.result === result) {
      last.waits.push(wait);
      return;
    }
    const end = { thread, waits: [wait], namespace, key, result };
    this.#ends.push(end);
    if (thread !== this.#threads.self) this.#lastEnds.set(thread, end);
  }

  /** Another thread has decided. */
  receive({ waits, namespace, key, result }: WaitsSettled): void {
    for (const wait of waits) this.end(this.#threads.self, wait, namespace, key, result);
  }

  /** There are ends to tell. */
  get ended(): boolean {
    return this.#ends.length > 0;
  }

  /** The next end to tell. */
  next(): WaitEnd | undefined {
    const end = this.#ends[this.#toldEnds];
    if (end === undefined) {
      this.#ends.length = 0;
      this.#toldEnds = 0;
      return undefined;
    }
    this.#toldEnds++;
    if (this.#lastEnds.get(end.thread) === end) this.#lastEnds.delete(end.thread);
    return end;
  }

  /** False when it was cancelled. What happens in another thread is that thread's to find out. */
  tell({ thread, waits, namespace, key, result }: WaitEnd): boolean {
    if (thread !== this.#threads.self) {
      this.#threads.send(thread, { kind: "settled", waits, namespace, key, result: toMessage(result) });
      return true;
    }
    let isHeard = false;
    for (const wait of waits) {
      const settle = this.#settles.get(wait);
      isHeard ||= settle !== undefined;
      this.#settles.delete(wait);
      settle?.(result);
    }
    return isHeard;
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
