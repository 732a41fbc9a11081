/** Runs operations on a server: gives each call a promise, a deadline, a signal and a span. */

import type { Operation } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { Clock } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";
import { LONGEST_WAIT_MS } from "../../common/longest-wait.ts";
import type { Rng } from "../../common/random.ts";
import { fromStatus } from "../../rpc/status.ts";
import { checkSignal, durationOption } from "../api/checks.ts";
import type { Duration } from "../api/duration.ts";
import { optionNames } from "../api/option-names.ts";
import type { ServerLimits } from "../api/server-limits.ts";
import { isAborted, onAbort, reasonOf } from "../api/signals.ts";
import { NOT_COVERED } from "../coherence/coherence.ts";
import type { Connection } from "../connection/connection.ts";
import { toCallError } from "../connection/failures.ts";
import { Call, CallPlan, type RetryRule } from "../connection/pending-call.ts";
import type { OperationReply } from "../messages/replies.ts";
import { operationBytes } from "../messages/requests.ts";
import type { OperationName, OperationTrace } from "../telemetry/operation.ts";
import type { ClientTelemetry } from "../telemetry/telemetry.ts";
import { Pushback } from "./pushback.ts";
import { QuotaWaits } from "./quota-waits.ts";

/** The options that every operation has. */
export interface CallOptions {
  /** How long the operation may take, in milliseconds: 1 to 600,000. Default: the `deadlineMs` of the client. */
  readonly deadlineMs?: Duration;
  /** Aborting it rejects the operation with CANCELLED. A write that was already sent may still take effect. */
  readonly signal?: AbortSignal;
}

/** What the operations of one bulk call have in common: they wait for room in the window, until one deadline. */
export interface Bulk {
  readonly deadlineAtMs: number;
}

/** The options of a call, and what it is part of. */
export interface RunOptions extends CallOptions {
  readonly bulk?: Bulk | undefined;
}

export const CALL_OPTIONS = optionNames<CallOptions>({ deadlineMs: true, signal: true });

export interface OperationRequest<Result> {
  readonly options?: RunOptions | undefined;
  readonly name: OperationName;
  readonly namespace: string;
  readonly operation: Operation;
  readonly retry: RetryRule;
  /**
   * How long the server may wait before it answers. Above 0, the operation is sent in a batch of its own.
   * Default 0.
   */
  readonly waitMs?: number;
  /**
   * Reads the answer: synchronously, before any later frame is handled. An error that it throws rejects the
   * promise.
   */
  read(reply: OperationReply, call: Call): Result;
  /** For the fill rule: called just before the operation is sent. Default: NOT_COVERED. */
  readonly coverage?: (() => number) | undefined;
  /**
   * Of a queue that is bounded by itself and is sent as soon as there is a stream: it has no deadline and needs no room in
   * the window. "first": before all other calls.
   */
  readonly queued?: "first" | "last";
  /** Called with an answer that came after the caller gave up. */
  late?(reply: OperationReply): void;
}

/** For reads and Sets. A class and not an object literal: codec/fast/messages.ts says why. */
export class FrequentRequest<Result> implements OperationRequest<Result> {
  readonly name: OperationName;
  readonly namespace: string;
  readonly operation: Operation;
  readonly retry: RetryRule;
  readonly options: RunOptions | undefined;
  readonly coverage: (() => number) | undefined;
  readonly read: (reply: OperationReply, call: Call) => Result;

  constructor(
    name: OperationName,
    namespace: string,
    operation: Operation,
    retry: RetryRule,
    options: RunOptions | undefined,
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

export class OperationRunner {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #telemetry: ClientTelemetry;
  readonly #deadlineMs: number;
  readonly #pushback = new Pushback();
  readonly #quotaWaits: QuotaWaits;

  constructor(
    connection: Connection,
    clock: Clock,
    rng: Rng,
    telemetry: ClientTelemetry,
    deadlineMs: number,
  ) {
    this.#quotaWaits = new QuotaWaits({ clock, rng, send: (call) => this.#sendLate(call) });
    this.#connection = connection;
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#deadlineMs = deadlineMs;
  }

  /** The limits that operations are held to now. */
  get limits(): ServerLimits {
    return this.#connection.limits;
  }

  /** For the operations of a bulk call that begins now. Throws FIELD_INVALID. */
  bulk(options?: CallOptions): Bulk {
    return { deadlineAtMs: this.deadlineAtMs(options) };
  }

  run<Result>(request: OperationRequest<Result>): Promise<Result> {
    const { operation, namespace, options, waitMs = 0 } = request;
    const signal = options === undefined ? undefined : checkSignal(options.signal);
    if (signal !== undefined && isAborted(signal)) return Promise.reject(cancelled(signal));
    if (this.#pushback.asked) {
      const refusal = this.#pushback.refusalOf(operation.operation, this.#clock.nowMs());
      if (refusal !== undefined) return Promise.reject(refusal);
    }
    const bulk = options?.bulk;
    const deadlineAtMs = request.queued ? Number.POSITIVE_INFINITY : this.#deadlineAtMs(options, waitMs);
    const trace = this.#telemetry.operation(request.name, namespace, this.#connection);
    operation.traceparent = trace.traceparent;
    const plan = new CallPlan(
      namespace,
      operation,
      operationBytes(namespace, operation),
      deadlineAtMs,
      request.retry,
      waitMs > 0,
      request.name === "Invalidate",
      bulk !== undefined,
    );
    return new Promise((resolve, reject) => {
      const call = new PendingOperation(plan, request, trace, resolve, reject, this.#refused);
      if (signal !== undefined) call.failOn(signal);
      if (call.settled) return;
      if (request.queued !== undefined) this.#connection.submitBeyond(call, request.queued === "first");
      else if (this.#quotaWaits.asked) this.#submitWithinQuota(call);
      else this.#connection.submit(call);
    });
  }

  /** Fails the operations that wait to be sent again. */
  close(): void {
    this.#quotaWaits.close();
  }

  #sendLate(call: Call): void {
    if (call instanceof PendingOperation && call.refusals > 0) this.#connection.counters.retries += 1;
    this.#connection.submit(call);
  }

  #submitWithinQuota(call: Call): void {
    const refusal = this.#quotaWaits.refusalOf(call.plan.operation.operation);
    if (refusal === undefined) this.#connection.submit(call);
    else if (!this.#quotaWaits.wait(call, refusal, 0)) call.fail(refusal);
  }

  readonly #refused: Refused = (next, error) => {
    this.#pushback.refused(next.plan.operation.operation, error, this.#clock.nowMs());
    return this.#quotaWaits.wait(next, error, next.refusals);
  };

  #deadlineAtMs(options: RunOptions | undefined, waitMs: number): number {
    return options?.bulk?.deadlineAtMs ?? this.deadlineAtMs(options) + waitMs;
  }

  /** When a call that begins now has its deadline. Throws FIELD_INVALID. */
  deadlineAtMs(options: CallOptions | undefined): number {
    const given = options?.deadlineMs;
    return this.#clock.nowMs() + durationOption("deadlineMs", given, this.#deadlineMs, 1, LONGEST_WAIT_MS);
  }
}

/** Told of what a server has refused a call with. `next`: the same call once more. True: that one settles the promise. */
type Refused = (next: Call & { readonly refusals: number }, error: CacheError) => boolean;

/** A call that settles the promise of its caller. */
class PendingOperation<Result> extends Call {
  /** How often a server has refused it. */
  readonly refusals: number;
  readonly #request: OperationRequest<Result>;
  readonly #trace: OperationTrace;
  readonly #resolve: (result: Result) => void;
  readonly #reject: (error: CacheError) => void;
  readonly #refused: Refused;
  #signal: AbortSignal | undefined;
  #stopListening: (() => void) | undefined;

  constructor(
    plan: CallPlan,
    request: OperationRequest<Result>,
    trace: OperationTrace,
    resolve: (result: Result) => void,
    reject: (error: CacheError) => void,
    refused: Refused,
    refusals = 0,
  ) {
    super(plan);
    this.refusals = refusals;
    this.#request = request;
    this.#trace = trace;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#refused = refused;
  }

  failOn(signal: AbortSignal): void {
    this.#signal = signal;
    try {
      this.#stopListening = onAbort(signal, () => this.fail(cancelled(signal)));
    } catch (error) {
      this.fail(toCallError("the signal could not be listened to", error));
    }
  }

  protected override currentCoverage(): number {
    return this.#request.coverage?.() ?? NOT_COVERED;
  }

  protected override answered(reply: OperationReply): void {
    let result: Result;
    try {
      if (reply.case === "error") {
        const error = fromStatus(reply.value);
        if (this.#isSentAgain(error)) return;
        throw error;
      }
      result = this.#request.read(reply, this);
    } catch (error) {
      this.failed(toCallError("the answer could not be read", error));
      return;
    }
    // First: whatever follows, the caller has its answer.
    this.#resolve(result);
    this.#stopListening?.();
    this.#trace.end(reply);
  }

  /** It has not run. Another call waits in its place, and has its signal. */
  #isSentAgain(error: CacheError): boolean {
    const next = new PendingOperation(
      this.plan,
      this.#request,
      this.#trace,
      this.#resolve,
      this.#reject,
      this.#refused,
      this.refusals + 1,
    );
    if (!this.#refused(next, error)) return false;
    this.#stopListening?.();
    if (this.#signal !== undefined) next.failOn(this.#signal);
    return true;
  }

  protected override failed(error: CacheError): void {
    this.#reject(error);
    this.#stopListening?.();
    this.#trace.fail(error);
  }

  protected override late(reply: OperationReply): void {
    this.#request.late?.(reply);
  }
}

export function cancelled(signal: AbortSignal): CacheError {
  return new CacheError("CANCELLED", "the caller gave up", {}, { cause: reasonOf(signal) });
}
