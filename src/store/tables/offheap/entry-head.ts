/**
 * The variable part of an entry's head: namespace, key, source version and labels as bytes. The labels are the content
 * type, the content encoding if there is one, and the tags, each behind its length; the length of all is before them.
 *
 * Text is UTF-8. A lone surrogate, which no request can contain, becomes U+FFFD.
 */
import { UTF8_MAX_BYTES_PER_UNIT, writeText } from "../../../common/utf8.ts";
import type { NewTableEntry } from "../../api/table.ts";
import {
  FLAG,
  HEADER_BYTES,
  KEY_MAX_BYTES,
  keyBytesAt,
  NAMESPACE_MAX_BYTES,
  namespaceBytesAt,
  SOURCE_VERSION_BYTES,
  setUint16At,
  uint16At,
} from "./entry-header.ts";
import type { Memory } from "./memory.ts";

const NO_TAGS: readonly string[] = [];
const LABELS_MAX_BYTES = 0xffff;
/** In the length of the content type: the content encoding comes next. Most entries have none, and no byte for it. */
const HAS_ENCODING = 0x8000;
const CONTENT_TYPE_MAX_BYTES = HAS_ENCODING - 1;

/** The bytes of an entry beside its value, with texts of so many bytes: namespace, key, content type, and each tag. */
export function headBytes([namespace = 0, key = 0, ...labels]: readonly number[]): number {
  const labelsBytes = labels.reduce((sum, bytes) => sum + 2 + bytes, 2);
  return HEADER_BYTES + namespace + key + SOURCE_VERSION_BYTES + labelsBytes;
}

/** Encodes one head at a time, before its place in the log is known. */
export class HeadEncoder {
  /** The bytes after the header, up to `length`. */
  scratch = Buffer.alloc(4_096);
  length = 0;
  namespaceBytes = 0;
  keyBytes = 0;
  /** They are the last ones. */
  labelsBytes = 0;
  flags = 0;

  get headBytes(): number {
    return HEADER_BYTES + this.length;
  }

  /** `keepsNamespace`: its record is shared. False when a part is longer than the format allows. */
  encode(entry: NewTableEntry, keepsNamespace: boolean): boolean {
    this.#reserve(entry);
    this.length = 0;
    this.flags = entry.absent ? FLAG.absent : 0;
    this.namespaceBytes = keepsNamespace ? this.#text(entry.namespace) : 0;
    this.keyBytes = this.#text(entry.key);
    if (entry.sourceVersion !== 0n) {
      this.flags |= FLAG.sourceVersion;
      this.length = this.scratch.writeBigUInt64LE(entry.sourceVersion, this.length);
    }
    this.labelsBytes = this.#labels(entry);
    return (
      this.namespaceBytes <= NAMESPACE_MAX_BYTES &&
      this.keyBytes <= KEY_MAX_BYTES &&
      this.labelsBytes <= LABELS_MAX_BYTES
    );
  }

  /** Writes the encoded bytes behind the header at `at`. */
  writeTo(memory: Memory, at: number): void {
    this.scratch.copy(memory.bytes, at * 4 + HEADER_BYTES, 0, this.length);
  }

  /** The entry at `at` has the encoded labels. */
  hasLabelsOf(memory: Memory, at: number): boolean {
    const { bytes } = memory;
    const labels = labelsByteOf(memory, at);
    const length = labels === 0 ? 0 : uint16At(bytes, labels);
    if (length !== this.labelsBytes) return false;
    const begin = this.length - length;
    for (let byte = 0; byte < length; byte++) {
      if (bytes[labels + byte] !== this.scratch[begin + byte]) return false;
    }
    return true;
  }

  #labels(entry: NewTableEntry): number {
    if (entry.tags.length === 0 && entry.contentType === "" && entry.contentEncoding === "") return 0;
    this.flags |= FLAG.labels;
    const begin = this.length;
    this.length += 2;
    const typeBytes = this.#sizedText(entry.contentType);
    if (typeBytes > CONTENT_TYPE_MAX_BYTES) return LABELS_MAX_BYTES + 1;
    if (entry.contentEncoding !== "") {
      setUint16At(this.scratch, begin + 2, typeBytes | HAS_ENCODING);
      this.#sizedText(entry.contentEncoding);
    }
    for (const tag of entry.tags) this.#sizedText(tag);
    const bytes = this.length - begin;
    if (bytes <= LABELS_MAX_BYTES) setUint16At(this.scratch, begin, bytes);
    return bytes;
  }

  #sizedText(text: string): number {
    const begin = this.length;
    this.length += 2;
    const bytes = this.#text(text);
    setUint16At(this.scratch, begin, bytes);
    return bytes;
  }

  #text(text: string): number {
    const begin = this.length;
    this.length = writeText(this.scratch, begin, text);
    return this.length - begin;
  }

  #reserve(entry: NewTableEntry): void {
    let units = entry.namespace.length + entry.key.length;
    units += entry.contentType.length + entry.contentEncoding.length;
    for (const tag of entry.tags) units += tag.length + 1;
    const bytes = units * UTF8_MAX_BYTES_PER_UNIT + 64;
    if (bytes > this.scratch.length) this.scratch = Buffer.alloc(bytes * 2);
  }
}

/** Of an entry whose record is shared. */
export function namespaceAt(memory: Memory, at: number): string {
  const begin = at * 4 + HEADER_BYTES;
  return memory.bytes.toString("utf8", begin, begin + namespaceBytesAt(memory, at));
}

export function keyAt(memory: Memory, at: number): string {
  const begin = keyByteOf(memory, at);
  return memory.bytes.toString("utf8", begin, begin + keyBytesAt(memory, at));
}

export function sourceVersionAt(memory: Memory, at: number): bigint {
  if ((memory.word(at + 1) & FLAG.sourceVersion) === 0) return 0n;
  return memory.bytes.readBigUInt64LE(keyByteOf(memory, at) + keyBytesAt(memory, at));
}

/** The content type decoded last. The next entry nearly always has the same one. */
let recentContentType = "";

export function contentTypeAt(memory: Memory, at: number): string {
  const labels = labelsByteOf(memory, at);
  if (labels === 0) return "";
  const begin = labels + 4;
  const length = uint16At(memory.bytes, labels + 2) & CONTENT_TYPE_MAX_BYTES;
  if (!isTextAt(memory, begin, length, recentContentType)) {
    recentContentType = memory.bytes.toString("utf8", begin, begin + length);
  }
  return recentContentType;
}

/** The content encoding decoded last. Those of one namespace nearly always are the same. */
let recentContentEncoding = "";

export function contentEncodingAt(memory: Memory, at: number): string {
  const labels = labelsByteOf(memory, at);
  if (labels === 0) return "";
  const sized = uint16At(memory.bytes, labels + 2);
  if ((sized & HAS_ENCODING) === 0) return "";
  const byte = labels + 4 + (sized & CONTENT_TYPE_MAX_BYTES);
  if (!isTextAt(memory, byte + 2, uint16At(memory.bytes, byte), recentContentEncoding)) {
    recentContentEncoding = sizedTextAt(memory, byte);
  }
  return recentContentEncoding;
}

export function tagsAt(memory: Memory, at: number): readonly string[] {
  const labels = labelsByteOf(memory, at);
  if (labels === 0) return NO_TAGS;
  const end = labels + uint16At(memory.bytes, labels);
  const tags: string[] = [];
  let byte = tagsByteOf(memory.bytes, labels);
  while (byte < end) {
    tags.push(sizedTextAt(memory, byte));
    byte += 2 + uint16At(memory.bytes, byte);
  }
  return tags;
}

/** The entry has this key, and this namespace: `undefined` for one that has a record to itself. */
export function isKeyAt(memory: Memory, at: number, namespace: string | undefined, key: string): boolean {
  const begin = at * 4 + HEADER_BYTES;
  const keyBegin = begin + namespaceBytesAt(memory, at);
  return (
    isTextAt(memory, keyBegin, keyBytesAt(memory, at), key) &&
    (namespace === undefined || isTextAt(memory, begin, namespaceBytesAt(memory, at), namespace))
  );
}

function isTextAt(memory: Memory, begin: number, length: number, text: string): boolean {
  // UTF-8 has at least as many bytes as UTF-16 has units.
  if (length < text.length) return false;
  const kept = memory.bytes;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x80) {
      const rest = Buffer.from(text.slice(index));
      return length === index + rest.length && rest.compare(kept, begin + index, begin + length) === 0;
    }
    if (kept[begin + index] !== unit) return false;
  }
  return length === text.length;
}

function keyByteOf(memory: Memory, at: number): number {
  return at * 4 + HEADER_BYTES + namespaceBytesAt(memory, at);
}

/** 0: the entry has no labels. */
export function labelsByteOf(memory: Memory, at: number): number {
  const word = memory.word(at + 1);
  if ((word & FLAG.labels) === 0) return 0;
  const begin = keyByteOf(memory, at) + keyBytesAt(memory, at);
  return (word & FLAG.sourceVersion) === 0 ? begin : begin + SOURCE_VERSION_BYTES;
}

/** Where the tags begin, of an entry whose labels begin at `labels`. */
export function tagsByteOf(bytes: Uint8Array, labels: number): number {
  const sized = uint16At(bytes, labels + 2);
  const byte = labels + 4 + (sized & CONTENT_TYPE_MAX_BYTES);
  return (sized & HAS_ENCODING) === 0 ? byte : byte + 2 + uint16At(bytes, byte);
}

function sizedTextAt(memory: Memory, byte: number): string {
  const begin = byte + 2;
  return memory.bytes.toString("utf8", begin, begin + uint16At(memory.bytes, byte));
}
