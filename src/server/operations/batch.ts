/** Runs the operations of a batch, each of which may fail alone, and collects their results into one message. */
import type { Status } from "../../../gen/google/rpc/status_pb.ts";
import type {
  BatchRequest,
  BatchResponse,
  Operation,
  OperationResult,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { PooledValues } from "../../codec/framing/pooled-values.ts";
import type { Boundary } from "../../common/boundary.ts";
import { CacheError, limitExceeded, overloaded } from "../../common/errors.ts";
import type { LoadShedder, OperationContext, OperationOutcome } from "../../rpc/admission.ts";
import { withoutValue } from "../../rpc/lease.ts";
import type { Limits } from "../../rpc/limits.ts";
import { runOperation } from "../../rpc/operations.ts";
import { isFault, statusCodeOf, toStatus } from "../../rpc/status.ts";
import type { Access } from "../../security/access/access.ts";
import type { Backend, Pending } from "../../store/api/backend.ts";
import type { ValueMemory } from "../../store/api/value-arena.ts";
import type { CallSpan, OperationSpan, Telemetry } from "../../telemetry/telemetry.ts";
import type { ConnectionMemory } from "../limits/connection-memory.ts";
import type { RefusalCounts } from "../limits/refusal-counts.ts";
import { ANSWER_WORK_BYTES, ERROR_WORK_BYTES, OPERATION_WORK_BYTES } from "../limits/work.ts";
import { checkBatch, extraBytesOf, RESULT_MIN_BYTES, workBytesOf } from "./batch-size.ts";
import { outcomeAttributes, requestAttributes } from "./span-attributes.ts";

export interface BatchDeps {
  readonly store: Backend;
  readonly limits: Limits;
  readonly telemetry: Telemetry;
  readonly boundary: Boundary;
  /** Default: no operation is refused for load. */
  readonly shedder?: LoadShedder;
  /** Default: errors are not counted. */
  readonly refusals?: RefusalCounts;
  /**
   * Whoever gets the response of `runBatch` encodes it at once and keeps nothing of it: the memory of large values is used
   * again. Default false: values get memory of their own.
   */
  readonly doneEncodes?: boolean;
  /**
   * Whoever gets the response of `runBatch` sends it in several messages: only each result has to fit into one. Default false.
   */
  readonly answersInParts?: boolean;
}

/** The caller of a batch, or of all batches of a stream. */
export interface Caller {
  readonly span: CallSpan;
  readonly clientId: string;
  /** Of its connection. Default: results are not counted. */
  readonly memory?: ConnectionMemory;
  /** What it may do. Default: everything. */
  readonly access?: Access | undefined;
  /** The id of the holder of its leases. Default: that of whoever names none. */
  readonly leaseHolder?: number;
}

/** A batch whose results hold more does not wait for leases. */
const HELD_WHILE_WAITING_MAX_BYTES = 64 * 1024;

const STATUS_OK = 0;
const STATUS_CANCELLED = 1;
const STATUS_RESOURCE_EXHAUSTED = 8;

/**
 * Calls `done` exactly once. Returns undefined when `done` was called before the return; otherwise what
 * has not settled, which can be cancelled. The operations begin in their order: those that the turn of the event loop has no room
 * for, in a later one. `begun` is called when the last one has begun, before `done`.
 *
 * A batch whose results hold more than 64 KiB, or whose connection has no memory left, does not wait: its leases are
 * asked for without waiting. A result that would make the message larger than `sendMaxBytes` is replaced by an error.
 * Throws FIELD_INVALID when the batch is refused as a whole.
 */
export function runBatch(
  request: BatchRequest,
  caller: Caller,
  deps: BatchDeps,
  done: (response: BatchResponse) => void,
  begun: () => void = () => {},
): Pending | undefined {
  checkBatch(request, deps.limits);
  caller.memory?.countOperations(request.operations.length);
  return new BatchRun(request, caller, deps, done, begun).start();
}

class BatchRun implements Pending {
  readonly #operations: readonly Operation[];
  readonly #caller: Caller;
  readonly #deps: BatchDeps;
  readonly #done: (response: BatchResponse) => void;
  readonly #begun: () => void;
  readonly #context: OperationContext;
  readonly #results: OperationResult[];
  readonly #waits = new Map<number, Pending>();
  readonly #values: PooledValues | undefined;
  #next = 0;
  #spareBytes: number;
  /** Starts one too high, so that `done` is not called before all operations have begun. */
  #unsettled: number;
  /** The values among the results, and whether they are counted since the batch waits for a turn or for leases. */
  #resultBytes = 0;
  #counted = false;
  #cancelled = false;
  #knownTooLarge: Status | undefined;

  constructor(
    request: BatchRequest,
    caller: Caller,
    deps: BatchDeps,
    done: (response: BatchResponse) => void,
    begun: () => void,
  ) {
    const { operations } = request;
    this.#operations = operations;
    this.#caller = caller;
    this.#deps = deps;
    this.#done = done;
    this.#begun = begun;
    this.#results = new Array(operations.length);
    const results = deps.answersInParts ? 1 : operations.length;
    this.#spareBytes = deps.limits.sendMaxBytes - results * RESULT_MIN_BYTES;
    this.#unsettled = operations.length + 1;
    this.#values = deps.doneEncodes ? new PooledValues() : undefined;
    this.#context = {
      ...contextOf(request, caller, deps),
      valueArena: new RoomForValues(() => this.#spareBytes, this.#values),
    };
  }

  /** Returns itself, unless it is done. */
  start(): Pending | undefined {
    this.#runTurn();
    return this.#unsettled === 0 ? undefined : this;
  }

  #runTurn(): void {
    if (this.#cancelled) return;
    const { memory } = this.#caller;
    const first = this.#next;
    for (let index = first; index < this.#operations.length; index++) {
      if (memory?.turns.over && index > first) {
        this.#hold();
        memory.turns.goOn(memory, () => this.#runTurn());
        return;
      }
      this.#next = index + 1;
      this.#run(this.#operations[index], index);
    }
    this.#allBegun();
  }

  #allBegun(): void {
    const { memory } = this.#caller;
    if (this.#resultBytes > HELD_WHILE_WAITING_MAX_BYTES || memory?.admitsAnswer() === false) {
      for (const [index, wait] of [...this.#waits]) {
        const hasty = withoutWaiting(this.#operations[index]);
        if (hasty === undefined) continue;
        this.#waits.delete(index);
        wait.cancel();
        this.#run(hasty, index);
      }
    }
    this.#hold();
    this.#begun();
    this.#settleOne();
  }

  #run(operation: Operation | undefined, index: number): void {
    if (operation === undefined) return;
    const settle = (settled: OperationResult["result"]) => this.#settle(settled, index);
    const wait = runOne(operation, this.#context, this.#caller, this.#deps, settle);
    if (wait !== undefined) this.#waits.set(index, wait);
  }

  #settle(settled: OperationResult["result"], index: number): void {
    const { memory } = this.#caller;
    const isLate = this.#waits.delete(index);
    const result = isLate && memory?.admitsAnswer() === false ? withoutItsValue(settled) : settled;
    const extraBytes = extraBytesOf(result);
    const fits = result !== NO_ROOM_RESULT && extraBytes <= this.#spareBytes;
    if (fits) {
      if (!this.#deps.answersInParts) this.#spareBytes -= extraBytes;
      memory?.turns.spend(extraBytes);
      this.#count(extraBytes);
    } else this.#deps.refusals?.count("LIMIT_EXCEEDED");
    this.#results[index] = {
      $typeName: "meshcache.v1.OperationResult",
      result: fits ? result : { case: "error", value: this.#tooLarge },
    };
    if (isLate && this.#unsettled === 1) this.#finishLate();
    else this.#settleOne();
  }

  /** One write may end the waits of many batches. */
  #finishLate(): void {
    const { memory } = this.#caller;
    if (memory === undefined) {
      this.#settleOne();
      return;
    }
    const answerBytes = this.#deps.doneEncodes ? ANSWER_WORK_BYTES : OPERATION_WORK_BYTES;
    memory.turns.runOrWait(memory, () => {
      memory.turns.spend(answerBytes + this.#resultBytes);
      if (!this.#cancelled) this.#settleOne();
    });
  }

  /** Made once, however many results it stands for. */
  get #tooLarge(): Status {
    this.#knownTooLarge ??= toStatus(tooLarge(this.#deps.limits));
    return this.#knownTooLarge;
  }

  #settleOne(): void {
    this.#unsettled -= 1;
    if (this.#unsettled > 0) return;
    this.#count(-this.#resultBytes);
    this.#done({ $typeName: "meshcache.v1.BatchResponse", results: this.#results });
    this.#values?.release();
  }

  #count(bytes: number): void {
    this.#resultBytes += bytes;
    if (this.#counted) this.#caller.memory?.addAnswer(bytes);
  }

  /** From now on the results are counted in the memory of the connection. */
  #hold(): void {
    if (this.#counted) return;
    this.#counted = true;
    const bytes = this.#resultBytes;
    this.#resultBytes = 0;
    this.#count(bytes);
  }

  cancel(): void {
    this.#cancelled = true;
    for (const wait of this.#waits.values()) wait.cancel();
    this.#waits.clear();
    this.#count(-this.#resultBytes);
    this.#values?.release();
  }
}

/** Refuses values that the message has no room for before they are copied. */
class RoomForValues implements ValueMemory {
  readonly #spareBytes: () => number;
  readonly #memory: ValueMemory | undefined;

  /** `memory`: where the others lie. Undefined: each has memory of its own. */
  constructor(spareBytes: () => number, memory: ValueMemory | undefined) {
    this.#spareBytes = spareBytes;
    this.#memory = memory;
  }

  take(bytes: number): Uint8Array | undefined {
    if (bytes > this.#spareBytes()) throw NO_ROOM;
    return this.#memory?.take(bytes);
  }
}

const NO_ROOM = new Error("a value that its message has no room for");

function tooLarge({ sendMaxBytes }: Limits): CacheError {
  return limitExceeded("send_max_bytes", String(sendMaxBytes));
}

/** Stands for the error that its batch makes once for all values without room. */
const NO_ROOM_RESULT: OperationResult["result"] = { case: undefined };

/** Undefined: it waits for its answer alone, and not for a lease. */
function withoutWaiting(operation: Operation | undefined): Operation | undefined {
  if (operation?.operation.case !== "lease" || operation.operation.value.waitMs === 0) return undefined;
  return { ...operation, operation: { case: "lease", value: { ...operation.operation.value, waitMs: 0 } } };
}

/** When to ask again for a value that there was no memory to hold. */
const NO_MEMORY_RETRY_MS = 100;

/** A late result for which its connection has no memory left. */
function withoutItsValue(result: OperationResult["result"]): OperationResult["result"] {
  if (result.case === "lease") return { case: "lease", value: withoutValue(result.value) };
  if (result.case !== "get" || extraBytesOf(result) === 0) return result;
  return { case: "error", value: toStatus(overloaded(NO_MEMORY_RETRY_MS)) };
}

/** An operation of the batch may wait until a lease is decided. */
export function mayWait({ operations }: BatchRequest): boolean {
  return operations.some(({ operation }) => operation.case === "lease" && operation.value.waitMs > 0);
}

/** What the operations of a batch share. */
export function contextOf(
  { namespace }: BatchRequest,
  { clientId, span, leaseHolder = 0, access, memory }: Caller,
  { store, limits, boundary, shedder }: BatchDeps,
): OperationContext {
  const writer = { origin: clientId, traceparent: span.traceparent };
  return {
    store,
    limits,
    writer,
    access,
    defaultNamespace: namespace,
    valueArena: undefined,
    shedder,
    connection: memory,
    leaseHolder,
    boundary,
  };
}

/**
 * Calls `settle` exactly once, with an error when the operation fails. Returns undefined when `settle` was called before the
 * return; otherwise the wait, which can be cancelled.
 */
export function runOne(
  operation: Operation,
  context: OperationContext,
  caller: Caller,
  deps: BatchDeps,
  settle: (result: OperationResult["result"]) => void,
): Pending | undefined {
  const { traceparent } = operation;
  caller.memory?.turns.spend(OPERATION_WORK_BYTES + workBytesOf(operation.operation));
  const name = operation.operation.case ?? "unknown";
  const span = traceparent === "" ? undefined : deps.telemetry.startOperation(caller.span, name, traceparent);
  const fail = (error: unknown) => {
    if (error === NO_ROOM) {
      span?.end(STATUS_RESOURCE_EXHAUSTED);
      settle(NO_ROOM_RESULT);
      return;
    }
    caller.memory?.turns.spend(ERROR_WORK_BYTES);
    if (isFault(error)) {
      deps.telemetry.logger.error({ err: error, operation: name }, "an operation of a batch failed");
    }
    deps.refusals?.add(error);
    span?.end(statusCodeOf(error));
    settle({ case: "error", value: toStatus(error) });
  };
  const succeed = (outcome: OperationOutcome) => {
    if (span !== undefined) describe(operation, context, span, outcome);
    settle(outcome);
  };
  try {
    const wait = runOperation(operation, span === undefined ? context : within(span, context), (outcome) => {
      if (outcome instanceof CacheError) fail(outcome);
      else succeed(outcome);
    });
    return span === undefined ? wait : wait && withSpan(wait, span);
  } catch (error) {
    fail(error);
    return undefined;
  }
}

/** Its events name the operation's own span. */
function within(span: OperationSpan, context: OperationContext): OperationContext {
  return { ...context, writer: { origin: context.writer.origin, traceparent: span.traceparent } };
}

/** What fails here concerns the span alone, and not the result. */
function describe(
  operation: Operation,
  { boundary, defaultNamespace }: OperationContext,
  span: OperationSpan,
  outcome: OperationOutcome,
): void {
  try {
    const namespace = operation.operation.value?.namespace || defaultNamespace;
    span.set({ namespace, ...outcomeAttributes(outcome), ...requestAttributes(operation.operation) });
    span.end(STATUS_OK);
  } catch (error) {
    boundary.caught(undefined, error);
  }
}

function withSpan(wait: Pending, span: OperationSpan): Pending {
  return {
    cancel() {
      wait.cancel();
      span.end(STATUS_CANCELLED);
    },
  };
}
