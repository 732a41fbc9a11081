/** Get, Set and what carries them to the server, read and written by hand. Fields are in `cache.proto`. */

import {
  type BatchRequest,
  type ExchangeRequest,
  type GetRequest,
  InvalidateRequestSchema,
  LeaseRequestSchema,
  type Operation,
  type SetRequest,
  TouchRequestSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { NO_BYTES } from "../../common/bytes.ts";
import { readAck, readPing, writeAck, writePing } from "./events.ts";
import { readGenerated, writeGenerated } from "./generated.ts";
import { irregular, type WireReader } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export function readGetRequest(reader: WireReader): GetRequest {
  let namespace = "";
  let key = "";
  let ifVersion = 0n;
  let allowStale = false;
  let ifEpoch = 0n;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x0a) namespace = reader.recurringString();
    else if (tag === 0x12) key = reader.string();
    else if (tag === 0x18) ifVersion = reader.uint64();
    else if (tag === 0x20) allowStale = reader.bool();
    else if (tag === 0x29) ifEpoch = reader.fixed64();
    else reader.skip(tag, 5);
  }
  return { $typeName: "meshcache.v1.GetRequest", namespace, key, ifVersion, allowStale, ifEpoch };
}

export function writeGetRequest(writer: WireWriter, request: GetRequest): void {
  writer.fixed64(5, request.ifEpoch);
  writer.bool(4, request.allowStale);
  writer.uint64(3, request.ifVersion);
  writer.string(2, request.key);
  writer.string(1, request.namespace);
}

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
      default:
        reader.skip(tag, 15);
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
  };
}

export function writeSetRequest(writer: WireWriter, request: SetRequest): void {
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

function readOperation(reader: WireReader): Operation {
  let operation: Operation["operation"] = { case: undefined };
  let traceparent = "";
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x32) {
      traceparent = reader.string();
      continue;
    }
    if (tag > 0x2a) {
      reader.skip(tag, 6);
      continue;
    }
    if (operation.case !== undefined) throw irregular;
    if (tag === 0x1a)
      operation = { case: "invalidate", value: readGenerated(reader, InvalidateRequestSchema) };
    else if (tag === 0x22) operation = { case: "touch", value: readGenerated(reader, TouchRequestSchema) };
    else if (tag === 0x2a) operation = { case: "lease", value: readGenerated(reader, LeaseRequestSchema) };
    else {
      const outerEnd = reader.enter();
      if (tag === 0x0a) operation = { case: "get", value: readGetRequest(reader) };
      else if (tag === 0x12) operation = { case: "set", value: readSetRequest(reader) };
      else throw irregular;
      reader.leave(outerEnd);
    }
  }
  return { $typeName: "meshcache.v1.Operation", operation, traceparent };
}

function writeOperation(writer: WireWriter, { operation, traceparent }: Operation): void {
  writer.string(6, traceparent);
  const mark = writer.mark();
  switch (operation.case) {
    case "get":
      writeGetRequest(writer, operation.value);
      writer.message(1, mark);
      break;
    case "set":
      writeSetRequest(writer, operation.value);
      writer.message(2, mark);
      break;
    case "invalidate":
      writeGenerated(writer, 3, InvalidateRequestSchema, operation.value);
      break;
    case "touch":
      writeGenerated(writer, 4, TouchRequestSchema, operation.value);
      break;
    case "lease":
      writeGenerated(writer, 5, LeaseRequestSchema, operation.value);
      break;
    case undefined:
      break;
    default:
      operation satisfies never;
  }
}

export function readBatchRequest(reader: WireReader): BatchRequest {
  let namespace = "";
  const operations: Operation[] = [];
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x12) {
      const outerEnd = reader.enter();
      operations.push(readOperation(reader));
      reader.leave(outerEnd);
    } else if (tag === 0x0a) namespace = reader.recurringString();
    else reader.skip(tag, 2);
  }
  return { $typeName: "meshcache.v1.BatchRequest", namespace, operations };
}

export function writeBatchRequest(writer: WireWriter, { namespace, operations }: BatchRequest): void {
  for (let index = operations.length - 1; index >= 0; index--) {
    const operation = operations[index];
    if (operation === undefined) continue;
    const mark = writer.mark();
    writeOperation(writer, operation);
    writer.message(2, mark);
  }
  writer.string(1, namespace);
}

/** Of a batch, pings and acks: other frames are rare, and irregular here. */
export function readExchangeRequest(reader: WireReader): ExchangeRequest {
  let id = 0n;
  let frame: ExchangeRequest["frame"] | undefined;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x08) id = reader.uint64();
    else if (tag > 0x37) reader.skip(tag, 6);
    else {
      // Two frames would have to be merged.
      if (frame !== undefined) throw irregular;
      frame = readRequestFrame(reader, tag);
    }
  }
  if (frame === undefined) throw irregular;
  return { $typeName: "meshcache.v1.ExchangeRequest", id, frame };
}

function readRequestFrame(reader: WireReader, tag: number): ExchangeRequest["frame"] {
  const outerEnd = reader.enter();
  let frame: ExchangeRequest["frame"];
  if (tag === 0x22) frame = { case: "batch", value: readBatchRequest(reader) };
  else if (tag === 0x2a) frame = { case: "ping", value: readPing(reader) };
  else if (tag === 0x32) frame = { case: "ack", value: readAck(reader) };
  else throw irregular;
  reader.leave(outerEnd);
  return frame;
}

/** Of what is read here. */
export function writeExchangeRequest(writer: WireWriter, { id, frame }: ExchangeRequest): void {
  const mark = writer.mark();
  switch (frame.case) {
    case "batch":
      writeBatchRequest(writer, frame.value);
      writer.message(4, mark);
      break;
    case "ping":
      writePing(writer, frame.value);
      writer.message(5, mark);
      break;
    case "ack":
      writeAck(writer, frame.value);
      writer.message(6, mark);
      break;
    default:
      throw irregular;
  }
  writer.uint64(1, id);
}
