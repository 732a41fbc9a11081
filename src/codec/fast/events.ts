/**
 * Events, Progress, Ping and Ack, read and written by hand. Events are only read here: `event-frames.ts` writes them.
 */
import {
  type Ack,
  type Event,
  Event_Kind,
  type Events,
  type Ping,
  type Progress,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { NO_BYTES } from "../../common/bytes.ts";
import { IRREGULAR, type WireReader } from "./reader.ts";
import { readStamp } from "./stamp.ts";
import type { WireWriter } from "./writer.ts";

const EVENT_KINDS: readonly Event_Kind[] = [
  Event_Kind.UNSPECIFIED,
  Event_Kind.SET,
  Event_Kind.INVALIDATED,
  Event_Kind.STALED,
  Event_Kind.TOUCHED,
];

function readEvent(reader: WireReader): Event {
  let stamp: Event["stamp"];
  let target: Event["target"] = { case: undefined };
  let kind: Event_Kind = Event_Kind.UNSPECIFIED;
  let origin = "";
  let traceparent = "";
  let namespace = "";
  while (reader.position < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case 0x0a:
        if (stamp !== undefined) throw IRREGULAR;
        stamp = readStamp(reader);
        break;
      case 0x12:
        target = { case: "key", value: reader.string() };
        break;
      case 0x1a:
        target = { case: "tag", value: reader.string() };
        break;
      case 0x22:
        target = { case: "prefix", value: reader.string() };
        break;
      case 0x28:
        target = { case: "all", value: reader.bool() };
        break;
      case 0x30:
        kind = reader.enumValue(EVENT_KINDS);
        break;
      case 0x3a:
        origin = reader.string();
        break;
      case 0x42:
        traceparent = reader.string();
        break;
      case 0x4a:
        namespace = reader.recurringString();
        break;
      default:
        reader.skip(tag, 9);
    }
  }
  const event: Event = { $typeName: "meshcache.v1.Event", target, kind, origin, traceparent, namespace };
  if (stamp !== undefined) event.stamp = stamp;
  return event;
}

export function readEvents(reader: WireReader): Events {
  const events: Event[] = [];
  let cursor: Uint8Array = NO_BYTES;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x0a) {
      const outerEnd = reader.enter();
      events.push(readEvent(reader));
      reader.leave(outerEnd);
    } else if (tag === 0x12) cursor = reader.bytes();
    else reader.skip(tag, 2);
  }
  return { $typeName: "meshcache.v1.Events", events, cursor };
}

export function readProgress(reader: WireReader): Progress {
  let cursor: Uint8Array = NO_BYTES;
  let nonce = 0n;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x0a) cursor = reader.bytes();
    else if (tag === 0x11) nonce = reader.fixed64();
    else reader.skip(tag, 2);
  }
  return { $typeName: "meshcache.v1.Progress", cursor, nonce };
}

export function writeProgress(writer: WireWriter, { cursor, nonce }: Progress): void {
  writer.fixed64(2, nonce);
  writer.bytes(1, cursor);
}

export function readPing(reader: WireReader): Ping {
  let nonce = 0n;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x09) nonce = reader.fixed64();
    else reader.skip(tag, 1);
  }
  return { $typeName: "meshcache.v1.Ping", nonce };
}

export function writePing(writer: WireWriter, { nonce }: Ping): void {
  writer.fixed64(1, nonce);
}

export function readAck(reader: WireReader): Ack {
  let cursor: Uint8Array = NO_BYTES;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x0a) cursor = reader.bytes();
    else reader.skip(tag, 1);
  }
  return { $typeName: "meshcache.v1.Ack", cursor };
}

export function writeAck(writer: WireWriter, { cursor }: Ack): void {
  writer.bytes(1, cursor);
}
