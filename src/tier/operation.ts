/** One operation of one shard on its way to the engine and back. */
import type { Settle } from "../store/api/backend.ts";

/** What came back for an operation. */
export interface OperationReply {
  /** Of the shard, when the call ran. */
  readonly epoch: bigint;
  /** The engine's time, by which lifetimes are counted. */
  readonly nowMs: number;
  readonly result: Buffer;
}

export interface ShardOperation {
  /** As the library takes it. */
  readonly bytes: Buffer;
  /** The entries that it names. */
  readonly keys: readonly string[];
  /** It is a Get of its only key. Undefined: it is something else. */
  readonly entry: { readonly allowStale: boolean } | undefined;
  /** Only the library can answer it. */
  mustAsk: boolean;
  /** It changes nothing: it may be asked again, and needs no acknowledgement. */
  readonly isRead: boolean;
  /** Of who asks for it, empty for nobody: its part in the call is a span of that trace. */
  readonly traceparent: string;
  /** When it fails if it has not left, by the clock. */
  readonly dueMs: number;
  readonly settle: Settle<OperationReply>;
  /** Nobody waits for it any more. */
  isCancelled: boolean;
}
