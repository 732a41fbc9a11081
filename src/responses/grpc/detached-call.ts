/**
 * Runs a handler of grpc-js for several callers: what it sees of the call is that of the first one, but for the deadline and the
 * cancellation, which are those of the load.
 */
import { EventEmitter } from "node:events";
import type { handleUnaryCall, Metadata, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { systemClock } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";
import { toServiceError } from "./service-error.ts";

type UnaryCall = ServerUnaryCall<unknown, unknown>;
type Callback = Parameters<sendUnaryData<unknown>>;

/** What the handler has answered. */
export interface Outcome {
  readonly error: Callback[0];
  readonly response: unknown;
  readonly trailers: Metadata | undefined;
  readonly flags: number | undefined;
  /** What it has sent before its answer. */
  readonly metadata: Metadata | undefined;
}

class DetachedCall extends EventEmitter implements UnaryCall {
  readonly #call: UnaryCall;
  readonly #deadlineMs: number;
  cancelled = false;
  /** What the handler sends before its answer. */
  sent: Metadata | undefined;

  constructor(call: UnaryCall, deadlineMs: number) {
    super();
    this.#call = call;
    this.#deadlineMs = deadlineMs;
  }

  get request(): unknown {
    return this.#call.request;
  }

  get metadata(): Metadata {
    return this.#call.metadata;
  }

  getPeer(): string {
    return this.#call.getPeer();
  }

  sendMetadata(metadata: Metadata): void {
    this.sent = metadata;
  }

  getDeadline(): number {
    return this.#deadlineMs;
  }

  getPath(): string {
    return this.#call.getPath();
  }

  getHost(): string {
    return this.#call.getHost();
  }

  getAuthContext(): ReturnType<UnaryCall["getAuthContext"]> {
    return this.#call.getAuthContext();
  }

  getMetricsRecorder(): ReturnType<UnaryCall["getMetricsRecorder"]> {
    return this.#call.getMetricsRecorder();
  }
}

/** Resolves with errors of the handler too. Rejects when `signal` is aborted: the load was given up. */
export function runDetached(
  handler: handleUnaryCall<unknown, unknown>,
  call: UnaryCall,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<Outcome> {
  const detached = new DetachedCall(call, systemClock.wallMs() + timeoutMs);
  return new Promise((resolve, reject) => {
    const abort = () => {
      detached.cancelled = true;
      detached.emit("cancelled", "the load was given up");
      reject(new CacheError("CANCELLED", "the load was given up"));
    };
    signal.addEventListener("abort", abort, { once: true });
    const callback: sendUnaryData<unknown> = (error, response, trailers, flags) => {
      signal.removeEventListener("abort", abort);
      resolve({ error, response, trailers, flags, metadata: detached.sent });
    };
    try {
      handler(detached, callback);
    } catch (error) {
      callback(toServiceError(error));
    }
  });
}
