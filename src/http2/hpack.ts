/**
 * Header blocks (RFC 7541) without a dynamic table. The reader told its peer that the table has no room
 * (SETTINGS_HEADER_TABLE_SIZE), and the writer does not use one.
 */
import { Buffer } from "node:buffer";
import { decodeHuffman } from "./huffman.ts";
import { STATIC_TABLE } from "./static-table.ts";

export type Headers = Readonly<Record<string, string>>;
export type HeaderField = readonly [name: string, value: string];

/** As node:http2 takes them: an array of values stands for as many headers. */
type OutgoingHeaders = Readonly<Record<string, string | number | readonly string[] | undefined>>;

export interface HeaderLimits {
  /** The bytes of names and values, and 32 for each pair, as HTTP/2 counts a list of headers. */
  readonly maxBytes: number;
  readonly maxPairs: number;
}

const PAIR_BYTES = 32;

/** Integers are lengths and indices: a larger one is a fault. */
const INTEGER_MAX = 2 ** 21;
/** SETTINGS_HEADER_TABLE_SIZE that holds until the peer has read another. */
const INITIAL_TABLE_BYTES = 4_096;
/** A dynamic table size update to 0: a writer whose reader has lowered the size must confirm it (RFC 7541, section 4.2). */
const NO_TABLE = Buffer.of(0x20);

/** Names and values are ASCII. */
export function encodeHeaders(headers: OutgoingHeaders): Buffer {
  const literals: Buffer[] = [NO_TABLE];
  for (const [name, values] of Object.entries(headers)) {
    if (values === undefined) continue;
    for (const value of typeof values === "object" ? values : [values]) {
      // A literal without indexing, whose name is not in the table either.
      literals.push(Buffer.of(0), encodeText(name), encodeText(String(value)));
    }
  }
  return Buffer.concat(literals);
}

function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const length: number[] = [];
  if (bytes.length < 0x7f) length.push(bytes.length);
  else {
    length.push(0x7f);
    let rest = bytes.length - 0x7f;
    for (; rest >= 0x80; rest >>>= 7) length.push((rest & 0x7f) | 0x80);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** "malformed": also when the block refers to a dynamic table. "tooLarge": it exceeds the limits. */
export function decodeHeaders(
  block: Uint8Array,
  { maxBytes, maxPairs }: HeaderLimits,
): readonly HeaderField[] | "malformed" | "tooLarge" {
  const reader = new BlockReader(block);
  const fields: HeaderField[] = [];
  let bytes = 0;
  while (!reader.atEnd) {
    const field = reader.field();
    if (field === undefined) return "malformed";
    if (field === "tableSize") {
      if (fields.length > 0) return "malformed";
      continue;
    }
    const [name, value] = field;
    bytes += name.length + value.length + PAIR_BYTES;
    fields.push(field);
    if (bytes > maxBytes || fields.length > maxPairs) return "tooLarge";
  }
  return fields;
}

/** Joins the values of a repeated header as node:http2 does. */
export function toHeaders(fields: readonly HeaderField[]): Headers {
  const headers: Record<string, string> = Object.create(null);
  for (const [name, value] of fields) {
    const former = headers[name];
    headers[name] = former === undefined ? value : `${former}, ${value}`;
  }
  return headers;
}

class BlockReader {
  readonly #block: Uint8Array;
  #at = 0;

  constructor(block: Uint8Array) {
    this.#block = block;
  }

  get atEnd(): boolean {
    return this.#at >= this.#block.length;
  }

  field(): HeaderField | "tableSize" | undefined {
    const first = this.#block[this.#at] ?? 0;
    if (first >= 0x80) return this.#indexed();
    if (first >= 0x40) return this.#literal(0x3f);
    if (first >= 0x20) return this.#tableSize();
    return this.#literal(0x0f);
  }

  /** The table stays empty, whatever its size: only what is read as an index into it is an error. */
  #tableSize(): "tableSize" | undefined {
    const bytes = this.#integer(0x1f);
    return bytes !== undefined && bytes <= INITIAL_TABLE_BYTES ? "tableSize" : undefined;
  }

  #indexed(): HeaderField | undefined {
    const index = this.#integer(0x7f);
    return index === undefined ? undefined : STATIC_TABLE[index - 1];
  }

  #literal(indexMask: number): HeaderField | undefined {
    const index = this.#integer(indexMask);
    if (index === undefined) return undefined;
    const name = index === 0 ? this.#text() : STATIC_TABLE[index - 1]?.[0];
    const value = this.#text();
    return name === undefined || value === undefined ? undefined : [name, value];
  }

  /** `mask`: the bits of the first byte that belong to the integer. All ones: more bytes follow. */
  #integer(mask: number): number | undefined {
    let value = (this.#block[this.#at++] ?? 0) & mask;
    if (value < mask) return value;
    for (let scale = 1; value < INTEGER_MAX; scale *= 0x80) {
      const byte = this.#block[this.#at++];
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    return undefined;
  }

  #text(): string | undefined {
    const isCoded = (this.#block[this.#at] ?? 0) >= 0x80;
    const length = this.#integer(0x7f);
    if (length === undefined || this.#at + length > this.#block.length) return undefined;
    const bytes = this.#block.subarray(this.#at, this.#at + length);
    this.#at += length;
    return isCoded ? decodeHuffman(bytes) : Buffer.from(bytes).toString("latin1");
  }
}
