/** The answers to Get and Set and what carries them to the client, read and written by hand. */
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import {
  type BatchResponse,
  type ExchangeResponse,
  type GetResponse,
  type Hit,
  InvalidateResponseSchema,
  LeaseResponseSchema,
  type Miss,
  type NotModified,
  type NotStored,
  NotStored_Reason,
  type OperationResult,
  type SetResponse,
  type Stamp,
  type Stored,
  TouchResponseSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { readEvents, readProgress, writeProgress } from "./events.ts";
import { readGenerated, writeGenerated } from "./generated.ts";
import {
  BatchResponseMessage,
  Case,
  ExchangeResponseMessage,
  GetResponseMessage,
  HitMessage,
  NO_TAGS,
  newArray,
  OperationResultMessage,
  SetResponseMessage,
  StoredMessage,
} from "./messages.ts";
import { IRREGULAR, type WireReader } from "./reader.ts";
import { SelfWritingMessage } from "./self-writing-message.ts";
import { readStamp, writeStamp } from "./stamp.ts";
import type { WireWriter } from "./writer.ts";

/** A oneof that no case is set of. */
const UNSET: { case: undefined; value?: undefined } = { case: undefined };

function readHit(reader: WireReader): Hit {
  const hit = new HitMessage();
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x0a) hit.value = reader.bytes();
    else if (tag === 0x10) hit.version = reader.uint64();
    else if (tag === 0x18) hit.sourceVersion = reader.uint64();
    else if (tag === 0x20) hit.ttlRemainingMs = reader.uint64();
    else if (tag === 0x28) hit.staleRemainingMs = reader.uint64();
    else if (tag === 0x30) hit.stale = reader.bool();
    else if (tag === 0x38) hit.absent = reader.bool();
    else if (tag === 0x42) {
      if (hit.tags === NO_TAGS) hit.tags = newArray();
      hit.tags.push(reader.string());
    } else if (tag === 0x4a) hit.contentType = reader.recurringString();
    else reader.skip(tag, 9);
  }
  return hit;
}

function writeHit(writer: WireWriter, hit: Hit): void {
  writer.string(9, hit.contentType);
  for (let index = hit.tags.length - 1; index >= 0; index--) writer.presentString(8, hit.tags[index] ?? "");
  writer.bool(7, hit.absent);
  writer.bool(6, hit.stale);
  writer.uint64(5, hit.staleRemainingMs);
  writer.uint64(4, hit.ttlRemainingMs);
  writer.uint64(3, hit.sourceVersion);
  writer.uint64(2, hit.version);
  writer.bytes(1, hit.value);
}

function readNotModified(reader: WireReader): NotModified {
  let ttlRemainingMs = 0n;
  let staleRemainingMs = 0n;
  let stale = false;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x08) ttlRemainingMs = reader.uint64();
    else if (tag === 0x10) staleRemainingMs = reader.uint64();
    else if (tag === 0x18) stale = reader.bool();
    else reader.skip(tag, 3);
  }
  return { $typeName: "meshcache.v1.NotModified", ttlRemainingMs, staleRemainingMs, stale };
}

export function readGetResponse(reader: WireReader): GetResponse {
  let asOf: Stamp | undefined;
  let outcome: GetResponse["outcome"] = UNSET;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x0a) {
      if (asOf !== undefined) throw IRREGULAR;
      asOf = readStamp(reader);
      continue;
    }
    if (tag > 0x22) {
      reader.skip(tag, 4);
      continue;
    }
    if (outcome.case !== undefined) throw IRREGULAR;
    const outerEnd = reader.enter();
    if (tag === 0x12) outcome = new Case("hit", readHit(reader));
    else if (tag === 0x1a) outcome = new Case("miss", readMiss(reader));
    else if (tag === 0x22) outcome = new Case("notModified", readNotModified(reader));
    else throw IRREGULAR;
    reader.leave(outerEnd);
  }
  return new GetResponseMessage(outcome, asOf);
}

const MISS: Miss = { $typeName: "meshcache.v1.Miss" };

/** There is nothing in one, so there is one. */
function readMiss(reader: WireReader): Miss {
  while (reader.position < reader.end) reader.skip(reader.tag(), 0);
  return MISS;
}

export function writeGetResponse(writer: WireWriter, response: GetResponse): void {
  if (response instanceof SelfWritingMessage) {
    response.writeTo(writer);
    return;
  }
  const { asOf, outcome } = response;
  const mark = writer.mark();
  switch (outcome.case) {
    case "hit":
      writeHit(writer, outcome.value);
      writer.message(2, mark);
      break;
    case "miss":
      writer.message(3, mark);
      break;
    case "notModified":
      writer.bool(3, outcome.value.stale);
      writer.uint64(2, outcome.value.staleRemainingMs);
      writer.uint64(1, outcome.value.ttlRemainingMs);
      writer.message(4, mark);
      break;
    case undefined:
      break;
    default:
      outcome satisfies never;
  }
  writeStamp(writer, 1, asOf);
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

function readOperationResult(reader: WireReader): OperationResult {
  let result: OperationResult["result"] = UNSET;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag > 0x32) {
      reader.skip(tag, 6);
      continue;
    }
    if (result.case !== undefined) throw IRREGULAR;
    switch (tag) {
      case 0x0a: {
        const outerEnd = reader.enter();
        result = new Case("get", readGetResponse(reader));
        reader.leave(outerEnd);
        break;
      }
      case 0x12: {
        const outerEnd = reader.enter();
        result = new Case("set", readSetResponse(reader));
        reader.leave(outerEnd);
        break;
      }
      case 0x1a:
        result = { case: "invalidate", value: readGenerated(reader, InvalidateResponseSchema) };
        break;
      case 0x22:
        result = { case: "touch", value: readGenerated(reader, TouchResponseSchema) };
        break;
      case 0x2a:
        result = { case: "lease", value: readGenerated(reader, LeaseResponseSchema) };
        break;
      case 0x32:
        result = { case: "error", value: readGenerated(reader, StatusSchema) };
        break;
      default:
        throw IRREGULAR;
    }
  }
  return new OperationResultMessage(result);
}

function writeOperationResult(writer: WireWriter, { result }: OperationResult): void {
  const mark = writer.mark();
  switch (result.case) {
    case "get":
      writeGetResponse(writer, result.value);
      writer.message(1, mark);
      break;
    case "set":
      writeSetResponse(writer, result.value);
      writer.message(2, mark);
      break;
    case "invalidate":
      writeGenerated(writer, 3, InvalidateResponseSchema, result.value);
      break;
    case "touch":
      writeGenerated(writer, 4, TouchResponseSchema, result.value);
      break;
    case "lease":
      writeGenerated(writer, 5, LeaseResponseSchema, result.value);
      break;
    case "error":
      writeGenerated(writer, 6, StatusSchema, result.value);
      break;
    case undefined:
      break;
    default:
      result satisfies never;
  }
}

export function readBatchResponse(reader: WireReader): BatchResponse {
  const results = newArray<OperationResult>();
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x0a) {
      const outerEnd = reader.enter();
      results.push(readOperationResult(reader));
      reader.leave(outerEnd);
    } else reader.skip(tag, 1);
  }
  return new BatchResponseMessage(results);
}

export function writeBatchResponse(writer: WireWriter, { results }: BatchResponse): void {
  for (let index = results.length - 1; index >= 0; index--) {
    const result = results[index];
    if (result === undefined) continue;
    const mark = writer.mark();
    writeOperationResult(writer, result);
    writer.message(1, mark);
  }
}

/** Of a batch, events and progress: other frames are rare, and irregular here. */
export function readExchangeResponse(reader: WireReader): ExchangeResponse {
  let id = 0n;
  let sequence = 0n;
  let more = false;
  let frame: ExchangeResponse["frame"] | undefined;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x08) id = reader.uint64();
    else if (tag === 0x48) sequence = reader.uint64();
    else if (tag === 0x50) more = reader.bool();
    else if (tag > 0x50) reader.skip(tag, 10);
    else {
      // Two frames would have to be merged.
      if (frame !== undefined) throw IRREGULAR;
      frame = readResponseFrame(reader, tag);
    }
  }
  if (frame === undefined) throw IRREGULAR;
  return new ExchangeResponseMessage(id, frame, sequence, more);
}

function readResponseFrame(reader: WireReader, tag: number): ExchangeResponse["frame"] {
  const outerEnd = reader.enter();
  let frame: ExchangeResponse["frame"];
  if (tag === 0x1a) frame = new Case("batch", readBatchResponse(reader));
  else if (tag === 0x22) frame = new Case("events", readEvents(reader));
  else if (tag === 0x2a) frame = new Case("progress", readProgress(reader));
  else throw IRREGULAR;
  reader.leave(outerEnd);
  return frame;
}

/** Of a batch and progress: events are put together in frames.ts, once for all who read them. */
export function writeExchangeResponse(writer: WireWriter, response: ExchangeResponse): void {
  const { id, frame, sequence, more } = response;
  if (frame.case !== "batch" && frame.case !== "progress") throw IRREGULAR;
  writer.bool(10, more);
  writer.uint64(9, sequence);
  const mark = writer.mark();
  if (frame.case === "batch") {
    writeBatchResponse(writer, frame.value);
    writer.message(3, mark);
  } else {
    writeProgress(writer, frame.value);
    writer.message(5, mark);
  }
  writer.uint64(1, id);
}
