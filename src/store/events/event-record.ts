/**
 * An event as bytes: one byte of kind, target and revision step, the numbers of namespace and origin, and the name with
 * its length. Then what most events do not have: a large step, a namespace or origin without a number, the traceparent.
 *
 * Text is UTF-8. A lone surrogate, which no request can contain, becomes U+FFFD.
 */

import { Buffer } from "node:buffer";
import { UTF8_MAX_BYTES_PER_UNIT } from "../../common/utf8.ts";
import type { EventKind, EventTarget, StoreEvent } from "../api/store.ts";
import type { StringTable } from "./string-table.ts";

const KINDS: readonly EventKind[] = ["set", "invalidated", "staled", "touched"];
const TARGETS: readonly EventTarget[] = ["key", "tag", "prefix", "all"];
const KIND_BITS: Record<EventKind, number> = { set: 0, invalidated: 1, staled: 2, touched: 3 };
const TARGET_BITS: Record<EventTarget, number> = { key: 0, tag: 1, prefix: 2, all: 3 };

/** The first byte: two bits of kind, two of target, two of step, and whether there is a traceparent. */
const TWO_BITS = 3;
const TARGET_SHIFT = 2;
const STEP_SHIFT = 4;
const TRACEPARENT_FLAG = 0x40;
/** A step of this size or more is written behind the name, as a number. */
const LARGE_STEP = 2;

const FIXED_BYTES = 3;
/** A number below 2^53 has seven bits in each byte. */
const NUMBER_MAX_BYTES = 8;

/** The namespaces and origins of a log. */
interface LogNames {
  readonly namespaces: StringTable;
  readonly origins: StringTable;
}

/** An event to write, with what the log adds to it. */
export interface RecordSource {
  readonly event: StoreEvent;
  /** The difference to the revision of the event before. */
  readonly step: number;
  /** 0: the record contains the name itself. */
  readonly namespaceId: number;
  readonly originId: number;
}

/** An upper bound of `recordBytes` that needs no pass over the text. */
export function recordMaxBytes({ namespace, name, origin, traceparent }: StoreEvent): number {
  const units = namespace.length + name.length + origin.length + traceparent.length;
  return FIXED_BYTES + 5 * NUMBER_MAX_BYTES + units * UTF8_MAX_BYTES_PER_UNIT;
}

export function recordBytes({ event, step, namespaceId, originId }: RecordSource): number {
  let bytes = FIXED_BYTES + sizedTextBytes(event.name);
  if (step >= LARGE_STEP) bytes += numberBytes(step);
  if (namespaceId === 0) bytes += sizedTextBytes(event.namespace);
  if (originId === 0) bytes += sizedTextBytes(event.origin);
  if (event.traceparent !== "") bytes += sizedTextBytes(event.traceparent);
  return bytes;
}

/** Returns where the record ends. */
export function writeRecord(into: Buffer, begin: number, source: RecordSource): number {
  const { event, step, namespaceId, originId } = source;
  const { kind, target, traceparent } = event;
  into[begin] =
    KIND_BITS[kind] |
    (TARGET_BITS[target] << TARGET_SHIFT) |
    (Math.min(step, LARGE_STEP) << STEP_SHIFT) |
    (traceparent === "" ? 0 : TRACEPARENT_FLAG);
  into[begin + 1] = namespaceId;
  into[begin + 2] = originId;
  let at = writeSizedText(into, begin + FIXED_BYTES, event.name);
  if (step >= LARGE_STEP) at = writeNumber(into, at, step);
  if (namespaceId === 0) at = writeSizedText(into, at, event.namespace);
  if (originId === 0) at = writeSizedText(into, at, event.origin);
  return traceparent === "" ? at : writeSizedText(into, at, traceparent);
}

/** Reads one record at a time. Text is decoded only by `toEvent`. */
export class RecordReader {
  namespaceId = 0;
  originId = 0;
  step = 0;
  #source: Buffer | undefined;
  #begin = 0;
  #end = 0;
  /** Where the next read begins. */
  #at = 0;

  /** The size of the record. */
  get bytes(): number {
    return this.#end - this.#begin;
  }

  moveTo(bytes: Buffer, begin: number): void {
    const head = bytes[begin] ?? 0;
    this.#source = bytes;
    this.#begin = begin;
    this.namespaceId = bytes[begin + 1] ?? 0;
    this.originId = bytes[begin + 2] ?? 0;
    this.#at = begin + FIXED_BYTES;
    this.#skipText(bytes);
    this.step = (head >> STEP_SHIFT) & TWO_BITS;
    if (this.step === LARGE_STEP) this.step = this.#number(bytes);
    if (this.namespaceId === 0) this.#skipText(bytes);
    if (this.originId === 0) this.#skipText(bytes);
    if ((head & TRACEPARENT_FLAG) !== 0) this.#skipText(bytes);
    this.#end = this.#at;
  }

  toEvent(shard: number, revision: number, names: LogNames): StoreEvent {
    const bytes = this.#source;
    if (bytes === undefined) throw new Error("the reader has no record");
    const head = bytes[this.#begin] ?? 0;
    this.#at = this.#begin + FIXED_BYTES;
    const name = this.#text(bytes);
    if (this.step >= LARGE_STEP) this.#number(bytes);
    const namespace = this.namespaceId === 0 ? this.#text(bytes) : names.namespaces.nameOf(this.namespaceId);
    const origin = this.originId === 0 ? this.#text(bytes) : names.origins.nameOf(this.originId);
    const traceparent = (head & TRACEPARENT_FLAG) === 0 ? "" : this.#text(bytes);
    const kind = KINDS[head & TWO_BITS] ?? "set";
    const target = TARGETS[(head >> TARGET_SHIFT) & TWO_BITS] ?? "key";
    return { shard, revision, kind, namespace, target, name, origin, traceparent };
  }

  #number(bytes: Buffer): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  #skipText(bytes: Buffer): void {
    const length = this.#number(bytes);
    this.#at += length;
  }

  #text(bytes: Buffer): string {
    const length = this.#number(bytes);
    const begin = this.#at;
    this.#at += length;
    return bytes.toString("utf8", begin, this.#at);
  }
}

function sizedTextBytes(text: string): number {
  const bytes = Buffer.byteLength(text);
  return numberBytes(bytes) + bytes;
}

/** Returns where the text ends. Most text is short ASCII, for which a loop is faster than a native call. */
function writeSizedText(into: Buffer, begin: number, text: string): number {
  const textBegin = writeNumber(into, begin, text.length);
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x80) return writeSizedUnicode(into, begin, text);
    into[textBegin + index] = unit;
  }
  return textBegin + text.length;
}

function writeSizedUnicode(into: Buffer, begin: number, text: string): number {
  const textBegin = writeNumber(into, begin, Buffer.byteLength(text));
  return textBegin + into.write(text, textBegin);
}

function numberBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

/** Returns where it ends. */
function writeNumber(into: Buffer, begin: number, value: number): number {
  let at = begin;
  let rest = value;
  while (rest >= 0x80) {
    into[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  into[at++] = rest;
  return at;
}
