/** Get: request to command, result to response. */
import type { GetRequest, GetResponse, NotModified, Stamp } from "../../gen/meshcache/v1/cache_pb.ts";
import { SelfWritingMessage } from "../codec/fast/self-writing-message.ts";
import { writeStamp } from "../codec/fast/stamp.ts";
import type { WireWriter } from "../codec/fast/writer.ts";
import type { EntryView, GetCommand, GetResult } from "../store/api/store.ts";
import { toHit, toStamp } from "./entry.ts";
import type { Limits } from "./limits.ts";
import { checkKey, checkNamespace, fromUint64 } from "./validate.ts";

export function fromGetRequest(request: GetRequest, limits: Limits, defaultNamespace = ""): GetCommand {
  return {
    namespace: checkNamespace(request.namespace, defaultNamespace, limits),
    key: checkKey(request.key, limits),
    ifVersion: fromUint64(request.ifVersion, "if_version"),
    ifEpoch: request.ifEpoch,
    allowStale: request.allowStale,
  };
}

/**
 * The response to a Get, with the store's result inside. The hand codec writes the result itself; only the generated
 * codec reads `outcome`, which makes a message of it each time.
 */
export class StoredGetResponse extends SelfWritingMessage implements GetResponse {
  readonly $typeName = "meshcache.v1.GetResponse";
  /** A property, not a getter: to the generated codec, only an own property is a field that is set. */
  readonly asOf: Stamp;
  readonly result: GetResult;

  constructor(result: GetResult, epoch: bigint) {
    super();
    this.asOf = toStamp(epoch, result.asOf);
    this.result = result;
  }

  get outcome(): GetResponse["outcome"] {
    return toOutcome(this.result);
  }

  override writeTo(writer: WireWriter): void {
    const { result, asOf } = this;
    const mark = writer.mark();
    switch (result.kind) {
      case "hit": {
        const { entry } = result;
        writer.string(11, entry.contentEncoding);
        writer.uint53(10, entry.ageMs);
        writer.string(9, entry.contentType);
        for (let index = entry.tags.length - 1; index >= 0; index--) {
          writer.presentString(8, entry.tags[index] ?? "");
        }
        writer.bool(7, entry.absent);
        writer.bool(6, entry.stale);
        writer.uint53(5, entry.staleRemainingMs);
        writer.uint53(4, entry.ttlRemainingMs);
        writer.uint64(3, entry.sourceVersion);
        writer.uint53(2, entry.version);
        writer.bytes(1, entry.value);
        writer.message(2, mark);
        break;
      }
      case "notModified":
        writer.uint53(4, result.entry.ageMs);
        writer.bool(3, result.entry.stale);
        writer.uint53(2, result.entry.staleRemainingMs);
        writer.uint53(1, result.entry.ttlRemainingMs);
        writer.message(4, mark);
        break;
      case "miss":
        writer.message(3, mark);
        break;
      default:
        result satisfies never;
    }
    writeStamp(writer, 1, asOf);
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
    ageMs: BigInt(entry.ageMs),
  };
}
