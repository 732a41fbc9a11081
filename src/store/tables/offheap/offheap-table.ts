/**
 * A table with all entries in one `SharedArrayBuffer`, outside the garbage-collected heap.
 *
 * Goals: an exact byte budget that includes the index; no object for each entry, so that the garbage collector has
 * nothing to mark; no pause that grows with the number of entries; all state in the buffer. Non-goals: buffers beyond 2
 * GiB (use more shards) and locks (the owner of the buffer has them).
 *
 * The log of entries (log-ring.ts), its index (key-index.ts) and eviction (eviction.ts) share the buffer by segments
 * (segment-pool.ts, geometry.ts).
 */
import type {
  Evicted,
  NamespaceRecords,
  NewTableEntry,
  Table,
  TableEntry,
  TableOptions,
  Visit,
} from "../../api/table.ts";
import type { ValueMemory } from "../../api/value-arena.ts";
import { chargeAt, chargeTagsAt } from "./entry-charge.ts";
import { EntryCursor } from "./entry-cursor.ts";
import { HeadEncoder, isKeyAt } from "./entry-head.ts";
import {
  entryBytes,
  entryBytesAt,
  FLAG,
  type HeaderFields,
  hasFlag,
  recordAt,
  SLOT_BYTES,
  setFlag,
  setUses,
  USES_MAX,
  usesAt,
  VALUE_MAX_BYTES,
  withUses,
  writeHeader,
  writeLifetimes,
} from "./entry-header.ts";
import { overwriteValue, readValue } from "./entry-value.ts";
import { Eviction } from "./eviction.ts";
import { resolveGeometry } from "./geometry.ts";
import { Ghosts } from "./ghosts.ts";
import { FIRST_POSITION, scanIndex } from "./index-scan.ts";
import { KeyIndex, mixHash } from "./key-index.ts";
import { LogRing } from "./log-ring.ts";
import { CONTROL, Memory } from "./memory.ts";
import { MOVE_SEGMENTS, SegmentPool } from "./segment-pool.ts";

/** An entry that returns soon after its eviction goes into the main ring and counts as used: measured to be better. */
const RETURNED_FLAGS = withUses(FLAG.mainRing, 1);
/** For a new chunk of the index, since a put may split one. */
const CHUNK_SEGMENTS = 1;

/** The memory of an empty table. Throws FIELD_INVALID for a budget out of bounds: 64 KiB to 2 GiB a shard. */
export function createTableBuffer(budgetBytes: number): SharedArrayBuffer {
  const geometry = resolveGeometry(budgetBytes);
  const memory = new Memory(new SharedArrayBuffer(geometry.bufferBytes));
  new KeyIndex(memory, new SegmentPool(memory, geometry)).initialize();
  return memory.buffer;
}

/** A table over a buffer of its own, or over `buffer`, which other threads may share. Throws as `createTableBuffer`. */
export function createOffheapTable(
  options: TableOptions,
  buffer = createTableBuffer(options.budgetBytes),
): OffheapTable {
  return new OffheapTable(options, buffer);
}

export class OffheapTable implements Table {
  readonly budgetBytes: number;
  readonly memory: Memory;
  readonly pool: SegmentPool;
  readonly small: LogRing;
  readonly main: LogRing;
  readonly #evicted: Evicted;
  readonly #namespaces: NamespaceRecords;
  readonly #index: KeyIndex;
  readonly #eviction: Eviction;
  readonly #head = new HeadEncoder();
  readonly #found: EntryCursor;
  readonly #scanned: EntryCursor;
  readonly #leaving: EntryCursor;

  constructor(options: TableOptions, buffer: SharedArrayBuffer) {
    const geometry = resolveGeometry(options.budgetBytes);
    this.budgetBytes = options.budgetBytes;
    this.#evicted = options.evicted;
    const { namespaces } = options;
    this.#namespaces = namespaces;
    this.memory = new Memory(buffer);
    this.pool = new SegmentPool(this.memory, geometry);
    this.small = new LogRing(this.memory, this.pool, CONTROL.smallRing);
    this.main = new LogRing(this.memory, this.pool, CONTROL.mainRing);
    this.#index = new KeyIndex(this.memory, this.pool);
    this.#found = new EntryCursor(this.memory, this.pool, namespaces);
    this.#scanned = new EntryCursor(this.memory, this.pool, namespaces);
    this.#leaving = new EntryCursor(this.memory, this.pool, namespaces);
    this.#eviction = new Eviction({
      memory: this.memory,
      pool: this.pool,
      index: this.#index,
      ghosts: new Ghosts(this.memory, geometry),
      small: this.small,
      main: this.main,
      namespaces,
      evicted: (at) => this.#evicted(this.#leaving.moveTo(at)),
    });
  }

  get bytes(): number {
    return this.small.liveBytes + this.main.liveBytes + this.entryCount * SLOT_BYTES;
  }

  get entryCount(): number {
    return this.memory.word(CONTROL.entries);
  }

  find(record: number, namespace: string, key: string, hash: number): TableEntry | undefined {
    const at = this.#lookUp(record, namespace, key, mixHash(hash));
    return at === 0 ? undefined : this.#use(at);
  }

  peek(record: number, namespace: string, key: string, hash: number): TableEntry | undefined {
    const at = this.#lookUp(record, namespace, key, mixHash(hash));
    return at === 0 ? undefined : new EntryCursor(this.memory, this.pool, this.#namespaces).moveTo(at);
  }

  put(entry: NewTableEntry, hash: number): void {
    const mixed = mixHash(hash);
    const former = this.#lookUp(entry.record, entry.namespace, entry.key, mixed);
    const head = this.#head;
    const valueBytes = entry.value.length;
    if (
      !head.encode(entry, this.#namespaces.isShared(entry.record)) ||
      !this.#couldFit(head.headBytes, valueBytes)
    ) {
      if (former !== 0) this.#markDead(former);
      this.#refuse(entry);
      return;
    }
    if (former !== 0 && this.#fitsInPlaceOf(former, head.headBytes, valueBytes)) {
      const hasSameTags = head.hasLabelsOf(this.memory, former);
      if (!hasSameTags) chargeTagsAt(this.memory, former, this.#namespaces, -1);
      this.#write(former, entry, mixed, this.#inheritedFlags(former));
      if (!hasSameTags) chargeTagsAt(this.memory, former, this.#namespaces, 1);
      overwriteValue(this.memory, this.pool, former, entry.value);
      return;
    }

    let flags = 0;
    if (former !== 0) {
      flags = this.#inheritedFlags(former);
      this.#markDead(former);
    } else if (this.#eviction.hasReturned(mixed)) {
      flags = RETURNED_FLAGS;
    }
    const spare = this.#segmentsFor(head.headBytes + valueBytes) + MOVE_SEGMENTS + CHUNK_SEGMENTS;
    if (!this.#eviction.makeRoom(spare, entry.record) || !this.#index.admit(mixed)) {
      this.#refuse(entry);
      return;
    }
    const ring = this.#ringOf(flags);
    const at = ring.beginEntry(head.headBytes);
    this.#write(at, entry, mixed, flags);
    chargeAt(this.memory, at, this.#namespaces, 1);
    ring.append(entry.value, 0, valueBytes);
    ring.endEntry();
    ring.addLive(entryBytes(head.headBytes, valueBytes));
    this.#index.insert(mixed, at);
    this.memory.addToWord(CONTROL.entries, 1);
  }

  valueIn(entry: TableEntry, arena: ValueMemory): Uint8Array {
    return readValue(this.memory, this.pool, this.#wordOf(entry), arena);
  }

  remove(entry: TableEntry): void {
    this.#markDead(this.#wordOf(entry));
  }

  setLifetimes(entry: TableEntry, freshUntilMs: number, staleUntilMs: number): void {
    writeLifetimes(this.memory, this.#wordOf(entry), freshUntilMs, staleUntilMs);
  }

  markStaled(entry: TableEntry): void {
    setFlag(this.memory, this.#wordOf(entry), FLAG.staled);
  }

  scanStart(): number {
    return this.entryCount === 0 ? 0 : FIRST_POSITION;
  }

  scan(position: number, maxEntries: number, visit: Visit): number {
    return scanIndex(this.#index, position, maxEntries, (at) => this.#visit(at, visit));
  }

  #visit(at: number, visit: Visit): void {
    const verdict = visit(this.#scanned.moveTo(at));
    if (verdict === "remove") this.#markDead(at);
    else if (verdict === "markStaled") setFlag(this.memory, at, FLAG.staled);
  }

  /** The word of the key's entry; 0: there is none. */
  #lookUp(record: number, namespace: string, key: string, mixed: number): number {
    const { memory } = this;
    const name = this.#namespaces.isShared(record) ? namespace : undefined;
    let slot = this.#index.first(mixed);
    while (slot !== 0) {
      const at = this.#index.entryOf(slot);
      if (recordAt(memory, at) === record && isKeyAt(memory, at, name, key)) return at;
      slot = this.#index.next(slot, mixed);
    }
    return 0;
  }

  #use(at: number): TableEntry {
    const uses = usesAt(this.memory, at);
    if (uses < USES_MAX) setUses(this.memory, at, uses + 1);
    return this.#found.moveTo(at);
  }

  #wordOf(entry: TableEntry): number {
    if (entry !== this.#found || hasFlag(this.memory, this.#found.at, FLAG.dead)) {
      throw new Error("the entry is not the one that `find` returned last");
    }
    return this.#found.at;
  }

  /** Removes an entry from the index. Its bytes stay in the log until the tail reaches them. */
  #markDead(at: number): void {
    const bytes = entryBytesAt(this.memory, at);
    this.#index.remove(this.#index.slotOf(this.memory.word(at), at));
    this.#ringOf(this.memory.word(at + 1)).markDead(bytes);
    setFlag(this.memory, at, FLAG.dead);
    this.memory.addToWord(CONTROL.entries, -1);
    chargeAt(this.memory, at, this.#namespaces, -1);
  }

  #ringOf(flags: number): LogRing {
    return (flags & FLAG.mainRing) === 0 ? this.small : this.main;
  }

  /** A Set counts as a use: an entry that is set again and again is kept. */
  #inheritedFlags(at: number): number {
    const uses = Math.min(USES_MAX, usesAt(this.memory, at) + 1);
    return withUses(this.memory.word(at + 1) & FLAG.mainRing, uses);
  }

  #write(at: number, entry: NewTableEntry, mixed: number, flags: number): void {
    const head = this.#head;
    const fields: HeaderFields = {
      record: entry.record,
      hash: mixed,
      keyBytes: head.keyBytes,
      namespaceBytes: head.namespaceBytes,
      valueBytes: entry.value.length,
      flags: flags | head.flags,
      version: entry.version,
      freshUntilMs: entry.freshUntilMs,
      staleUntilMs: entry.staleUntilMs,
      setAtMs: entry.setAtMs,
    };
    writeHeader(this.memory, at, fields);
    head.writeTo(this.memory, at);
  }

  #fitsInPlaceOf(at: number, headBytes: number, valueBytes: number): boolean {
    if (entryBytes(headBytes, valueBytes) !== entryBytesAt(this.memory, at)) return false;
    return headBytes <= this.pool.geometry.segmentBytes - this.pool.offsetOf(at * 4);
  }

  /** The most segments that an entry takes from the pool. */
  #segmentsFor(bytes: number): number {
    return Math.ceil(bytes / this.pool.geometry.segmentBytes);
  }

  #couldFit(headBytes: number, valueBytes: number): boolean {
    const { segmentBytes, segmentCount } = this.pool.geometry;
    if (headBytes > segmentBytes || valueBytes > VALUE_MAX_BYTES) return false;
    const others = this.memory.word(CONTROL.indexSegments) + MOVE_SEGMENTS + CHUNK_SEGMENTS;
    return this.#segmentsFor(headBytes + valueBytes) + others <= segmentCount;
  }

  #refuse(entry: NewTableEntry): void {
    this.#evicted({ ...entry, valueBytes: entry.value.length, staled: false });
  }
}
