/**
 * A table keeps the entries of one shard: lookup, memory, eviction and scans, without semantics.
 *
 * Fences, leases, tombstones, revisions and events are above it, in `engine/`, the same for every engine. A table knows
 * neither the time nor which entries are dead; it stores entries and evicts when its budget is full. An engine may keep
 * entries outside the garbage-collected heap: they cross this interface only as `TableEntry`, which may be one reused
 * object.
 */

import type { ValueMemory } from "./value-arena.ts";

/**
 * An entry in its table, valid until the next call to the table. An engine may return the same object every time, and
 * decode its properties when they are read.
 */
export interface TableEntry {
  /** The number of the namespace's record, by which the entry is accounted. */
  readonly record: number;
  readonly namespace: string;
  readonly key: string;
  /**
   * The reader may keep these bytes: the table does not write to them again. The reader must not write to them either:
   * an engine may return its own bytes. Others make a copy at each read, so read it once.
   */
  readonly value: Uint8Array;
  /** The length of `value`, which it takes no copy to know. */
  readonly valueBytes: number;
  /** At least 1 and below 2^48, which a shard reaches after nine years of a million sets a second. */
  readonly version: number;
  /** 0n: none. */
  readonly sourceVersion: bigint;
  /** In the clock's milliseconds, a whole number of at most 2^47; `Infinity`: no end. */
  readonly freshUntilMs: number;
  /** When the stale window ends: at most 2^39 ms after `freshUntilMs` and not before; `Infinity`: no end. */
  readonly staleUntilMs: number;
  /** When the value was set: the lower bits of the clock's milliseconds, at least those below `SET_TIME_SPAN_MS`. */
  readonly setAtMs: number;
  /** Marked by `markStaled` since the put. */
  readonly staled: boolean;
  readonly absent: boolean;
  readonly tags: readonly string[];
  readonly contentType: string;
  readonly contentEncoding: string;
}

/** A table may keep the time of a Set modulo this: 34 years. */
export const SET_TIME_SPAN_MS = 2 ** 40;

/** An entry to put. The table copies what it keeps, and does not write to it. */
export interface NewTableEntry {
  readonly record: number;
  readonly namespace: string;
  readonly key: string;
  readonly value: Uint8Array;
  readonly version: number;
  readonly sourceVersion: bigint;
  readonly freshUntilMs: number;
  readonly staleUntilMs: number;
  /** In the clock's milliseconds, a whole number of at most 2^47. */
  readonly setAtMs: number;
  readonly absent: boolean;
  readonly tags: readonly string[];
  readonly contentType: string;
  readonly contentEncoding: string;
}

/**
 * Called for every entry that is evicted, before its memory is reused. It must not call the table. The entry is valid
 * during the call.
 */
export type Evicted = (entry: TableEntry) => void;

/** What a scan does with an entry: nothing, remove it, or mark it as `markStaled` does. */
export type ScanVerdict = "keep" | "remove" | "markStaled";

/** Decides about one scanned entry. It must not call the table. The entry is valid during the call. */
export type Visit = (entry: TableEntry) => ScanVerdict;

/** The records of the namespaces of a shard, as a table sees them. Valid as long as an entry of the namespace is there. */
export interface NamespaceRecords {
  /** The namespace that has a record to itself; `undefined`: several share it, and their entries keep the name. */
  nameOf(record: number): string | undefined;
  /** Several namespaces have the record: `nameOf` says `undefined`. */
  isShared(record: number): boolean;
  /** One entry more, or with -1 one less, of so many bytes. Every entry of a table is accounted so. */
  chargeEntry(record: number, entries: 1 | -1, bytes: number): void;
  /** An entry of so many bytes is not evicted for the entry of another namespace. */
  isProtected(record: number, bytes: number): boolean;
  /** One entry more, or with -1 one less, has the tag in these bytes of UTF-8. */
  chargeTag(record: number, bytes: Uint8Array, begin: number, end: number, entries: 1 | -1): void;
}

export interface TableOptions {
  /** `bytes` never exceeds this. */
  readonly budgetBytes: number;
  readonly namespaces: NamespaceRecords;
  readonly evicted: Evicted;
}

/**
 * `hash` is the `KeyHash` of namespace and key: 32 bits, uniform, seeded for each store. Its upper bits choose the
 * shard, so a table indexes by the lower ones.
 */
export interface Table {
  readonly budgetBytes: number;
  /** The cost of all entries, overhead included. Never above `budgetBytes`, not even during a put. */
  readonly bytes: number;
  readonly entryCount: number;

  /** The entry of a key. Counts as a use of it for eviction. */
  find(record: number, namespace: string, key: string, hash: number): TableEntry | undefined;

  /** As `find`, but it is no use: neither eviction nor `valueIn` and the methods that change an entry know of it. */
  peek(record: number, namespace: string, key: string, hash: number): TableEntry | undefined;

  /**
   * Stores an entry in the place of the key's former one, which does not count as evicted. Others may be evicted to
   * make room. An entry that is too large for the table is evicted itself, at once.
   */
  put(entry: NewTableEntry, hash: number): void;

  /**
   * The value of the entry that the last `find` returned, for a reader that keeps it only until `arena` is cleared. An
   * engine that hands out its own bytes leaves the arena alone, and so does one that finds no room in it.
   */
  valueIn(entry: TableEntry, arena: ValueMemory): Uint8Array;

  /** Removes the entry that the last `find` returned. */
  remove(entry: TableEntry): void;

  /** Sets the lifetimes of the entry that the last `find` returned. */
  setLifetimes(entry: TableEntry, freshUntilMs: number, staleUntilMs: number): void;

  /** Marks the entry that the last `find` returned as staled, until the key's next put. */
  markStaled(entry: TableEntry): void;

  /** The position from which a scan begins: a positive number, or 0 when there is nothing to scan. */
  scanStart(): number;

  /**
   * Visits at most `maxEntries` entries from `position` on and does with each what `visit` returns. Returns the next
   * position, or 0 at the end. Other calls may come between two slices: a key that has an entry from `scanStart`
   * until the end, also one that is put again meanwhile, is visited at least once, another one perhaps. Does not count as a use of an entry.
   */
  scan(position: number, maxEntries: number, visit: Visit): number;
}

/** Makes the table of one shard. */
export type CreateTable = (options: TableOptions) => Table;
