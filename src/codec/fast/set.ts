/** SetRequest and SetResponse, read and written by hand. Their fields are in `cache.proto`. */
import {
  type NotStored,
  NotStored_Reason,
  type SetRequest,
  type SetResponse,
  type Stamp,
  type Stored,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { NO_BYTES } from "../../common/bytes.ts";
import { Case, SetResponseMessage, StoredMessage, UNSET } from "./messages.ts";
import { IRREGULAR, type WireReader } from "./reader.ts";
import { readStamp, writeStamp } from "./stamp.ts";
import type { WireWriter } from "./writer.ts";

export function readSetRequest(reader: WireReader): SetRequest {
  let namespace = "";
  let key = "";
  let value: Uint8Array = NO_BYTES;
  let ttlMs = 0n;
  let staleMs = 0n;
  const tags: string[] = [];
  let contentType = "";
  let absent = false;
  let sourceVersion = 0n;
  let condition: SetRequest["condition"] = { case: undefined };
  let ifEpoch = 0n;
  let requestId = 0n;
  let contentEncoding = "";
  while (reader.position < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case 0x0a:
        namespace = reader.recurringString();
        break;
      case 0x12:
        key = reader.string();
        break;
      case 0x1a:
        value = reader.bytes();
        break;
      case 0x20:
        ttlMs = reader.uint64();
        break;
      case 0x28:
        staleMs = reader.uint64();
        break;
      case 0x32:
        tags.push(reader.string());
        break;
      case 0x3a:
        contentType = reader.recurringString();
        break;
      case 0x40:
        absent = reader.bool();
        break;
      case 0x48:
        sourceVersion = reader.uint64();
        break;
      case 0x50:
        condition = { case: "ifAbsent", value: reader.bool() };
        break;
      case 0x58:
        condition = { case: "ifPresent", value: reader.bool() };
        break;
      case 0x60:
        condition = { case: "ifVersion", value: reader.uint64() };
        break;
      case 0x69:
        condition = { case: "leaseToken", value: reader.fixed64() };
        break;
      case 0x71:
        ifEpoch = reader.fixed64();
        break;
      case 0x79:
        requestId = reader.fixed64();
        break;
      case 0x82:
        contentEncoding = reader.recurringString();
        break;
      default:
        reader.skip(tag, 16);
    }
  }
  return {
    $typeName: "meshcache.v1.SetRequest",
    namespace,
    key,
    value,
    ttlMs,
    staleMs,
    tags,
    contentType,
    absent,
    sourceVersion,
    condition,
    ifEpoch,
    requestId,
    contentEncoding,
  };
}

export function writeSetRequest(writer: WireWriter, request: SetRequest): void {
  writer.string(16, request.contentEncoding);
  writer.fixed64(15, request.requestId);
  writer.fixed64(14, request.ifEpoch);
  const { condition } = request;
  if (condition.case === "leaseToken") writer.presentFixed64(13, condition.value);
  else if (condition.case === "ifVersion") writer.presentUint64(12, condition.value);
  else if (condition.case === "ifPresent") writer.presentBool(11, condition.value);
  else if (condition.case === "ifAbsent") writer.presentBool(10, condition.value);
  writer.uint64(9, request.sourceVersion);
  writer.bool(8, request.absent);
  writer.string(7, request.contentType);
  for (let index = request.tags.length - 1; index >= 0; index--) {
    writer.presentString(6, request.tags[index] ?? "");
  }
  writer.uint64(5, request.staleMs);
  writer.uint64(4, request.ttlMs);
  writer.bytes(3, request.value);
  writer.string(2, request.key);
  writer.string(1, request.namespace);
}

export function readSetResponse(reader: WireReader): SetResponse {
  let asOf: Stamp | undefined;
  let outcome: SetResponse["outcome"] = UNSET;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x0a) {
      if (asOf !== undefined) throw IRREGULAR;
      asOf = readStamp(reader);
      continue;
    }
    if (tag > 0x1a) {
      reader.skip(tag, 3);
      continue;
    }
    if (outcome.case !== undefined) throw IRREGULAR;
    const outerEnd = reader.enter();
    if (tag === 0x12) outcome = new Case("stored", readStored(reader));
    else if (tag === 0x1a) outcome = new Case("notStored", readNotStored(reader));
    else throw IRREGULAR;
    reader.leave(outerEnd);
  }
  return new SetResponseMessage(outcome, asOf);
}

export function writeSetResponse(writer: WireWriter, { asOf, outcome }: SetResponse): void {
  const mark = writer.mark();
  if (outcome.case === "stored") {
    writer.uint64(1, outcome.value.version);
    writer.message(2, mark);
  } else if (outcome.case === "notStored") {
    writer.uint32(1, outcome.value.reason);
    writer.message(3, mark);
  }
  writeStamp(writer, 1, asOf);
}

function readStored(reader: WireReader): Stored {
  let version = 0n;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x08) version = reader.uint64();
    else reader.skip(tag, 1);
  }
  return new StoredMessage(version);
}

const NOT_STORED_REASONS: readonly NotStored_Reason[] = [
  NotStored_Reason.UNSPECIFIED,
  NotStored_Reason.EXISTS,
  NotStored_Reason.ABSENT,
  NotStored_Reason.VERSION_MISMATCH,
  NotStored_Reason.LEASE_LOST,
  NotStored_Reason.OLDER_SOURCE_VERSION,
];

function readNotStored(reader: WireReader): NotStored {
  let reason: NotStored_Reason = NotStored_Reason.UNSPECIFIED;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x08) reason = reader.enumValue(NOT_STORED_REASONS);
    else reader.skip(tag, 1);
  }
  return { $typeName: "meshcache.v1.NotStored", reason };
}
