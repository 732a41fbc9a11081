/** IncrementRequest and IncrementResponse, read and written by hand. Their fields are in `cache.proto`. */
import {
  type Incremented,
  type IncrementRequest,
  type IncrementResponse,
  type NotIncremented,
  NotIncremented_Reason,
  type Stamp,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import {
  Case,
  IncrementedMessage,
  IncrementRequestMessage,
  IncrementResponseMessage,
  UNSET,
} from "./messages.ts";
import { IRREGULAR, type WireReader } from "./reader.ts";
import { SelfWritingMessage } from "./self-writing-message.ts";
import { readStamp, writeStamp } from "./stamp.ts";
import type { WireWriter } from "./writer.ts";

export function readIncrementRequest(reader: WireReader): IncrementRequest {
  const request = new IncrementRequestMessage();
  while (reader.position < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case 0x0a:
        request.namespace = reader.recurringString();
        break;
      case 0x12:
        request.key = reader.string();
        break;
      case 0x18:
        request.delta = reader.sint64();
        break;
      case 0x20:
        request.initial = reader.sint64();
        break;
      case 0x28:
        request.ttlMs = reader.uint64();
        break;
      case 0x30:
        request.staleMs = reader.uint64();
        break;
      case 0x38:
        request.condition = new Case("ifAbsent", reader.bool());
        break;
      case 0x40:
        request.condition = new Case("ifPresent", reader.bool());
        break;
      case 0x48:
        request.condition = new Case("ifVersion", reader.uint64());
        break;
      case 0x51:
        request.ifEpoch = reader.fixed64();
        break;
      case 0x59:
        request.requestId = reader.fixed64();
        break;
      default:
        reader.skip(tag, 11);
    }
  }
  return request;
}

export function writeIncrementRequest(writer: WireWriter, request: IncrementRequest): void {
  writer.fixed64(11, request.requestId);
  writer.fixed64(10, request.ifEpoch);
  const { condition } = request;
  if (condition.case === "ifVersion") writer.presentUint64(9, condition.value);
  else if (condition.case === "ifPresent") writer.presentBool(8, condition.value);
  else if (condition.case === "ifAbsent") writer.presentBool(7, condition.value);
  writer.uint64(6, request.staleMs);
  writer.uint64(5, request.ttlMs);
  writer.sint64(4, request.initial);
  writer.sint64(3, request.delta);
  writer.string(2, request.key);
  writer.string(1, request.namespace);
}

export function readIncrementResponse(reader: WireReader): IncrementResponse {
  let asOf: Stamp | undefined;
  let outcome: IncrementResponse["outcome"] = UNSET;
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
    if (tag === 0x12) outcome = new Case("incremented", readIncremented(reader));
    else if (tag === 0x1a) outcome = new Case("notIncremented", readNotIncremented(reader));
    else throw IRREGULAR;
    reader.leave(outerEnd);
  }
  return new IncrementResponseMessage(outcome, asOf);
}

export function writeIncrementResponse(writer: WireWriter, response: IncrementResponse): void {
  if (response instanceof SelfWritingMessage) {
    response.writeTo(writer);
    return;
  }
  const { asOf, outcome } = response;
  const mark = writer.mark();
  if (outcome.case === "incremented") {
    const { value, version, ttlRemainingMs, created } = outcome.value;
    writer.bool(4, created);
    writer.uint64(3, ttlRemainingMs);
    writer.uint64(2, version);
    writer.sint64(1, value);
    writer.message(2, mark);
  } else if (outcome.case === "notIncremented") {
    writer.uint32(1, outcome.value.reason);
    writer.message(3, mark);
  }
  writeStamp(writer, 1, asOf);
}

function readIncremented(reader: WireReader): Incremented {
  let value = 0n;
  let version = 0n;
  let ttlRemainingMs = 0n;
  let created = false;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x08) value = reader.sint64();
    else if (tag === 0x10) version = reader.uint64();
    else if (tag === 0x18) ttlRemainingMs = reader.uint64();
    else if (tag === 0x20) created = reader.bool();
    else reader.skip(tag, 4);
  }
  return new IncrementedMessage(value, version, ttlRemainingMs, created);
}

const NOT_INCREMENTED_REASONS: readonly NotIncremented_Reason[] = [
  NotIncremented_Reason.UNSPECIFIED,
  NotIncremented_Reason.EXISTS,
  NotIncremented_Reason.ABSENT,
  NotIncremented_Reason.VERSION_MISMATCH,
  NotIncremented_Reason.NOT_A_COUNTER,
  NotIncremented_Reason.OVERFLOW,
];

function readNotIncremented(reader: WireReader): NotIncremented {
  let reason: NotIncremented_Reason = NotIncremented_Reason.UNSPECIFIED;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x08) reason = reader.enumValue(NOT_INCREMENTED_REASONS);
    else reader.skip(tag, 1);
  }
  return { $typeName: "meshcache.v1.NotIncremented", reason };
}
