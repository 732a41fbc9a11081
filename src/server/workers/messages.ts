/** What a thread is given at its birth, and what it and the main thread tell each other after it. */
import type { MessagePort } from "node:worker_threads";
import type { Limits } from "../../rpc/limits.ts";
import type { StoreMemory } from "../../store/engine/create-store.ts";
import type { Acceleration } from "../connections/accelerator.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";

export interface ThreadData<Extra = unknown> {
  /** From 0; the main thread has the number after the last worker's. */
  readonly thread: number;
  readonly store: StoreMemory;
  /** By thread; undefined at this one's own place. */
  readonly peers: readonly (MessagePort | undefined)[];
  readonly bounds: SharedArrayBuffer;
  readonly limits: Limits;
  readonly transport: TransportLimits;
  readonly acceleration: Acceleration;
  /** When the process began to serve, by the system's clock. */
  readonly startedMs: number;
  /** What the entry of the thread needs for itself. */
  readonly extra: Extra;
}

/** From the main thread, in this order. Each is answered once it is done. */
export type Order =
  | { readonly kind: "listen"; readonly listen: string }
  | { readonly kind: "drain" }
  | { readonly kind: "end" };

/** From a worker. */
export type Report =
  /** Its modules are loaded and its store is attached. */
  | { readonly kind: "ready" }
  | { readonly kind: "listening"; readonly address: string }
  /** Structured clone would lose the code of an error. */
  | { readonly kind: "refused"; readonly code: string; readonly message: string }
  | { readonly kind: "drained" }
  | { readonly kind: "ended" };
