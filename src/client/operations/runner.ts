/** Operations that go to a server: a promise, a deadline, a signal and a span around each call. */

import type { Operation } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { Clock } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";
import { fromStatus } from "../../rpc/status.ts";
import { checkSignal, checkWhole } from "../api/checks.ts";
import type { ServerLimits } from "../api/server-limits.ts";
import { NOT_COVERED } from "../coherence/coherence.ts";
import type { Connection } from "../connection/connection.ts";
import { Call, CallPlan, type RetryRule } from "../connection/pending-call.ts";
import type { OperationReply } from "../messages/replies.ts";
import { operationBytes } from "../messages/requests.ts";
import type { ClientTelemetry, OperationName, OperationTrace } from "../telemetry/telemetry.ts";

/** What every operation takes. */
export interface CallOptions {
  /** How long it may take, in milliseconds: 1 to 600,000. Default: the client's. */
  readonly deadlineMs?: number;
  /** Gives up with CANCELLED. A write that was sent may still take effect. */
  readonly signal?: AbortSignal;
}

export interface RemoteOperation<Result> {
  readonly options?: CallOptions | undefined;
  readonly name: OperationName;
  readonly namespace: string;
  readonly operation: Operation;
  readonly retry: RetryRule;
  /** How long the server may hold back the answer; more than 0 sends the operation alone. Default 0. */
  readonly waitMs?: number;
  /** Reads the answer, synchronously and before any later frame. What it throws rejects the promise. */
  read(reply: OperationReply, call: Call): Result;
  readonly coverage?: (() => number) | undefined;
  late?(reply: OperationReply): void;
}

/** A class for what wire/hot/messages.ts says of literals: one that is made for every read and every Set. */
export class FrequentOperation<Result> implements RemoteOperation<Result> {
  readonly name: OperationName;
  readonly namespace: string;
  readonly operation: Operation;
  readonly retry: RetryRule;
  readonly options: CallOptions | undefined;
  readonly coverage: (() => number) | undefined;
  readonly read: (reply: OperationReply, call: Call) => Result;

  constructor(
    name: OperationName,
    namespace: string,
    operation: Operation,
    retry: RetryRule,
    options: CallOptions | undefined,
    coverage: (() => number) | undefined,
    read: (reply: OperationReply, call: Call) => Result,
  ) {
    this.name = name;
    this.namespace = namespace;
    this.operation = operation;
    this.retry = retry;
    this.options = options;
    this.coverage = coverage;
    this.read = read;
  }
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

  /** The limits that operations are held to now. */
  get limits(): ServerLimits {
    return this.#connection.limits;
  }

  run<Result>(request: RemoteOperation<Result>): Promise<Result> {
    const { operation, namespace, options, waitMs = 0 } = request;
    const signal = options === undefined ? undefined : checkSignal(options.signal);
    if (signal?.aborted) return Promise.reject(cancelled(signal));
    const deadlineMs = options?.deadlineMs ?? this.#deadlineMs;
    checkWhole("deadlineMs", deadlineMs, 1, LONGEST_DEADLINE_MS);
    const trace = this.#telemetry.operation(request.name, namespace, this.#connection);
    operation.traceparent = trace.traceparent;
    const deadlineAtMs = this.#clock.nowMs() + deadlineMs + waitMs;
    const sizeBytes = operationBytes(namespace, operation);
    const plan = new CallPlan(namespace, operation, sizeBytes, deadlineAtMs, request.retry, waitMs > 0);
    return new Promise((resolve, reject) => {
      const call = new RemoteCall(plan, request, trace, resolve, reject);
      if (signal !== undefined) call.failOn(signal);
      this.#connection.submit(call);
    });
  }
}

/** A call that settles its caller's promise. */
class RemoteCall<Result> extends Call {
  readonly #request: RemoteOperation<Result>;
  readonly #trace: OperationTrace;
  readonly #resolve: (result: Result) => void;
  readonly #reject: (error: CacheError) => void;
  #stopListening: (() => void) | undefined;

  constructor(
    plan: CallPlan,
    request: RemoteOperation<Result>,
    trace: OperationTrace,
    resolve: (result: Result) => void,
    reject: (error: CacheError) => void,
  ) {
    super(plan);
    this.#request = request;
    this.#trace = trace;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  failOn(signal: AbortSignal): void {
    const onAbort = () => this.fail(cancelled(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    this.#stopListening = () => signal.removeEventListener("abort", onAbort);
  }

  protected override currentCoverage(): number {
    return this.#request.coverage?.() ?? NOT_COVERED;
  }

  protected override answered(reply: OperationReply): void {
    try {
      if (reply.case === "error") throw fromStatus(reply.value);
      const result = this.#request.read(reply, this);
      this.#stopListening?.();
      this.#trace.end(reply);
      this.#resolve(result);
    } catch (error) {
      this.failed(error instanceof CacheError ? error : fault(error));
    }
  }

  protected override failed(error: CacheError): void {
    this.#stopListening?.();
    this.#trace.fail(error);
    this.#reject(error);
  }

  protected override late(reply: OperationReply): void {
    this.#request.late?.(reply);
  }
}

export function cancelled(signal: AbortSignal): CacheError {
  return new CacheError("CANCELLED", "the caller gave up", {}, { cause: signal.reason });
}

function fault(cause: unknown): CacheError {
  return new CacheError("INTERNAL", "the answer could not be read", {}, { cause });
}
