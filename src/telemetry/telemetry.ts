/**
 * The interface between the server and its telemetry, without any SDK: spans of calls and batch operations, the duration of
 * calls, and what is read from store and server when metrics are collected. Never a key, a value or a token.
 */
import type { SnapshotOutcome } from "../store/api/snapshot-outcome.ts";
import type { StoreView } from "../store/api/store.ts";
import type { CallDurations } from "./call-durations.ts";

/** The attributes that a span may have for an operation. */
export interface OperationAttributes {
  readonly namespace?: string;
  /** "hit", "miss", "stale_hit", "not_modified", "stored", "not_stored", "granted", "held", … */
  readonly outcome?: string;
  readonly shard?: number;
  /** Size of the value that was read or sent. */
  readonly valueBytes?: number;
  /** Number of operations of a batch. */
  readonly operations?: number;
}

/** The span of one RPC, from its metadata to its status. */
export interface CallSpan {
  /** The W3C traceparent of this span when it is sampled, otherwise "". Events carry it. */
  readonly traceparent: string;
  readonly sampled: boolean;
  set(attributes: OperationAttributes): void;
  /** `statusCode`: the number of a gRPC status. Only the first call has an effect. */
  end(statusCode: number): void;
}

/** The span of one operation of a batch whose `traceparent` is sampled. */
export interface OperationSpan {
  readonly traceparent: string;
  set(attributes: OperationAttributes): void;
  /** As of a call. A miss is OK. */
  end(statusCode: number): void;
}

/** One call of a function of the engine. */
export interface EngineCall {
  readonly functionName: string;
  /** Of the node. */
  readonly address: string;
  readonly port: number;
  /** Operations that it runs. */
  readonly operations: number;
}

export interface EngineSpan {
  /** `error`: the word by which the engine refused it, or why there is no answer. Empty: it was answered. */
  end(error: string): void;
}

export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Telemetry {
  readonly logger: Logger;
  /** The durations of calls so far, of this thread. Undefined: they are not kept, or only in a meter. */
  readonly callDurations?: CallDurations | undefined;
  /** `method`: with package and service, "meshcache.v1.CacheService/Get". `header` reads incoming metadata. */
  startCall(method: string, header: (name: string) => string | undefined): CallSpan;
  /**
   * A span for one operation of a batch, linked to the span of the batch. `operation`: the method that does the same, in lower
   * case: "get". Undefined, at no cost, when `traceparent` is empty, malformed or not sampled.
   */
  startOperation(call: CallSpan, operation: string, traceparent: string): OperationSpan | undefined;
  /**
   * A span for one operation's part in a call of the engine of a shared tier, by the stable database conventions. Undefined, at no cost,
   * when `traceparent` is empty, malformed or not sampled.
   */
  startEngineCall(call: EngineCall, traceparent: string): EngineSpan | undefined;
  /** Runs `body` with the span of the call active, so that log lines have its ids. */
  withCall<Result>(call: CallSpan, body: () => Result): Result;
  /** Registers observable instruments for what a process has once. Returns a function that unregisters them. */
  observeProcess(store: StoreView, process: ProcessObservation): () => void;
  /** The same for what each serving thread has of its own, including its event loop. */
  observeThread(thread: ThreadObservation): () => void;
}

/** What is read from the admin port. */
export interface AdminObservation {
  /** Counter: connections that were closed since there were too many. */
  refusedConnections(): number;
}

/** Gauges over all servers of a process. */
export interface ProcessObservation {
  subscribers(): number;
  connections(): number;
  /** Of requests, results and answers. */
  heldBytes(): number;
  /** What the store began with. Undefined: it takes no snapshots. */
  readonly snapshot: SnapshotOutcome | undefined;
}

/** What is read from one server. Over the servers of a process, counters are added and of a gauge the maximum is taken. */
export interface ThreadObservation {
  /** Gauge: events that the slowest subscriber has not been sent yet. */
  subscriberLagEvents(): number;
  /** Counter: time in which its thread polled for the next batch and had nothing to do. */
  busyPollMicros(): number;
  /** Counter: callbacks that threw because of a fault in the server; each ended its stream or connection. */
  containedFaults(): number;
  /** Counter: calls that were refused or cut because memory was short. */
  memoryRefusals(): number;
  /** Counter: collections that were asked for, to give memory back after a burst. */
  memoryCollections(): number;
  /** Counter, by kind: operations that were refused since the server had more to do than it can. */
  shedOperations(): Readonly<Record<string, number>>;
  /** Counter: calls that waited for another turn of the event loop, since the work of one was done. */
  deferredCalls(): number;
  /** Counter: connections that were closed at once since there were too many. */
  refusedConnections(): number;
  /** Counter: connections that were ended since their peers took nothing. */
  stalledConnections(): number;
  /** Counter: connections that were ended since a drain took too long. */
  drainCuts(): number;
  /** Counter, by what was full: how often a stream waited since a queue of frames was full. */
  queueOverflows(): Readonly<Record<string, number>>;
  /** Counter, by reason: errors of operations of batches, and of frames of an Exchange. */
  refusedOperations(): Readonly<Record<string, number>>;
  /** Counter, by the kind of frame: connections that ended since their peer sent too many frames that carry nothing. */
  frameFloods(): Readonly<Record<string, number>>;
  /** Gauge: new files of certificates or tokens cannot be used, and the last good ones are. */
  securityFilesRefused(): boolean;
  /** Counter, by what was wrong: calls that were refused since it is not known whose they are. */
  authenticationFailures(): Readonly<Record<string, number>>;
  /** Counter, by the permission that was needed: operations that were denied. */
  denials(): Readonly<Record<string, number>>;
  /** Counter, by what was spent: what was refused since a principal had used what it may. */
  quotaRefusals(): Readonly<Record<string, number>>;
  /** What is read from a server with TLS. */
  readonly tls?: TlsObservation | undefined;
}

export interface TlsObservation {
  /** Counter, by outcome. */
  handshakes(): Readonly<Record<string, number>>;
  /** Gauge: seconds since 1970. */
  certificateExpiryS(): number;
}
