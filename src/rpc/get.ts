/** Get: request to command, result to response. */
import type { GetRequest, GetResponse, NotModified, Stamp } from "../../gen/meshcache/v1/cache_pb.ts";
import type { EntryView, GetCommand, GetResult } from "../store/api/store.ts";
import { toHit, toStamp } from "./entry.ts";
import type { Limits } from "./limits.ts";
import { checkKey, checkNamespace, toSafeNumber } from "./validate.ts";

export function fromGetRequest(request: GetRequest, limits: Limits, defaultNamespace = ""): GetCommand {
  return {
    namespace: checkNamespace(request.namespace, defaultNamespace, limits),
    key: checkKey(request.key, limits),
    ifVersion: toSafeNumber(request.ifVersion, "if_version"),
    ifEpoch: request.ifEpoch,
    allowStale: request.allowStale,
  };
}

/**
 * A result of the store as a response: its entry is a message for who reads it as one, made only then. The hand codec
 * writes the entry itself.
 */
export class StoredGetResponse implements GetResponse {
  readonly $typeName = "meshcache.v1.GetResponse";
  /** The generated codec takes only a property of its own for set. */
  readonly asOf: Stamp;
  readonly result: GetResult;

  constructor(result: GetResult, epoch: bigint) {
    this.asOf = toStamp(epoch, result.asOf);
    this.result = result;
  }

  get outcome(): GetResponse["outcome"] {
    return toOutcome(this.result);
  }
}

function toOutcome(result: GetResult): GetResponse["outcome"] {
  switch (result.kind) {
    case "hit":
      return { case: "hit", value: toHit(result.entry) };
    case "notModified":
      return { case: "notModified", value: toNotModified(result.entry) };
    case "miss":
      return { case: "miss", value: { $typeName: "meshcache.v1.Miss" } };
    default:
      return result satisfies never;
  }
}

function toNotModified(entry: EntryView): NotModified {
  return {
    $typeName: "meshcache.v1.NotModified",
    ttlRemainingMs: BigInt(entry.ttlRemainingMs),
    staleRemainingMs: BigInt(entry.staleRemainingMs),
    stale: entry.stale,
  };
}
