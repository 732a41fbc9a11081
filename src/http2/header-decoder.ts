/** Reads the header blocks of a connection (RFC 7541), in their order, with the dynamic table of its peer. */
import { BlockReader } from "./block-reader.ts";
import { countedBytes, DynamicTable } from "./dynamic-table.ts";
import type { HeaderField, HeaderLimits } from "./hpack.ts";
import { STATIC_TABLE } from "./static-table.ts";

/** SETTINGS_HEADER_TABLE_SIZE that holds until the peer has read another. */
export const INITIAL_TABLE_BYTES = 4_096;
/** At the beginning of a block (RFC 7541, section 4.2): the least of the sizes since the last block, and the last one. */
const SIZE_UPDATES_MAX = 2;

export class HeaderDecoder {
  readonly #limits: HeaderLimits;
  readonly #tableMaxBytes: number;
  readonly #table: DynamicTable;

  /**
   * `tableMaxBytes`: 4,096, which holds on a connection without SETTINGS_HEADER_TABLE_SIZE; 0 where this side announces 0.
   * A table of 0 stays empty whatever its peer says of its size, since that may not have read the settings yet: only what
   * is read as an index into it is an error.
   */
  constructor(limits: HeaderLimits, tableMaxBytes: number) {
    this.#limits = limits;
    this.#tableMaxBytes = tableMaxBytes;
    this.#table = new DynamicTable(tableMaxBytes);
  }

  /**
   * "malformed": no further block can be read, for the tables of the two sides differ. "tooLarge": the block exceeds the
   * limits; it was read to its end, and the next one can be read.
   */
  decode(block: Uint8Array): readonly HeaderField[] | "malformed" | "tooLarge" {
    const { maxBytes, maxPairs } = this.#limits;
    const reader = new BlockReader(block);
    const fields: HeaderField[] = [];
    let bytes = 0;
    let isTooLarge = false;
    let updatesLeft = SIZE_UPDATES_MAX;
    while (!reader.atEnd) {
      if (isSizeUpdate(reader.next)) {
        if (updatesLeft === 0 || !this.#updateSize(reader)) return "malformed";
        updatesLeft -= 1;
        continue;
      }
      updatesLeft = 0;
      const field = this.#field(reader);
      if (field === undefined) return "malformed";
      bytes += countedBytes(field);
      isTooLarge ||= bytes > maxBytes || fields.length === maxPairs;
      if (!isTooLarge) fields.push(field);
    }
    return isTooLarge ? "tooLarge" : fields;
  }

  /** False: the size is larger than it may be. */
  #updateSize(reader: BlockReader): boolean {
    const bytes = reader.integer(0x1f);
    const most = this.#tableMaxBytes === 0 ? INITIAL_TABLE_BYTES : this.#tableMaxBytes;
    if (bytes === undefined || bytes > most) return false;
    this.#table.resize(Math.min(bytes, this.#tableMaxBytes));
    return true;
  }

  #field(reader: BlockReader): HeaderField | undefined {
    const first = reader.next;
    if (first >= 0x80) return this.#indexed(reader.integer(0x7f));
    if (first < 0x40) return this.#literal(reader, 0x0f);
    const field = this.#literal(reader, 0x3f);
    if (field !== undefined) this.#table.add(field);
    return field;
  }

  #indexed(index: number | undefined): HeaderField | undefined {
    if (index === undefined) return undefined;
    return index <= STATIC_TABLE.length
      ? STATIC_TABLE[index - 1]
      : this.#table.at(index - STATIC_TABLE.length - 1);
  }

  /** Of any kind: whether a field is never to be indexed matters to who sends it on. */
  #literal(reader: BlockReader, indexMask: number): HeaderField | undefined {
    const index = reader.integer(indexMask);
    const name = index === 0 ? reader.text() : this.#indexed(index)?.[0];
    if (name === undefined) return undefined;
    const value = reader.text();
    return value === undefined ? undefined : [name, value];
  }
}

function isSizeUpdate(first: number): boolean {
  return first >= 0x20 && first < 0x40;
}
