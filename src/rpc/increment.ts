/** Increment: request to command, result to response. */
import {
  type IncrementRequest,
  type IncrementResponse,
  NotIncremented_Reason,
} from "../../gen/meshcache/v1/cache_pb.ts";
import type { IncrementCommand, IncrementRefusal, IncrementResult, Writer } from "../store/api/store.ts";
import { fromEntryCondition } from "./conditions.ts";
import { toStamp } from "./entry.ts";
import type { Limits } from "./limits.ts";
import { checkKey, checkNamespace, fromLifetimes } from "./validate.ts";

export function fromIncrementRequest(
  request: IncrementRequest,
  limits: Limits,
  writer: Writer,
  defaultNamespace = "",
): IncrementCommand {
  const namespace = checkNamespace(request.namespace, defaultNamespace, limits);
  const key = checkKey(request.key, limits);
  const { ttlMs, staleMs } = fromLifetimes(request, limits);
  return {
    namespace,
    key,
    delta: request.delta,
    initial: request.initial,
    ttlMs,
    staleMs,
    condition: fromEntryCondition(request.condition, request.ifEpoch),
    requestId: request.requestId,
    writer,
  };
}

const NOT_INCREMENTED: Record<IncrementRefusal, NotIncremented_Reason> = {
  exists: NotIncremented_Reason.EXISTS,
  absent: NotIncremented_Reason.ABSENT,
  versionMismatch: NotIncremented_Reason.VERSION_MISMATCH,
  notACounter: NotIncremented_Reason.NOT_A_COUNTER,
  overflow: NotIncremented_Reason.OVERFLOW,
};

export function toIncrementResponse(result: IncrementResult, epoch: bigint): IncrementResponse {
  return {
    $typeName: "meshcache.v1.IncrementResponse",
    asOf: toStamp(epoch, result.asOf),
    outcome: toOutcome(result),
  };
}

function toOutcome(result: IncrementResult): IncrementResponse["outcome"] {
  switch (result.kind) {
    case "incremented":
      return {
        case: "incremented",
        value: {
          $typeName: "meshcache.v1.Incremented",
          value: result.value,
          version: BigInt(result.version),
          ttlRemainingMs: BigInt(result.ttlRemainingMs),
          created: result.created,
        },
      };
    case "notIncremented":
      return {
        case: "notIncremented",
        value: { $typeName: "meshcache.v1.NotIncremented", reason: NOT_INCREMENTED[result.reason] },
      };
    default:
      return result satisfies never;
  }
}
