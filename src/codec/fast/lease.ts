/** LeaseRequest and LeaseResponse, read and written by hand. Their fields are in `cache.proto`. */
import type {
  Hit,
  LeaseGranted,
  LeaseHeld,
  LeaseReleased,
  LeaseRequest,
  LeaseResponse,
  Stamp,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { readHit, writeHit } from "./get.ts";
import {
  Case,
  LeaseGrantedMessage,
  LeaseHeldMessage,
  LeaseReleasedMessage,
  LeaseRequestMessage,
  LeaseResponseMessage,
  UNSET,
} from "./messages.ts";
import { IRREGULAR, type WireReader } from "./reader.ts";
import { readStamp, writeStamp } from "./stamp.ts";
import type { WireWriter } from "./writer.ts";

export function readLeaseRequest(reader: WireReader): LeaseRequest {
  const request = new LeaseRequestMessage();
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x0a) request.namespace = reader.recurringString();
    else if (tag === 0x12) request.key = reader.string();
    else if (tag === 0x18) request.waitMs = reader.uint32();
    else if (tag === 0x20) request.leaseMs = reader.uint32();
    else if (tag === 0x29) request.releaseToken = reader.fixed64();
    else reader.skip(tag, 5);
  }
  return request;
}

export function writeLeaseRequest(writer: WireWriter, request: LeaseRequest): void {
  writer.fixed64(5, request.releaseToken);
  writer.uint32(4, request.leaseMs);
  writer.uint32(3, request.waitMs);
  writer.string(2, request.key);
  writer.string(1, request.namespace);
}

export function readLeaseResponse(reader: WireReader): LeaseResponse {
  let asOf: Stamp | undefined;
  let outcome: LeaseResponse["outcome"] = UNSET;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x0a) {
      if (asOf !== undefined) throw IRREGULAR;
      asOf = readStamp(reader);
      continue;
    }
    if (tag > 0x2a) {
      reader.skip(tag, 5);
      continue;
    }
    if (outcome.case !== undefined) throw IRREGULAR;
    const outerEnd = reader.enter();
    outcome = readOutcome(reader, tag);
    reader.leave(outerEnd);
  }
  return new LeaseResponseMessage(outcome, asOf);
}

function readOutcome(reader: WireReader, tag: number): LeaseResponse["outcome"] {
  switch (tag) {
    case 0x12:
      return new Case("hit", readHit(reader));
    case 0x1a:
      return new Case("granted", readGranted(reader));
    case 0x22:
      return new Case("held", readHeld(reader));
    case 0x2a:
      return new Case("released", readReleased(reader));
    default:
      throw IRREGULAR;
  }
}

export function writeLeaseResponse(writer: WireWriter, { asOf, outcome }: LeaseResponse): void {
  const mark = writer.mark();
  switch (outcome.case) {
    case "hit":
      writeHit(writer, outcome.value);
      writer.message(2, mark);
      break;
    case "granted":
      writeNestedHit(writer, 3, outcome.value.stale);
      writer.uint64(2, outcome.value.leaseMs);
      writer.fixed64(1, outcome.value.token);
      writer.message(3, mark);
      break;
    case "held":
      writeNestedHit(writer, 2, outcome.value.stale);
      writer.uint64(1, outcome.value.retryAfterMs);
      writer.message(4, mark);
      break;
    case "released":
      writer.bool(1, outcome.value.released);
      writer.message(5, mark);
      break;
    case undefined:
      break;
    default:
      outcome satisfies never;
  }
  writeStamp(writer, 1, asOf);
}

function readGranted(reader: WireReader): LeaseGranted {
  const granted = new LeaseGrantedMessage(0n, 0n, undefined);
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x09) granted.token = reader.fixed64();
    else if (tag === 0x10) granted.leaseMs = reader.uint64();
    else if (tag !== 0x1a) reader.skip(tag, 3);
    else if (granted.stale === undefined) granted.stale = readNestedHit(reader);
    else throw IRREGULAR;
  }
  return granted;
}

function readHeld(reader: WireReader): LeaseHeld {
  const held = new LeaseHeldMessage(0n, undefined);
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x08) held.retryAfterMs = reader.uint64();
    else if (tag !== 0x12) reader.skip(tag, 2);
    else if (held.stale === undefined) held.stale = readNestedHit(reader);
    else throw IRREGULAR;
  }
  return held;
}

function readReleased(reader: WireReader): LeaseReleased {
  let released = false;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x08) released = reader.bool();
    else reader.skip(tag, 1);
  }
  return new LeaseReleasedMessage(released);
}

function readNestedHit(reader: WireReader): Hit {
  const outerEnd = reader.enter();
  const hit = readHit(reader);
  reader.leave(outerEnd);
  return hit;
}

function writeNestedHit(writer: WireWriter, field: number, hit: Hit | undefined): void {
  if (hit === undefined) return;
  const mark = writer.mark();
  writeHit(writer, hit);
  writer.message(field, mark);
}
