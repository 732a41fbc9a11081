/**
 * Runs the operations of a batch, which fail one by one, and gathers their results within what one message
 * may hold.
 */
import type {
  BatchRequest,
  BatchResponse,
  Hit,
  Operation,
  OperationResult,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { fieldInvalid, limitExceeded } from "../errors.ts";
import type { LeaseWait, Store, Writer } from "../store/store.ts";
import type { CallSpan, OperationSpan, Telemetry } from "../telemetry/telemetry.ts";
import type { Limits } from "../wire/limits.ts";
import { type OperationOutcome, runOperation } from "../wire/operations.ts";
import { isFault, statusCodeOf, toStatus } from "../wire/status.ts";
import { describeOutcome, describeRequest } from "./outcome.ts";

export interface BatchDeps {
  readonly store: Store;
  readonly limits: Limits;
  readonly telemetry: Telemetry;
}

/** Who calls. */
export interface Caller {
  readonly span: CallSpan;
  readonly clientId: string;
}

/** What every result is charged: an error, a miss or a stamp with all their framing. */
const RESULT_MIN_BYTES = 256;
const STAMP_BYTES = 24;
const UTF8_BYTES_PER_UNIT = 3;
const STATUS_OK = 0;
const STATUS_CANCELLED = 1;

/**
 * Calls `done` exactly once: before it returns undefined, or later, when it returns what cancels the waits.
 * Throws FIELD_INVALID when the batch is refused as a whole.
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
  const waits: LeaseWait[] = [];
  let spareBytes = deps.limits.sendMaxBytes - operations.length * RESULT_MIN_BYTES;
  // One more than there are operations, so that only the last line of this function can settle it early.
  let unsettled = operations.length + 1;
  const settleOne = () => {
    unsettled -= 1;
    if (unsettled === 0) done({ $typeName: "meshcache.v1.BatchResponse", results });
  };

  operations.forEach((operation, index) => {
    const wait = runOne(operation, request.namespace, caller, deps, (result) => {
      const extraBytes = extraBytesOf(result);
      const fits = extraBytes <= spareBytes;
      if (fits) spareBytes -= extraBytes;
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
    if (wait !== undefined) waits.push(wait);
  });
  settleOne();
  if (unsettled === 0) return undefined;
  return () => {
    for (const wait of waits) wait.cancel();
  };
}

function checkBatch({ operations }: BatchRequest, limits: Limits): void {
  if (operations.length === 0 || operations.length > limits.batchMaxOperations) {
    throw fieldInvalid("operations", `1 to ${limits.batchMaxOperations} operations`);
  }
  let bytes = 0;
  for (const operation of operations) bytes += requestBytesOf(operation);
  if (bytes > limits.batchMaxBytes) {
    throw fieldInvalid("operations", `at most ${limits.batchMaxBytes} bytes of keys, tags and values`);
  }
}

/** Text counts by its characters: what decides is the values. */
function requestBytesOf({ operation }: Operation): number {
  switch (operation.case) {
    case "set":
      return operation.value.key.length + operation.value.value.length + lengths(operation.value.tags);
    case "invalidate": {
      const { target } = operation.value;
      if (target.case === "keys") return lengths(target.value.keys);
      return target.case === "tags" ? lengths(target.value.tags) : 0;
    }
    case "get":
    case "touch":
    case "lease":
      return operation.value.key.length;
    case undefined:
      return 0;
    default:
      return operation satisfies never;
  }
}

function runOne(
  operation: Operation,
  defaultNamespace: string,
  caller: Caller,
  deps: BatchDeps,
  settle: (result: OperationResult["result"]) => void,
): LeaseWait | undefined {
  const name = operation.operation.case ?? "unknown";
  const span =
    operation.traceparent === ""
      ? undefined
      : deps.telemetry.startOperation(caller.span, name, operation.traceparent);
  const writer: Writer = {
    origin: caller.clientId,
    traceparent: span?.traceparent ?? caller.span.traceparent,
  };
  const context = { store: deps.store, limits: deps.limits, defaultNamespace, writer };
  const succeed = (outcome: OperationOutcome) => {
    if (span !== undefined) {
      const namespace = operation.operation.value?.namespace || defaultNamespace;
      span.set({ namespace, ...describeOutcome(outcome), ...describeRequest(operation.operation) });
      span.end(STATUS_OK);
    }
    settle(outcome);
  };
  try {
    const wait = runOperation(operation, context, succeed);
    return wait === undefined || span === undefined ? wait : endingSpan(wait, span);
  } catch (error) {
    if (isFault(error)) {
      deps.telemetry.logger.error({ err: error, operation: name }, "an operation of a batch failed");
    }
    span?.end(statusCodeOf(error));
    settle({ case: "error", value: toStatus(error) });
    return undefined;
  }
}

function endingSpan(wait: LeaseWait, span: OperationSpan): LeaseWait {
  return {
    kind: "waiting",
    cancel() {
      wait.cancel();
      span.end(STATUS_CANCELLED);
    },
  };
}

/** At most what a result takes beyond its minimum. */
function extraBytesOf(result: OperationResult["result"]): number {
  switch (result.case) {
    case "get":
    case "lease": {
      const { outcome } = result.value;
      if (outcome.case === "hit") return hitBytes(outcome.value);
      return outcome.case === "granted" || outcome.case === "held" ? hitBytes(outcome.value.stale) : 0;
    }
    case "invalidate":
      return result.value.stamps.length * STAMP_BYTES;
    default:
      return 0;
  }
}

function hitBytes(hit: Hit | undefined): number {
  if (hit === undefined) return 0;
  return hit.value.length + hit.contentType.length + UTF8_BYTES_PER_UNIT * lengths(hit.tags);
}

function lengths(texts: readonly string[]): number {
  let sum = 0;
  for (const text of texts) sum += text.length + 2;
  return sum;
}
