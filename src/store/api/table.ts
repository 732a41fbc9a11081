/**
 * What keeps the entries of one shard: lookup, bytes, eviction and scanning, and no semantics at all.
 *
 * Fences, leases, tombstones, revisions and events live above it, in `shard.ts`, once for every engine. A
 * table knows neither the time nor which entries are gone; it stores what it is told and evicts when its
 * budget is full. It is written so that an engine may keep entries outside the garbage-collected heap:
 * entries cross this interface only as `TableEntry`, which may be one object used again and again.
 */

import type { ValueArena } from "./value-arena.ts";

/**
 * An entry inside its table. Good until the next call to the table, so take what you need at once: an
 * engine may hand out the same object every time, with properties that are decoded when they are read.
 */
export interface TableEntry {
  readonly namespace: string;
  readonly key: string;
  /**
   * Owned by the reader from now on: the table never writes to these bytes again, whatever becomes of the
   * entry. An engine whose memory moves or is used again makes a copy here, so read it once. Nobody else
   * writes to it either: an engine may hand out its own bytes.
   */
  readonly value: Uint8Array;
  /** At least 1 and below 2^48, which a shard reaches after nine years of a million sets a second. */
  readonly version: number;
  /** 0n: none. */
  readonly sourceVersion: bigint;
  /** In the clock's milliseconds, a whole number of at most 2^47; `Infinity`: no end. */
  readonly freshUntilMs: number;
  /** When the stale window ends: at most 2^39 ms after `freshUntilMs` and not before; `Infinity`: no end. */
  readonly staleUntilMs: number;
  /** Marked by `markStaled` since the put. */
  readonly staled: boolean;
  readonly absent: boolean;
  readonly tags: readonly string[];
  readonly contentType: string;
}

/** An entry to put. The table copies what it keeps; nothing of this is kept or written to. */
export interface NewTableEntry {
  readonly namespace: string;
  readonly key: string;
  readonly value: Uint8Array;
  readonly version: number;
  readonly sourceVersion: bigint;
  readonly freshUntilMs: number;
  readonly staleUntilMs: number;
  readonly absent: boolean;
  readonly tags: readonly string[];
  readonly contentType: string;
}

/**
 * Called for every entry that the table gives up on its own to stay within its budget, before its bytes are
 * used again. It must not call the table. The entry is good during the call only.
 */
export type Evicted = (entry: TableEntry) => void;

/** What becomes of a scanned entry: nothing, removed, or marked as by `markStaled`. */
export type ScanVerdict = "keep" | "remove" | "markStaled";

/** Decides over one scanned entry. It must not call the table. The entry is good during the call only. */
export type Visit = (entry: TableEntry) => ScanVerdict;

export interface TableOptions {
  /** The most that `bytes` may ever be. */
  readonly budgetBytes: number;
  readonly evicted: Evicted;
}

/**
 * `hash` is always `hashKey(namespace, key)` of shard-hash.ts: 32 bits, uniform, seeded per store. The shard
 * is chosen by its upper bits, so a table indexes by the lower ones.
 */
export interface Table {
  readonly budgetBytes: number;
  /** What all entries cost, overhead included. Never above `budgetBytes`, not even during a put. */
  readonly bytes: number;
  readonly entryCount: number;

  /** The entry of a key. Counts as a use of it for eviction. */
  find(namespace: string, key: string, hash: number): TableEntry | undefined;

  /**
   * Stores an entry in the place of the key's former one, which is not reported as evicted. Others may be
   * evicted to make room. An entry that could never fit is evicted itself, at once.
   */
  put(entry: NewTableEntry, hash: number): void;

  /**
   * The value of the entry that the last `find` returned, for a reader that keeps it only until `arena` is cleared. An
   * engine that hands out its own bytes leaves the arena alone, and so does one that finds no room in it.
   */
  valueIn(entry: TableEntry, arena: ValueArena): Uint8Array;

  /** Removes the entry that the last `find` returned. */
  remove(entry: TableEntry): void;

  /** Gives the entry that the last `find` returned new lifetimes. */
  setLifetimes(entry: TableEntry, freshUntilMs: number, staleUntilMs: number): void;

  /** Marks the entry that the last `find` returned. Until the key's next put. */
  markStaled(entry: TableEntry): void;

  /** The position from which a scan begins: a positive number, or 0 when there is nothing to scan. */
  scanStart(): number;

  /**
   * Visits at most `maxEntries` entries from `position` and does to each what `visit` says.
   * Returns where to go on, or 0 at the end. Other calls may come between two slices: every entry that is
   * there from `scanStart` to the end of the scan, put only before it, is visited at least once. Entries
   * put later may be visited or not. Counts as no use of an entry.
   */
  scan(position: number, maxEntries: number, visit: Visit): number;
}

/** Makes the table of one shard. */
export type CreateTable = (options: TableOptions) => Table;
