/**
 * The frames of Exchange that come often, read and written by hand: batches, events, progress, pings and acks. Any
 * other frame is left to the generated codec.
 */
import type { ExchangeRequest, ExchangeResponse } from "../../../gen/meshcache/v1/cache_pb.ts";
import { readBatchRequest, readBatchResponse, writeBatchRequest, writeBatchResponse } from "./batch.ts";
import { readAck, readEvents, readPing, readProgress, writeAck, writePing, writeProgress } from "./events.ts";
import { Case, ExchangeResponseMessage } from "./messages.ts";
import { IRREGULAR, type WireReader } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

/** Reads a batch, a ping or an ack; throws IRREGULAR for any other frame. */
export function readExchangeRequest(reader: WireReader): ExchangeRequest {
  let id = 0n;
  let frame: ExchangeRequest["frame"] | undefined;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x08) id = reader.uint64();
    else if (tag > 0x37) reader.skip(tag, 6);
    else {
      // Two frames of one kind would have to be merged.
      if (frame !== undefined) throw IRREGULAR;
      frame = readRequestFrame(reader, tag);
    }
  }
  if (frame === undefined) throw IRREGULAR;
  return { $typeName: "meshcache.v1.ExchangeRequest", id, frame };
}

function readRequestFrame(reader: WireReader, tag: number): ExchangeRequest["frame"] {
  const outerEnd = reader.enter();
  let frame: ExchangeRequest["frame"];
  if (tag === 0x22) frame = { case: "batch", value: readBatchRequest(reader) };
  else if (tag === 0x2a) frame = { case: "ping", value: readPing(reader) };
  else if (tag === 0x32) frame = { case: "ack", value: readAck(reader) };
  else throw IRREGULAR;
  reader.leave(outerEnd);
  return frame;
}

/** Writes the frames that `readExchangeRequest` reads. */
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
      throw IRREGULAR;
  }
  writer.uint64(1, id);
}

/** Reads a batch, events or progress; throws IRREGULAR for any other frame. */
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
      // Two frames of one kind would have to be merged.
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

/** Writes a batch or progress. Events are encoded in event-frames.ts, once for all subscribers. */
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
