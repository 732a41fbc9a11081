/**
 * The namespaces of a shard: each has a record, by whose number everything that it keeps here is accounted.
 *
 * A namespace gets a record with its first mutation. The record is in use while entries, fences, tombstones, leases or
 * request ids of the namespace are left. One that is not in use keeps its counters until another namespace needs it.
 * When all records are in use, further namespaces share a few records, by their hash: what one of them overflows, those
 * that share its record pay. While such a record is in use, a namespace that belongs to it gets no record of its own.
 *
 * In a region, under the shard's lock. Each thread remembers the numbers of the names that it has seen.
 */
import { NAMESPACE_LIMIT_BYTES } from "../../common/name-limits.ts";
import type { NamespaceUsage } from "../api/store.ts";
import { NAMESPACE_COUNTERS, toCounters } from "../api/usage.ts";
import type { Fingerprint, FingerprintOf } from "../hashing/fingerprint.ts";
import { Cells, cellsBytes } from "../shm/cells.ts";
import { type MemoryPart, partOf } from "../shm/memory-part.ts";
import { RecordMap, recordMapBytes } from "../shm/record-map.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";
import { NamespaceRules } from "./namespace-bounds.ts";
import { CELL, CELLS, type Cell } from "./record-cells.ts";

/** The records 0 to 7 are shared. Records of a single namespace follow. */
export const SHARED_RECORDS = 8;
/** A number of a record has 16 bits. */
export const NAMESPACES_LIMIT = 65_536 - SHARED_RECORDS;

/** Words that all records share. */
const CHANGES_WORD = 0;
const UNUSED_WORD = 1;
const HAND_WORD = 2;
const OWN_WORDS = 3;
/** A name: its length in bytes, and room for the longest. */
const NAME_BYTES = 1 + NAMESPACE_LIMIT_BYTES;
const TAG_FLOORS: readonly Cell[] = [CELL.tagFloorHardRevision, CELL.tagFloorSoftRevision];
const FLOORS: readonly Cell[] = [...TAG_FLOORS, CELL.leaseFloorHardRevision, CELL.leaseFloorSoftRevision];
const SWEPT: readonly Cell[] = [
  ...TAG_FLOORS,
  CELL.hardClearRevision,
  CELL.softClearRevision,
  CELL.newestFenceRevision,
];
/** What belongs to one process, or follows from its settings. */
const RESTARTED: readonly Cell[] = [
  ...NAMESPACE_COUNTERS.map((name) => CELL[name]),
  CELL.ceilingBytes,
  CELL.floorBytes,
  CELL.pinned,
  CELL.trimPosition,
];
/** How many names beyond those of the records a thread remembers. */
const KNOWN_SPARE = 1_024;

export function recordsOf(namespacesMax: number): number {
  return SHARED_RECORDS + namespacesMax;
}

export function namespaceTableBytes(namespacesMax: number): number {
  const records = recordsOf(namespacesMax);
  return [
    4 * OWN_WORDS,
    recordMapBytes(namespacesMax, 0),
    4 * records,
    4 * records,
    cellsBytes(records * CELLS),
    records * NAME_BYTES,
  ].reduce((sum, bytes) => sum + alignedBytes(bytes), 0);
}

interface NamespaceTableParts {
  readonly fingerprintOf: FingerprintOf;
  /** Called when a mutation is accounted to a shared record. */
  readonly shared: () => void;
  /** Among how many shards the bounds of a namespace are divided. Default 1. */
  readonly shards?: number;
}

/** A record that this thread has found, valid while the generation is the same. */
interface Known {
  readonly record: number;
  readonly generation: number;
}

export class NamespaceTable {
  /** How many records there are, shared ones included. */
  readonly records: number;
  readonly #max: number;
  readonly #fingerprintOf: FingerprintOf;
  readonly #shared: () => void;
  readonly #own: Uint32Array;
  /** A slot for each record that one namespace has to itself. */
  readonly #slots: RecordMap;
  readonly #uses: Uint32Array;
  /** How often each record was given to another namespace. */
  readonly #generations: Uint32Array;
  readonly #cells: Cells;
  readonly #names: Buffer;
  readonly #shards: number;
  #rules: NamespaceRules;
  readonly #known = new Map<string, Known>();
  /** The name that was found last. */
  #lastName = "";
  #last: Known | undefined;
  /** The names that this thread has decoded, by record. */
  readonly #decoded: { readonly name: string; readonly generation: number }[] = [];

  constructor(region: Region, namespacesMax: number, parts: NamespaceTableParts) {
    const cut = createCutter(region.buffer, region.begin);
    const words = (count: number): Uint32Array => {
      const { buffer, begin } = cut(4 * count);
      return new Uint32Array(buffer, begin, count);
    };
    this.records = recordsOf(namespacesMax);
    this.#max = namespacesMax;
    this.#fingerprintOf = parts.fingerprintOf;
    this.#shared = parts.shared;
    this.#shards = parts.shards ?? 1;
    this.#rules = new NamespaceRules([]);
    this.#own = words(OWN_WORDS);
    this.#slots = new RecordMap(cut(recordMapBytes(namespacesMax, 0)), namespacesMax, 0);
    this.#uses = words(this.records);
    this.#generations = words(this.records);
    this.#cells = new Cells(cut(cellsBytes(this.records * CELLS)));
    const names = cut(this.records * NAME_BYTES);
    this.#names = Buffer.from(names.buffer, names.begin, names.bytes);
  }

  /** The records up to the last one that was ever given to a namespace. */
  get usedRecords(): number {
    return recordsOf(this.#slots.touched);
  }

  parts(): MemoryPart[] {
    const used = this.usedRecords;
    return [
      partOf(this.#own, 1, OWN_WORDS),
      ...this.#slots.parts(),
      partOf(this.#uses, used),
      partOf(this.#generations, used),
      this.#cells.part(used, CELLS),
      partOf(this.#names, used, NAME_BYTES),
    ];
  }

  /** Begins the counters anew, and forgets all bounds: those of a new process follow. */
  restart(): void {
    for (let record = 0; record < this.usedRecords; record++) {
      if (this.get(record, CELL.pinned) === 1) this.release(record);
      for (const cell of RESTARTED) this.set(record, cell, 0);
    }
  }

  /** The record of a namespace. It is a shared one when the namespace has none of its own. */
  find(namespace: string): number {
    // One namespace is asked for again and again, and comparing it is faster than hashing it.
    const known = namespace === this.#lastName ? this.#last : this.#known.get(namespace);
    if (known !== undefined && known.generation === this.#generationOf(known.record)) {
      this.#lastName = namespace;
      this.#last = known;
      return known.record;
    }
    const id = this.#fingerprintOf(namespace, "");
    const slot = this.#slots.find(id);
    return this.#remember(namespace, slot === 0 ? sharedRecordOf(id) : recordOf(slot));
  }

  /**
   * As `find`, and gives the namespace a record of its own if it has none and one is free. The record stays the
   * namespace's while it is held, and otherwise until the next call for another namespace.
   */
  claim(namespace: string): number {
    const record = this.find(namespace);
    if (!isShared(record)) return record;
    if (!this.#mayOwn(record, namespace)) {
      this.#shared();
      return record;
    }
    if (this.#slots.count === this.#max) this.#recycle();
    const own = recordOf(this.#slots.insert(this.#fingerprintOf(namespace, "")));
    this.#names[own * NAME_BYTES] = this.#names.write(namespace, own * NAME_BYTES + 1);
    this.#own[UNUSED_WORD] = this.#word(UNUSED_WORD) + 1;
    this.raise(own, CELL.leaseFloorHardRevision, this.get(record, CELL.leaseFloorHardRevision));
    this.#bound(own, namespace);
    this.#changed(own);
    return this.#remember(namespace, own);
  }

  /** Sets the bounds of all namespaces, of this thread's rules. Those that are named in full get a record for ever. */
  bound(rules: NamespaceRules): void {
    this.#rules = rules;
    for (let slot = this.#slots.oldest(); slot !== 0; slot = this.#slots.newer(slot)) {
      const record = recordOf(slot);
      this.#bound(record, this.nameOf(record) ?? "");
    }
    for (const namespace of rules.names) {
      const record = this.claim(namespace);
      if (isShared(record) || this.get(record, CELL.pinned) === 1) continue;
      this.set(record, CELL.pinned, 1);
      this.hold(record);
    }
  }

  /** By how many bytes the record exceeds its ceiling. */
  excessBytes(record: number): number {
    const ceiling = this.get(record, CELL.ceilingBytes);
    return ceiling === 0 ? 0 : Math.max(0, this.get(record, CELL.bytes) - ceiling);
  }

  /** Without so many bytes, the record would be below its floor. */
  isProtected(record: number, bytes: number): boolean {
    const floor = this.get(record, CELL.floorBytes);
    return floor > 0 && this.get(record, CELL.bytes) - bytes < floor;
  }

  /** The namespace that has a record to itself; `undefined` for a shared record. */
  nameOf(record: number): string | undefined {
    if (isShared(record)) return undefined;
    const generation = this.#generationOf(record);
    const known = this.#decoded[record];
    if (known !== undefined && known.generation === generation) return known.name;
    const begin = record * NAME_BYTES;
    const name = this.#names.toString("utf8", begin + 1, begin + 1 + (this.#names[begin] ?? 0));
    this.#decoded[record] = { name, generation };
    return name;
  }

  /** One more thing is accounted to the record. */
  hold(record: number): void {
    const uses = this.#uses[record] ?? 0;
    this.#uses[record] = uses + 1;
    if (uses === 0 && !isShared(record)) this.#own[UNUSED_WORD] = this.#word(UNUSED_WORD) - 1;
  }

  /** What was held is gone. */
  release(record: number): void {
    const uses = (this.#uses[record] ?? 0) - 1;
    this.#uses[record] = uses;
    if (uses === 0 && !isShared(record)) this.#own[UNUSED_WORD] = this.#word(UNUSED_WORD) + 1;
  }

  /** Accounts an entry of so many bytes to its record, or with -1 no longer. */
  chargeEntry(record: number, entries: 1 | -1, bytes: number): void {
    const at = record * CELLS;
    const cells = this.#cells;
    cells.set(at + CELL.entries, cells.get(at + CELL.entries) + entries);
    cells.set(at + CELL.bytes, cells.get(at + CELL.bytes) + entries * bytes);
    if (entries === 1) this.hold(record);
    else this.release(record);
  }

  /** No fence or clear of the record is newer. */
  newestFenceRevision(record: number): number {
    return this.#cells.get(record * CELLS + CELL.newestFenceRevision);
  }

  isShared(record: number): boolean {
    return isShared(record);
  }

  get(record: number, cell: Cell): number {
    return this.#cells.get(record * CELLS + cell);
  }

  set(record: number, cell: Cell, value: number): void {
    this.#cells.set(record * CELLS + cell, value);
  }

  add(record: number, cell: Cell, by = 1): void {
    const at = record * CELLS + cell;
    this.#cells.set(at, this.#cells.get(at) + by);
  }

  /** Sets a cell to a value that is greater. */
  raise(record: number, cell: Cell, value: number): void {
    if (value > this.get(record, cell)) this.set(record, cell, value);
  }

  /** Forgets the clears and the floors up to `revision`, which no entry is older than that is still to be removed. */
  forgetFences(revision: number): void {
    for (let record = 0; record < SHARED_RECORDS; record++) this.#forgetFencesOf(record, revision);
    for (let slot = this.#slots.oldest(); slot !== 0; slot = this.#slots.newer(slot)) {
      this.#forgetFencesOf(recordOf(slot), revision);
    }
  }

  #forgetFencesOf(record: number, revision: number): void {
    if (this.newestFenceRevision(record) === 0) return;
    // Leases may be older.
    for (const floor of TAG_FLOORS) this.raise(record, CELL.leaseFloorHardRevision, this.get(record, floor));
    for (const cell of SWEPT) if (this.get(record, cell) <= revision) this.set(record, cell, 0);
  }

  /** Calls `visit` with each namespace that has a record to itself, and with the sum of what others share. */
  each(visit: (usage: NamespaceUsage) => void): void {
    for (let slot = this.#slots.oldest(); slot !== 0; slot = this.#slots.newer(slot)) {
      const record = recordOf(slot);
      visit(this.#usageOf(this.nameOf(record), record, record));
    }
    visit(this.#usageOf(undefined, 0, SHARED_RECORDS - 1));
  }

  #bound(record: number, namespace: string): void {
    const { ceilingBytes, floorBytes } = this.#rules.of(namespace);
    const isBounded = ceilingBytes !== Infinity;
    this.set(record, CELL.ceilingBytes, isBounded ? Math.max(1, Math.floor(ceilingBytes / this.#shards)) : 0);
    this.set(record, CELL.floorBytes, Math.floor(floorBytes / this.#shards));
  }

  #usageOf(namespace: string | undefined, first: number, last: number): NamespaceUsage {
    const sum = (cell: Cell): number => {
      let total = 0;
      for (let record = first; record <= last; record++) total += this.get(record, cell);
      return total;
    };
    return {
      namespace,
      entries: sum(CELL.entries),
      bytes: sum(CELL.bytes),
      ceilingBytes: Infinity,
      floorBytes: 0,
      counters: toCounters((name) => sum(CELL[name])),
    };
  }

  /** There is a record for a namespace that belongs to this shared one. */
  #mayOwn(shared: number, namespace: string): boolean {
    // Whatever belongs to a shared record that is in use is found there, and nowhere else.
    if (this.#isUsed(shared)) return false;
    if (this.#slots.count === this.#max && this.#word(UNUSED_WORD) === 0) return false;
    // A lone surrogate cannot be encoded: the name would be another one for the other threads.
    return Buffer.byteLength(namespace) <= NAMESPACE_LIMIT_BYTES && namespace.isWellFormed();
  }

  /** Takes a record that is not in use from its namespace. Its counters go to a shared record. */
  #recycle(): void {
    let record = this.#word(HAND_WORD);
    do {
      record = record + 1 < this.records && record >= SHARED_RECORDS ? record + 1 : SHARED_RECORDS;
    } while (this.#isUsed(record));
    this.#own[HAND_WORD] = record;
    for (const name of NAMESPACE_COUNTERS) this.add(0, CELL[name], this.get(record, CELL[name]));
    // Leases may still be held that are older than the floors. If the namespace returns, it inherits them.
    const shared = sharedRecordOf(this.#fingerprintOf(this.nameOf(record) ?? "", ""));
    for (const floor of FLOORS) this.raise(shared, CELL.leaseFloorHardRevision, this.get(record, floor));
    for (let cell = 0; cell < CELLS; cell++) this.#cells.set(record * CELLS + cell, 0);
    this.#slots.remove(slotOf(record));
    this.#own[UNUSED_WORD] = this.#word(UNUSED_WORD) - 1;
    this.#changed(record);
  }

  #changed(record: number): void {
    this.#generations[record] = (this.#generations[record] ?? 0) + 1;
    this.#own[CHANGES_WORD] = this.#word(CHANGES_WORD) + 1;
  }

  /** A name is in a shared record only until records change, since it may get one of its own. */
  #generationOf(record: number): number {
    return isShared(record) ? this.#word(CHANGES_WORD) : (this.#generations[record] ?? 0);
  }

  #remember(namespace: string, record: number): number {
    if (this.#known.size >= this.records + KNOWN_SPARE) this.#known.clear();
    this.#known.set(namespace, { record, generation: this.#generationOf(record) });
    return record;
  }

  #isUsed(record: number): boolean {
    return (this.#uses[record] ?? 0) > 0;
  }

  #word(at: number): number {
    return this.#own[at] ?? 0;
  }
}

export function isShared(record: number): boolean {
  return record < SHARED_RECORDS;
}

const sharedRecordOf = (id: Fingerprint): number => (id[0] ?? 0) % SHARED_RECORDS;
/** Slots are numbered from 1. */
const recordOf = (slot: number): number => SHARED_RECORDS + slot - 1;
const slotOf = (record: number): number => record - SHARED_RECORDS + 1;
