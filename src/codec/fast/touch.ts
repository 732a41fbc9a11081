/** TouchRequest and TouchResponse, read and written by hand. Their fields are in `cache.proto`. */
import type { TouchRequest, TouchResponse } from "../../../gen/meshcache/v1/cache_pb.ts";
import { TouchRequestMessage, TouchResponseMessage } from "./messages.ts";
import { IRREGULAR, type WireReader } from "./reader.ts";
import { readStamp, writeStamp } from "./stamp.ts";
import type { WireWriter } from "./writer.ts";

export function readTouchRequest(reader: WireReader): TouchRequest {
  const request = new TouchRequestMessage();
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x0a) request.namespace = reader.recurringString();
    else if (tag === 0x12) request.key = reader.string();
    else if (tag === 0x18) request.ttlMs = reader.uint64();
    else if (tag === 0x20) request.staleMs = reader.uint64();
    else reader.skip(tag, 4);
  }
  return request;
}

export function writeTouchRequest(writer: WireWriter, request: TouchRequest): void {
  writer.uint64(4, request.staleMs);
  writer.uint64(3, request.ttlMs);
  writer.string(2, request.key);
  writer.string(1, request.namespace);
}

export function readTouchResponse(reader: WireReader): TouchResponse {
  const response = new TouchResponseMessage(false, undefined);
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x10) response.touched = reader.bool();
    else if (tag !== 0x0a) reader.skip(tag, 2);
    else if (response.asOf === undefined) response.asOf = readStamp(reader);
    else throw IRREGULAR;
  }
  return response;
}

export function writeTouchResponse(writer: WireWriter, { asOf, touched }: TouchResponse): void {
  writer.bool(2, touched);
  writeStamp(writer, 1, asOf);
}
