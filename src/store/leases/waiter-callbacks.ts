/**
 * The callers in one thread that wait for leases of a shard: the callback of each, and the results that are decided and
 * not yet delivered, to this thread's callers and to other threads.
 */
import type { EntryView, LeaseResult } from "../api/store.ts";
import type { StoreMessage, StoreThreads } from "../api/threads.ts";

export type WaitsSettled = Extract<StoreMessage, { kind: "settled" }>;
export type Settle = (result: LeaseResult) => void;

/** The result of a wait of this thread, or of several of another thread. */
interface DecidedWaits {
  readonly thread: number;
  /** Their numbers in their thread, from 1. */
  readonly waits: readonly number[];
  readonly namespace: string;
  readonly key: string;
  readonly result: LeaseResult;
}

interface OpenDecidedWaits extends DecidedWaits {
  readonly waits: number[];
}

export class WaiterCallbacks {
  readonly #threads: StoreThreads;
  readonly #settles = new Map<number, Settle>();
  #lastWait = 0;
  readonly #decided: OpenDecidedWaits[] = [];
  /**
   * How many of them are delivered. Removing tens of thousands from the front one by one would move the rest each time.
   */
  #deliveredCount = 0;
  /** By thread: the newest that is to be sent there. */
  readonly #newestByThread = new Map<number, OpenDecidedWaits>();

  constructor(threads: StoreThreads) {
    this.#threads = threads;
  }

  /** The number of a new wait. */
  begin(settle: Settle): number {
    this.#settles.set(++this.#lastWait, settle);
    return this.#lastWait;
  }

  /** The callback is not called any more. False when it was called already. */
  cancel(wait: number): boolean {
    return this.#settles.delete(wait);
  }

  /** Keeps a result for delivery. Waits with the same result are settled in their order. */
  decide(thread: number, wait: number, namespace: string, key: string, result: LeaseResult): void {
    const newest = this.#newestByThread.get(thread);
    if (newest?.result === result) {
      newest.waits.push(wait);
      return;
    }
    const decided = { thread, waits: [wait], namespace, key, result };
    this.#decided.push(decided);
    if (thread !== this.#threads.self) this.#newestByThread.set(thread, decided);
  }

  /** Another thread has decided waits of this one. */
  receive({ waits, namespace, key, result }: WaitsSettled): void {
    for (const wait of waits) this.decide(this.#threads.self, wait, namespace, key, result);
  }

  /** There are results to deliver. */
  get hasDecided(): boolean {
    return this.#decided.length > 0;
  }

  /** The next result to deliver. */
  next(): DecidedWaits | undefined {
    const decided = this.#decided[this.#deliveredCount];
    if (decided === undefined) {
      this.#decided.length = 0;
      this.#deliveredCount = 0;
      return undefined;
    }
    this.#deliveredCount++;
    if (this.#newestByThread.get(decided.thread) === decided) this.#newestByThread.delete(decided.thread);
    return decided;
  }

  /**
   * Calls the callbacks, or sends the result to the thread of the waits. Every callback is called: what some throw is
   * added to `errors`. False when all these waits were cancelled; another thread finds that out for itself.
   */
  deliver({ thread, waits, namespace, key, result }: DecidedWaits, errors: unknown[]): boolean {
    if (thread !== this.#threads.self) {
      this.#threads.send(thread, { kind: "settled", waits, namespace, key, result: toMessage(result) });
      return true;
    }
    let wasWaiting = false;
    for (const wait of waits) {
      const settle = this.#settles.get(wait);
      if (settle === undefined) continue;
      wasWaiting = true;
      this.#settles.delete(wait);
      try {
        settle(result);
      } catch (error) {
        errors.push(error);
      }
    }
    return wasWaiting;
  }
}

/** A message carries the whole buffer under a value, and a small value lies in one with many others. */
function toMessage(result: LeaseResult): LeaseResult {
  if (result.kind === "hit") return { ...result, entry: withOwnBuffer(result.entry) };
  return result.stale === undefined ? result : { ...result, stale: withOwnBuffer(result.stale) };
}

function withOwnBuffer(entry: EntryView): EntryView {
  const { value } = entry;
  return value.byteLength === value.buffer.byteLength ? entry : { ...entry, value: new Uint8Array(value) };
}
