/** How the threads that share one store reach each other, for what shared memory alone cannot do. */
import type { LeaseResult } from "./store.ts";

/** What one thread tells another. Small and rare beside the operations: structured clone is good enough. */
export type StoreMessage =
  /** There are new events, and subscribers of yours are asleep. */
  | { readonly kind: "wake" }
  /** Waits of yours are over, all in the same way: a value that many wait for is sent once. */
  | {
      readonly kind: "settled";
      /** The numbers of the waits in their own thread. */
      readonly waits: readonly number[];
      readonly namespace: string;
      readonly key: string;
      readonly result: LeaseResult;
    };

export interface StoreThreads {
  /** From 0 to `count` - 1. */
  readonly self: number;
  readonly count: number;
  /** Delivers soon, in order, without waiting. */
  send(thread: number, message: StoreMessage): void;
}

/** Of a store that one thread has for itself. */
export const SINGLE_THREAD: StoreThreads = {
  self: 0,
  count: 1,
  send() {
    throw new Error("there is no other thread");
  },
};
