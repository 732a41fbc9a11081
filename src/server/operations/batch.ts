/** Runs the operations of a batch, each of which may fail alone, and collects their results into one message. */
import type {
  BatchRequest,
  BatchResponse,
  Operation,
  OperationResult,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import type { Boundary } from "../../common/boundary.ts";
import { CacheError, limitExceeded } from "../../common/errors.ts";
import { withoutValue } from "../../rpc/lease.ts";
import type { Limits } from "../../rpc/limits.ts";
import { type OperationContext, type OperationOutcome, runOperation } from "../../rpc/operations.ts";
import { isFault, statusCodeOf, toStatus } from "../../rpc/status.ts";
import type { LeaseWait, Store } from "../../store/api/store.ts";
import type { CallSpan, OperationSpan, Telemetry } from "../../telemetry/telemetry.ts";
import type { ConnectionMemory } from "../limits/memory-account.ts";
import { checkBatch, extraBytesOf, RESULT_MIN_BYTES } from "./batch-size.ts";
import { outcomeAttributes, requestAttributes } from "./span-attributes.ts";

export interface BatchDeps {
  readonly store: Store;
  readonly limits: Limits;
  readonly telemetry: Telemetry;
  readonly boundary: Boundary;
}

/** The caller of a batch, or of all batches of a stream. */
export interface Caller {
  readonly span: CallSpan;
  readonly clientId: string;
  /** Of its connection. Default: results are not counted. */
  readonly memory?: ConnectionMemory;
  /** The id of the holder of its leases. Default: that of whoever names none. */
  readonly leaseHolder?: number;
}

/** A batch whose results hold more does not wait for leases. */
const HELD_WHILE_WAITING_MAX_BYTES = 64 * 1024;

const STATUS_OK = 0;
const STATUS_CANCELLED = 1;

/**
 * Calls `done` exactly once. Returns undefined when `done` was called before the return; otherwise a function that cancels
 * the waits. A batch whose results hold more than 64 KiB, or whose connection has no memory left, does not wait: its leases
 * are asked for without waiting. A result that would make the message larger than `sendMaxBytes` is replaced by an error. Throws FIELD_INVALID
 * when the batch is refused as a whole.
 */
export function runBatch(
  request: BatchRequest,
  caller: Caller,
  deps: BatchDeps,
  done: (response: BatchResponse) => void,
): (() => void) | undefined {
  checkBatch(request, deps.limits);
  const { operations } = request;
  const results: OperationResult[] = new Array(operations.length);
  const waits = new Map<number, LeaseWait>();
  const context = contextOf(request, caller, deps);
  let spareBytes = deps.limits.sendMaxBytes - operations.length * RESULT_MIN_BYTES;
  // Starts one too high, so that `done` is not called before all operations have begun.
  let unsettled = operations.length + 1;
  /** The values among the results, and whether they are counted since the batch waits. */
  let resultBytes = 0;
  let counted = false;
  const count = (bytes: number) => {
    resultBytes += bytes;
    if (counted) caller.memory?.addAnswer(bytes);
  };
  const settleOne = () => {
    unsettled -= 1;
    if (unsettled > 0) return;
    count(-resultBytes);
    done({ $typeName: "meshcache.v1.BatchResponse", results });
  };

  const run = (operation: Operation, index: number) => {
    const wait = runOne(operation, context, caller, deps, (settled) => {
      const isLate = waits.delete(index);
      const result =
        isLate && caller.memory?.admitsAnswer() === false ? withoutLeasedValue(settled) : settled;
      const extraBytes = extraBytesOf(result);
      const fits = extraBytes <= spareBytes;
      if (fits) {
        spareBytes -= extraBytes;
        count(extraBytes);
      }
      results[index] = {
        $typeName: "meshcache.v1.OperationResult",
        result: fits
          ? result
          : {
              case: "error",
              value: toStatus(limitExceeded("send_max_bytes", String(deps.limits.sendMaxBytes))),
            },
      };
      settleOne();
    });
    if (wait !== undefined) waits.set(index, wait);
  };
  operations.forEach(run);
  if (resultBytes > HELD_WHILE_WAITING_MAX_BYTES || caller.memory?.admitsAnswer() === false) {
    for (const [index, wait] of [...waits]) {
      waits.delete(index);
      wait.cancel();
      run(withoutWaiting(operations[index]), index);
    }
  }
  counted = true;
  const heldBytes = resultBytes;
  resultBytes = 0;
  count(heldBytes);
  settleOne();
  if (unsettled === 0) return undefined;
  return () => {
    for (const wait of waits.values()) wait.cancel();
    waits.clear();
    count(-resultBytes);
  };
}

function withoutWaiting(operation: Operation | undefined): Operation {
  if (operation?.operation.case !== "lease") throw new Error("an operation waits that is no lease");
  return { ...operation, operation: { case: "lease", value: { ...operation.operation.value, waitMs: 0 } } };
}

function withoutLeasedValue(result: OperationResult["result"]): OperationResult["result"] {
  return result.case === "lease" ? { case: "lease", value: withoutValue(result.value) } : result;
}

/** An operation of the batch may wait until a lease is decided. */
export function mayWait({ operations }: BatchRequest): boolean {
  return operations.some(({ operation }) => operation.case === "lease" && operation.value.waitMs > 0);
}

/** What the operations of a batch share. */
export function contextOf(
  { namespace }: BatchRequest,
  { clientId, span, leaseHolder = 0 }: Caller,
  { store, limits, boundary }: BatchDeps,
): OperationContext {
  const writer = { origin: clientId, traceparent: span.traceparent };
  return {
    store,
    limits,
    writer,
    defaultNamespace: namespace,
    valueArena: undefined,
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
): LeaseWait | undefined {
  const { traceparent } = operation;
  const name = operation.operation.case ?? "unknown";
  const span = traceparent === "" ? undefined : deps.telemetry.startOperation(caller.span, name, traceparent);
  const fail = (error: unknown) => {
    if (isFault(error)) {
      deps.telemetry.logger.error({ err: error, operation: name }, "an operation of a batch failed");
    }
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

function withSpan(wait: LeaseWait, span: OperationSpan): LeaseWait {
  return {
    kind: "waiting",
    cancel() {
      wait.cancel();
      span.end(STATUS_CANCELLED);
    },
  };
}
