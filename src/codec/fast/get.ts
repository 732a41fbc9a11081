/** GetRequest and GetResponse, read and written by hand. Their fields are in `cache.proto`. */
import type {
  GetRequest,
  GetResponse,
  Hit,
  Miss,
  NotModified,
  Stamp,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { Case, GetResponseMessage, HitMessage, NO_TAGS, newArray, UNSET } from "./messages.ts";
import { IRREGULAR, type WireReader } from "./reader.ts";
import { SelfWritingMessage } from "./self-writing-message.ts";
import { readStamp, writeStamp } from "./stamp.ts";
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
      writer.uint64(4, outcome.value.ageMs);
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

export function readHit(reader: WireReader): Hit {
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
    else if (tag === 0x50) hit.ageMs = reader.uint64();
    else if (tag === 0x5a) hit.contentEncoding = reader.recurringString();
    else reader.skip(tag, 11);
  }
  return hit;
}

export function writeHit(writer: WireWriter, hit: Hit): void {
  writer.string(11, hit.contentEncoding);
  writer.uint64(10, hit.ageMs);
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
  let ageMs = 0n;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x08) ttlRemainingMs = reader.uint64();
    else if (tag === 0x10) staleRemainingMs = reader.uint64();
    else if (tag === 0x18) stale = reader.bool();
    else if (tag === 0x20) ageMs = reader.uint64();
    else reader.skip(tag, 4);
  }
  return { $typeName: "meshcache.v1.NotModified", ttlRemainingMs, staleRemainingMs, stale, ageMs };
}

const MISS: Miss = { $typeName: "meshcache.v1.Miss" };

/** A miss has no fields, so all of them are one object. */
function readMiss(reader: WireReader): Miss {
  while (reader.position < reader.end) reader.skip(reader.tag(), 0);
  return MISS;
}
