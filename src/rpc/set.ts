/** Set: request to command, result to response. */
import { NotStored_Reason, type SetRequest, type SetResponse } from "../../gen/meshcache/v1/cache_pb.ts";
import { fieldInvalid } from "../common/errors.ts";
import type { NotStoredReason, SetCommand, SetCondition, SetResult, Writer } from "../store/api/store.ts";
import { fromEntryCondition, fromFirstEpoch } from "./conditions.ts";
import { toStamp } from "./entry.ts";
import type { Limits } from "./limits.ts";
import {
  checkContentEncoding,
  checkContentType,
  checkKey,
  checkNamespace,
  checkTags,
  fromLifetimes,
} from "./validate.ts";

/** The command refers to the bytes of the request; the store copies them. */
export function fromSetRequest(
  request: SetRequest,
  limits: Limits,
  writer: Writer,
  defaultNamespace = "",
): SetCommand {
  if (request.value.length > limits.valueMaxBytes) {
    throw fieldInvalid("value", `0 to ${limits.valueMaxBytes} bytes`);
  }
  if (request.absent && request.value.length > 0) throw fieldInvalid("value", "empty when absent");
  const namespace = checkNamespace(request.namespace, defaultNamespace, limits);
  const key = checkKey(request.key, limits);
  const { ttlMs, staleMs } = fromLifetimes(request, limits);
  return {
    namespace,
    key,
    value: request.value,
    ttlMs,
    staleMs,
    tags: checkEntryTags(request.tags, limits),
    contentType: checkContentType(request.contentType, limits),
    contentEncoding: checkContentEncoding(request),
    absent: request.absent,
    sourceVersion: request.sourceVersion,
    condition: fromCondition(request),
    requestId: request.requestId,
    firstEpoch: fromFirstEpoch(request),
    writer,
  };
}

function checkEntryTags(tags: readonly string[], limits: Limits): readonly string[] {
  checkTags(tags, 0, limits.entryMaxTags, limits);
  if (tags.length > 1 && new Set(tags).size < tags.length) throw fieldInvalid("tags", "without duplicates");
  return tags;
}

function fromCondition({ condition, ifEpoch }: SetRequest): SetCondition {
  if (condition.case !== "leaseToken") return fromEntryCondition(condition, ifEpoch);
  if (condition.value === 0n) throw fieldInvalid("lease_token", "a token that was granted");
  return { kind: "lease", token: condition.value };
}

const NOT_STORED: Record<NotStoredReason, NotStored_Reason> = {
  exists: NotStored_Reason.EXISTS,
  absent: NotStored_Reason.ABSENT,
  versionMismatch: NotStored_Reason.VERSION_MISMATCH,
  leaseLost: NotStored_Reason.LEASE_LOST,
  olderSourceVersion: NotStored_Reason.OLDER_SOURCE_VERSION,
};

export function toSetResponse(result: SetResult, epoch: bigint): SetResponse {
  return {
    $typeName: "meshcache.v1.SetResponse",
    asOf: toStamp(epoch, result.asOf),
    outcome: toOutcome(result),
  };
}

function toOutcome(result: SetResult): SetResponse["outcome"] {
  switch (result.kind) {
    case "stored":
      return { case: "stored", value: { $typeName: "meshcache.v1.Stored", version: BigInt(result.version) } };
    case "notStored":
      return {
        case: "notStored",
        value: { $typeName: "meshcache.v1.NotStored", reason: NOT_STORED[result.reason] },
      };
    default:
      return result satisfies never;
  }
}
