/**
 * The entry that a table returns: one object that is moved from entry to entry, and decodes a property when it is read.
 */
import type { NamespaceRecords, TableEntry } from "../../api/table.ts";
import {
  contentEncodingAt,
  contentTypeAt,
  keyAt,
  namespaceAt,
  sourceVersionAt,
  tagsAt,
} from "./entry-head.ts";
import {
  FLAG,
  freshUntilMsAt,
  hasFlag,
  recordAt,
  setAtMsAt,
  staleUntilMsAt,
  valueBytesAt,
  versionAt,
} from "./entry-header.ts";
import { readValue } from "./entry-value.ts";
import type { Memory } from "./memory.ts";
import type { SegmentPool } from "./segment-pool.ts";

export class EntryCursor implements TableEntry {
  /** The entry's word in the log; 0: none. */
  at = 0;
  readonly #memory: Memory;
  readonly #pool: SegmentPool;
  readonly #namespaces: NamespaceRecords;

  constructor(memory: Memory, pool: SegmentPool, namespaces: NamespaceRecords) {
    this.#memory = memory;
    this.#pool = pool;
    this.#namespaces = namespaces;
  }

  moveTo(at: number): this {
    this.at = at;
    return this;
  }

  get record(): number {
    return recordAt(this.#memory, this.at);
  }

  get namespace(): string {
    return this.#namespaces.nameOf(this.record) ?? namespaceAt(this.#memory, this.at);
  }

  get key(): string {
    return keyAt(this.#memory, this.at);
  }

  get value(): Uint8Array {
    return readValue(this.#memory, this.#pool, this.at, undefined);
  }

  get valueBytes(): number {
    return valueBytesAt(this.#memory, this.at);
  }

  get version(): number {
    return versionAt(this.#memory, this.at);
  }

  get sourceVersion(): bigint {
    return sourceVersionAt(this.#memory, this.at);
  }

  get freshUntilMs(): number {
    return freshUntilMsAt(this.#memory, this.at);
  }

  get staleUntilMs(): number {
    return staleUntilMsAt(this.#memory, this.at);
  }

  get setAtMs(): number {
    return setAtMsAt(this.#memory, this.at);
  }

  get staled(): boolean {
    return hasFlag(this.#memory, this.at, FLAG.staled);
  }

  get absent(): boolean {
    return hasFlag(this.#memory, this.at, FLAG.absent);
  }

  get tags(): readonly string[] {
    return tagsAt(this.#memory, this.at);
  }

  get contentType(): string {
    return contentTypeAt(this.#memory, this.at);
  }

  get contentEncoding(): string {
    return contentEncodingAt(this.#memory, this.at);
  }
}
