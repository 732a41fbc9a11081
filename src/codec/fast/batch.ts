/**
 * BatchRequest and BatchResponse, read and written by hand. ListKeys, which is rare, is left to the generated codec.
 */
import { toBinary } from "@bufbuild/protobuf";
import { type Status, StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import {
  type BatchRequest,
  type BatchResponse,
  ListKeysRequestSchema,
  ListKeysResponseSchema,
  type Operation,
  type OperationResult,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { NO_BYTES } from "../../common/bytes.ts";
import { readGenerated, writeGenerated } from "./generated.ts";
import { readGetRequest, readGetResponse, writeGetRequest, writeGetResponse } from "./get.ts";
import {
  readIncrementRequest,
  readIncrementResponse,
  writeIncrementRequest,
  writeIncrementResponse,
} from "./increment.ts";
import {
  readInvalidateRequest,
  readInvalidateResponse,
  writeInvalidateRequest,
  writeInvalidateResponse,
} from "./invalidate.ts";
import { readLeaseRequest, readLeaseResponse, writeLeaseRequest, writeLeaseResponse } from "./lease.ts";
import { BatchResponseMessage, Case, newArray, OperationResultMessage, UNSET } from "./messages.ts";
import { IRREGULAR, type WireReader } from "./reader.ts";
import { readSetRequest, readSetResponse, writeSetRequest, writeSetResponse } from "./set.ts";
import { readTouchRequest, readTouchResponse, writeTouchRequest, writeTouchResponse } from "./touch.ts";
import type { WireWriter } from "./writer.ts";

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

/** The status that was encoded last: a batch may have the same one for a thousand operations. */
let lastStatus: Status | undefined;
let lastStatusBytes: Uint8Array = NO_BYTES;

function writeError(writer: WireWriter, status: Status): void {
  if (status !== lastStatus) {
    lastStatusBytes = toBinary(StatusSchema, status);
    lastStatus = status;
  }
  writer.presentBytes(6, lastStatusBytes);
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
    if (tag > 0x42) {
      reader.skip(tag, 8);
      continue;
    }
    if (operation.case !== undefined) throw IRREGULAR;
    if (tag === 0x42) operation = { case: "listKeys", value: readGenerated(reader, ListKeysRequestSchema) };
    else {
      const outerEnd = reader.enter();
      if (tag === 0x0a) operation = { case: "get", value: readGetRequest(reader) };
      else if (tag === 0x12) operation = { case: "set", value: readSetRequest(reader) };
      else if (tag === 0x1a) operation = { case: "invalidate", value: readInvalidateRequest(reader) };
      else if (tag === 0x22) operation = { case: "touch", value: readTouchRequest(reader) };
      else if (tag === 0x2a) operation = { case: "lease", value: readLeaseRequest(reader) };
      else if (tag === 0x3a) operation = { case: "increment", value: readIncrementRequest(reader) };
      else throw IRREGULAR;
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
      writeInvalidateRequest(writer, operation.value);
      writer.message(3, mark);
      break;
    case "touch":
      writeTouchRequest(writer, operation.value);
      writer.message(4, mark);
      break;
    case "lease":
      writeLeaseRequest(writer, operation.value);
      writer.message(5, mark);
      break;
    case "increment":
      writeIncrementRequest(writer, operation.value);
      writer.message(7, mark);
      break;
    case "listKeys":
      writeGenerated(writer, 8, ListKeysRequestSchema, operation.value);
      break;
    case undefined:
      break;
    default:
      operation satisfies never;
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

function readOperationResult(reader: WireReader): OperationResult {
  let result: OperationResult["result"] = UNSET;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag > 0x42) {
      reader.skip(tag, 8);
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
      case 0x1a: {
        const outerEnd = reader.enter();
        result = new Case("invalidate", readInvalidateResponse(reader));
        reader.leave(outerEnd);
        break;
      }
      case 0x22: {
        const outerEnd = reader.enter();
        result = new Case("touch", readTouchResponse(reader));
        reader.leave(outerEnd);
        break;
      }
      case 0x2a: {
        const outerEnd = reader.enter();
        result = new Case("lease", readLeaseResponse(reader));
        reader.leave(outerEnd);
        break;
      }
      case 0x32:
        result = { case: "error", value: readGenerated(reader, StatusSchema) };
        break;
      case 0x3a: {
        const outerEnd = reader.enter();
        result = new Case("increment", readIncrementResponse(reader));
        reader.leave(outerEnd);
        break;
      }
      case 0x42:
        result = { case: "listKeys", value: readGenerated(reader, ListKeysResponseSchema) };
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
      writeInvalidateResponse(writer, result.value);
      writer.message(3, mark);
      break;
    case "touch":
      writeTouchResponse(writer, result.value);
      writer.message(4, mark);
      break;
    case "lease":
      writeLeaseResponse(writer, result.value);
      writer.message(5, mark);
      break;
    case "error":
      writeError(writer, result.value);
      break;
    case "increment":
      writeIncrementResponse(writer, result.value);
      writer.message(7, mark);
      break;
    case "listKeys":
      writeGenerated(writer, 8, ListKeysResponseSchema, result.value);
      break;
    case undefined:
      break;
    default:
      result satisfies never;
  }
}
