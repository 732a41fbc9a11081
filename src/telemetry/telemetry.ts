/**
 * What the server tells telemetry, free of any SDK: spans for calls and batch operations, one duration
 * histogram, counters read from the store. Never a key, a value or a token.
 */
import type { Store } from "../store/api/store.ts";

/** The attributes an operation may have. */
export interface OperationAttributes {
  readonly namespace?: string;
  /** "hit", "miss", "stale_hit", "not_modified", "stored", "not_stored", "granted", "held", … */
  readonly outcome?: string;
  readonly shard?: number;
  /** Size of the value read or written. */
  readonly valueBytes?: number;
  /** Operations of a batch. */
  readonly operations?: number;
}

/** One RPC, from its metadata to its status. */
export interface CallSpan {
  /** W3C traceparent of this span when it is sampled, else "". Goes into events. */
  readonly traceparent: string;
  readonly sampled: boolean;
  set(attributes: OperationAttributes): void;
  /** Once; later calls do nothing. `statusCode` is a gRPC status code number. */
  end(statusCode: number): void;
}

/** One operation of a batch whose `traceparent` is sampled. */
export interface OperationSpan {
  readonly traceparent: string;
  set(attributes: OperationAttributes): void;
  /** Once, as of a call; a miss is no failure. */
  end(statusCode: number): void;
}

export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Telemetry {
  readonly logger: Logger;
  /** `method` is fully qualified: "meshcache.v1.CacheService/Get". `header` reads incoming metadata. */
  startCall(method: string, header: (name: string) => string | undefined): CallSpan;
  /**
   * A span for one operation of a batch, linked to the batch's own. `operation` is the name of the method
   * it stands for, in lower case: "get". Undefined when `traceparent` is empty, malformed or not sampled:
   * then the operation costs nothing.
   */
  startOperation(call: CallSpan, operation: string, traceparent: string): OperationSpan | undefined;
  /** Runs `body` with the call's span active, so that log lines carry its ids. */
  withCall<Result>(call: CallSpan, body: () => Result): Result;
  /**
   * Registers observable instruments over what a process has once, however many threads serve. Returns what
   * unregisters them.
   */
  observeProcess(store: Store, process: ProcessObservation): () => void;
  /** The same over what each serving thread has for itself, its event loop included. */
  observeThread(thread: ThreadObservation): () => void;
}

/** Gauges of all servers of a process. */
export interface ProcessObservation {
  subscribers(): number;
  connections(): number;
}

/** What is read of one server. Over several, counts add up, and of gauges the greatest counts. */
export interface ThreadObservation {
  /** Gauge: events that the slowest subscriber has yet to be sent. */
  subscriberLagEvents(): number;
  /** Count: time in which its thread looked for messages instead of sleeping, and had nothing to do. */
  busyPollMicros(): number;
  /** Count: callbacks that failed by a fault of the server, each of which ended its stream or connection. */
  containedFaults(): number;
}
