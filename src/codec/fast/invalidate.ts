/** InvalidateRequest and InvalidateResponse, read and written by hand. Their fields are in `cache.proto`. */
import {
  type InvalidateRequest,
  InvalidateRequest_Mode,
  type InvalidateResponse,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { Case, InvalidateRequestMessage, InvalidateResponseMessage, newArray } from "./messages.ts";
import { IRREGULAR, type WireReader } from "./reader.ts";
import { readStamp, writeStamp } from "./stamp.ts";
import type { WireWriter } from "./writer.ts";

const MODES: readonly InvalidateRequest_Mode[] = [
  InvalidateRequest_Mode.UNSPECIFIED,
  InvalidateRequest_Mode.HARD,
  InvalidateRequest_Mode.SOFT,
];

export function readInvalidateRequest(reader: WireReader): InvalidateRequest {
  const request = new InvalidateRequestMessage();
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x0a) request.namespace = reader.recurringString();
    else if (tag === 0x30) request.mode = reader.enumValue(MODES);
    else if (tag === 0x38) request.sourceVersion = reader.uint64();
    else if (tag > 0x38) reader.skip(tag, 7);
    else if (request.target.case === undefined) request.target = readTarget(reader, tag);
    else throw IRREGULAR;
  }
  return request;
}

function readTarget(reader: WireReader, tag: number): InvalidateRequest["target"] {
  switch (tag) {
    case 0x12:
      return new Case("keys", { $typeName: "meshcache.v1.KeyList" as const, keys: readTexts(reader) });
    case 0x1a:
      return new Case("tags", { $typeName: "meshcache.v1.TagList" as const, tags: readTexts(reader) });
    case 0x22:
      return new Case("prefix", reader.string());
    case 0x28:
      return new Case("all", reader.bool());
    default:
      throw IRREGULAR;
  }
}

/** The only field of KeyList and of TagList. */
function readTexts(reader: WireReader): string[] {
  const texts = newArray<string>();
  const outerEnd = reader.enter();
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x0a) texts.push(reader.string());
    else reader.skip(tag, 1);
  }
  reader.leave(outerEnd);
  return texts;
}

export function writeInvalidateRequest(writer: WireWriter, request: InvalidateRequest): void {
  writer.uint64(7, request.sourceVersion);
  writer.uint32(6, request.mode);
  const { target } = request;
  if (target.case === "all") writer.presentBool(5, target.value);
  else if (target.case === "prefix") writer.presentString(4, target.value);
  else if (target.case === "tags") writeTexts(writer, 3, target.value.tags);
  else if (target.case === "keys") writeTexts(writer, 2, target.value.keys);
  writer.string(1, request.namespace);
}

function writeTexts(writer: WireWriter, field: number, texts: readonly string[]): void {
  const mark = writer.mark();
  for (let index = texts.length - 1; index >= 0; index--) writer.presentString(1, texts[index] ?? "");
  writer.message(field, mark);
}

export function readInvalidateResponse(reader: WireReader): InvalidateResponse {
  const response = new InvalidateResponseMessage(newArray(), 0n);
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x0a) response.stamps.push(readStamp(reader));
    else if (tag === 0x10) response.removed = reader.uint64();
    else reader.skip(tag, 2);
  }
  return response;
}

export function writeInvalidateResponse(writer: WireWriter, { stamps, removed }: InvalidateResponse): void {
  writer.uint64(2, removed);
  for (let index = stamps.length - 1; index >= 0; index--) writeStamp(writer, 1, stamps[index]);
}
