/** Operations that go to a server: a promise, a deadline, a signal and a span around each call. */
import type { Operation } from "../../gen/meshcache/v1/cache_pb.ts";
import type { Clock } from "../clock.ts";
import { CacheError } from "../errors.ts";
import { fromStatus } from "../wire/status.ts";
import { Call, type OperationReply, type RetryRule } from "./call.ts";
import type { Connection } from "./connection.ts";
import { checkWhole } from "./options.ts";
import { operationBytes } from "./requests.ts";
import { type ClientTelemetry, type OperationName, outcomeOf } from "./telemetry.ts";

/** What every operation takes. */
export interface CallOptions {
  /** How long it may take, in milliseconds: 1 to 600,000. Default: the client's. */
  readonly deadlineMs?: number;
  /** Gives up with CANCELLED. A write that was sent may still take effect. */
  readonly signal?: AbortSignal;
}

export interface RemoteOperation<Result> extends CallOptions {
  readonly name: OperationName;
  readonly namespace: string;
  readonly operation: Operation;
  readonly retry: RetryRule;
  /** How long the server may hold back the answer; more than 0 sends the operation alone. Default 0. */
  readonly waitMs?: number;
  /** Reads the answer, synchronously and before any later frame. What it throws rejects the promise. */
  read(reply: OperationReply, call: Call): Result;
  coverage?(): number;
  late?(reply: OperationReply): void;
}

const LONGEST_DEADLINE_MS = 600_000;

export class Remote {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #telemetry: ClientTelemetry;
  readonly #deadlineMs: number;

  constructor(connection: Connection, clock: Clock, telemetry: ClientTelemetry, deadlineMs: number) {
    this.#connection = connection;
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#deadlineMs = deadlineMs;
  }

  run<Result>(request: RemoteOperation<Result>): Promise<Result> {
    const { signal } = request;
    if (signal?.aborted) return Promise.reject(cancelled(signal));
    const waitMs = request.waitMs ?? 0;
    const deadlineMs = request.deadlineMs ?? this.#deadlineMs;
    checkWhole("deadlineMs", deadlineMs, 1, LONGEST_DEADLINE_MS);
    const { operation, namespace } = request;
    const trace = this.#telemetry.operation(request.name, namespace, this.#connection.address);
    operation.traceparent = trace.traceparent;
    return new Promise((resolve, reject) => {
      const give = (error: CacheError) => {
        signal?.removeEventListener("abort", onAbort);
        trace.fail(error);
        reject(error);
      };
      const call = new Call(
        {
          namespace,
          operation,
          sizeBytes: operationBytes(namespace, operation),
          deadlineAtMs: this.#clock.nowMs() + deadlineMs + waitMs,
          retry: request.retry,
          alone: waitMs > 0,
        },
        {
          coverage: () => request.coverage?.() ?? 0,
          answered(reply, answered) {
            try {
              if (reply.case === "error") throw fromStatus(reply.value);
              const result = request.read(reply, answered);
              signal?.removeEventListener("abort", onAbort);
              trace.end(outcomeOf(reply));
              resolve(result);
            } catch (error) {
              give(error instanceof CacheError ? error : fault(error));
            }
          },
          failed: give,
          late: (reply) => request.late?.(reply),
        },
      );
      const onAbort = () => {
        if (signal !== undefined) call.fail(cancelled(signal));
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#connection.submit(call);
    });
  }
}

export function cancelled(signal: AbortSignal): CacheError {
  return new CacheError("CANCELLED", "the caller gave up", {}, { cause: signal.reason });
}

function fault(cause: unknown): CacheError {
  return new CacheError("INTERNAL", "the answer could not be read", {}, { cause });
}
