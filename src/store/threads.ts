/** How the threads that share one store reach each other, for what shared memory alone cannot do. */
import type { LeaseResult } from "./store.ts";

/** What one thread tells another. Small and rare beside the operations: structured clone is good enough. */
export type StoreMessage =
  /** There are new events, and subscribers of yours are asleep. */
  | { readonly kind: "wake" }
  /** A wait of yours is over. */
  | {
      readonly kind: "settled";
      /** The number of the wait in its own thread. */
      readonly waiter: number;
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
export const singleThread: StoreThreads = {
  self: 0,
  count: 1,
  send() {
    throw new Error("there is no other thread");
  },
};
