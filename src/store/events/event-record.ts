/**
 * An event as bytes: a byte of kind, target and revision step, the numbers of its namespace and origin, the
 * sized name, and then what most events lack: a larger step, a namespace or origin without a number, the traceparent.
 *
 * Text is UTF-8. A lone surrogate, which never comes off the wire, is kept as U+FFFD.
 */
import { Buffer } from "node:buffer";
import type { EventKind, EventTarget, StoreEvent } from "../api/store.ts";
import type { StringTable } from "./string-table.ts";

const kinds: readonly EventKind[] = ["set", "invalidated", "staled", "touched"];
const targets: readonly EventTarget[] = ["key", "tag", "prefix", "all"];
const kindBits: Record<EventKind, number> = { set: 0, invalidated: 1, staled: 2, touched: 3 };
const targetBits: Record<EventTarget, number> = { key: 0, tag: 1, prefix: 2, all: 3 };

/** The first byte: two bits of kind, two of target, two of step, and whether there is a traceparent. */
const twoBits = 3;
const targetShift = 2;
const stepShift = 4;
const traceparentFlag = 0x40;
/** A step of the revision from here on follows as a number of its own. */
const largeStep = 2;

const fixedBytes = 3;
const bytesPerUnitMax = 3;
/** Of a number below 2^53, seven bits a byte. */
const numberMaxBytes = 8;

/** The namespaces and origins of a log. */
export interface LogNames {
  readonly namespaces: StringTable;
  readonly origins: StringTable;
}

/** An event to write, with what the log knows of it. */
export interface RecordSource {
  readonly event: StoreEvent;
  /** From the revision of the event before. */
  readonly step: number;
  /** 0: the name itself goes into the record. */
  readonly namespaceId: number;
  readonly originId: number;
}

/** At least as many bytes as the record takes, without looking at the text. */
export function recordMaxBytes({ namespace, name, origin, traceparent }: StoreEvent): number {
  const units = namespace.length + name.length + origin.length + traceparent.length;
  return fixedBytes + 5 * numberMaxBytes + units * bytesPerUnitMax;
}

export function recordBytes({ event, step, namespaceId, originId }: RecordSource): number {
  let bytes = fixedBytes + sizedTextBytes(event.name);
  if (step >= largeStep) bytes += numberBytes(step);
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
    kindBits[kind] |
    (targetBits[target] << targetShift) |
    (Math.min(step, largeStep) << stepShift) |
    (traceparent === "" ? 0 : traceparentFlag);
  into[begin + 1] = namespaceId;
  into[begin + 2] = originId;
  let at = writeSizedText(into, begin + fixedBytes, event.name);
  if (step >= largeStep) at = writeNumber(into, at, step);
  if (namespaceId === 0) at = writeSizedText(into, at, event.namespace);
  if (originId === 0) at = writeSizedText(into, at, event.origin);
  return traceparent === "" ? at : writeSizedText(into, at, traceparent);
}

/** Stands on one record at a time and tells what is in it; text is decoded only for `toEvent`. */
export class RecordReader {
  namespaceId = 0;
  originId = 0;
  step = 0;
  #source: Buffer | undefined;
  #begin = 0;
  #end = 0;
  /** The end of what was read last. */
  #at = 0;

  /** What the record takes. */
  get bytes(): number {
    return this.#end - this.#begin;
  }

  moveTo(bytes: Buffer, begin: number): void {
    const head = bytes[begin] ?? 0;
    this.#source = bytes;
    this.#begin = begin;
    this.namespaceId = bytes[begin + 1] ?? 0;
    this.originId = bytes[begin + 2] ?? 0;
    this.#at = begin + fixedBytes;
    this.#skipText(bytes);
    this.step = (head >> stepShift) & twoBits;
    if (this.step === largeStep) this.step = this.#number(bytes);
    if (this.namespaceId === 0) this.#skipText(bytes);
    if (this.originId === 0) this.#skipText(bytes);
    if ((head & traceparentFlag) !== 0) this.#skipText(bytes);
    this.#end = this.#at;
  }

  toEvent(shard: number, revision: number, names: LogNames): StoreEvent {
    const bytes = this.#source;
    if (bytes === undefined) throw new Error("the reader stands on no record");
    const head = bytes[this.#begin] ?? 0;
    this.#at = this.#begin + fixedBytes;
    const name = this.#text(bytes);
    if (this.step >= largeStep) this.#number(bytes);
    const namespace = this.namespaceId === 0 ? this.#text(bytes) : names.namespaces.nameOf(this.namespaceId);
    const origin = this.originId === 0 ? this.#text(bytes) : names.origins.nameOf(this.originId);
    const traceparent = (head & traceparentFlag) === 0 ? "" : this.#text(bytes);
    const kind = kinds[head & twoBits] ?? "set";
    const target = targets[(head >> targetShift) & twoBits] ?? "key";
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

/** Returns where it ends. Short ASCII, which most text here is, is not worth a call out of JavaScript. */
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
