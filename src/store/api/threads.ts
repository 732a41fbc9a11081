/** Messages between the threads that share one store, for what shared memory alone cannot do. */
import type { LeaseResult } from "./store.ts";

/** A message to another thread. Messages are few and small compared with operations: structured clone is fast enough. */
export type StoreMessage =
  /** There are new events, and the thread has subscribers that wait. */
  | { readonly kind: "wake" }
  /** Waits of the thread are decided, all with the same result: a value that many wait for is sent once. */
  | {
      readonly kind: "settled";
      /** The numbers of the waits in the receiving thread. */
      readonly waits: readonly number[];
      readonly namespace: string;
      readonly key: string;
      readonly result: LeaseResult;
    };

export interface StoreThreads {
  /** From 0 to `count` - 1. */
  readonly self: number;
  readonly count: number;
  /** Returns at once. Messages arrive soon, in order. */
  send(thread: number, message: StoreMessage): void;
}

/** For a store that only one thread uses. */
export const SINGLE_THREAD: StoreThreads = {
  self: 0,
  count: 1,
  send() {
    throw new Error("there is no other thread");
  },
};
