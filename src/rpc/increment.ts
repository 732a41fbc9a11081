/** Increment: request to command, result to response. */
import {
  type IncrementRequest,
  type IncrementResponse,
  NotIncremented_Reason,
  type Stamp,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { SelfWritingMessage } from "../codec/fast/self-writing-message.ts";
import { writeStamp } from "../codec/fast/stamp.ts";
import type { WireWriter } from "../codec/fast/writer.ts";
import type { IncrementCommand, IncrementRefusal, IncrementResult, Writer } from "../store/api/store.ts";
import { fromEntryCondition, fromFirstEpoch } from "./conditions.ts";
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
    firstEpoch: fromFirstEpoch(request),
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

/** The response to an Increment, with the store's result inside: as `StoredGetResponse`. */
export class StoredIncrementResponse extends SelfWritingMessage implements IncrementResponse {
  readonly $typeName = "meshcache.v1.IncrementResponse";
  readonly asOf: Stamp;
  readonly #result: IncrementResult;

  constructor(result: IncrementResult, epoch: bigint) {
    super();
    this.asOf = toStamp(epoch, result.asOf);
    this.#result = result;
  }

  get outcome(): IncrementResponse["outcome"] {
    return toOutcome(this.#result);
  }

  override writeTo(writer: WireWriter): void {
    const result = this.#result;
    const mark = writer.mark();
    if (result.kind === "incremented") {
      writer.bool(4, result.created);
      writer.uint53(3, result.ttlRemainingMs);
      writer.uint53(2, result.version);
      writer.sint64(1, result.value);
      writer.message(2, mark);
    } else {
      writer.uint32(1, NOT_INCREMENTED[result.reason]);
      writer.message(3, mark);
    }
    writeStamp(writer, 1, this.asOf);
  }
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
