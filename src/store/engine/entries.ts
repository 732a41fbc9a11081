/**
 * The entries of one shard, and the state that time and fences give each: fresh, past its TTL, staled, or dead.
 *
 * A dead entry is removed when it is found, and leaves a tombstone with its source version. A sweep, in slices, removes
 * the dead entries that nobody asks for, and then drops the fences that cover nothing any more.
 */

import type { EntryView } from "../api/store.ts";
import {
  type CreateTable,
  type NamespaceRecords,
  type NewTableEntry,
  type ScanVerdict,
  SET_TIME_SPAN_MS,
  type Table,
  type TableEntry,
} from "../api/table.ts";
import type { NamespaceCounter } from "../api/usage.ts";
import type { Fences } from "../fences/fences.ts";
import type { TagCounts } from "../fences/tag-counts.ts";
import type { FingerprintOf } from "../hashing/fingerprint.ts";
import type { NamespaceTable } from "../namespaces/namespace-table.ts";
import { CELL } from "../namespaces/record-cells.ts";
import { COUNTER, type CounterRow } from "../shm/counters.ts";
import type { MemoryPart } from "../shm/memory-part.ts";
import type { ShardLimits, ShardRegions } from "./shard-memory.ts";
import { SweepState } from "./sweep-state.ts";
import { Tombstones } from "./tombstones.ts";

/**
 * `pastTtl`: in its stale window. `staled`: invalidated softly. Readers see both as stale. `dead`: past its stale
 * window, or invalidated; nobody may read it.
 */
export type EntryState = "fresh" | "pastTtl" | "staled" | "dead";

/** What `find` returns. `entry` is valid until the next call to the table. */
interface FoundEntry {
  readonly entry: TableEntry;
  readonly state: Exclude<EntryState, "dead">;
}

interface ShardEntriesOptions {
  readonly createTable: CreateTable;
  readonly limits: ShardLimits;
  readonly regions: ShardRegions;
  readonly fingerprintOf: FingerprintOf;
  readonly fences: Fences;
  readonly namespaces: NamespaceTable;
  readonly counters: CounterRow;
}

/** Entries that one Set visits at most when its namespace is at its ceiling, and how many it visits before it looks again. */
const TRIM_MAX_ENTRIES = 1_024;
const TRIM_SLICE_ENTRIES = 8;

export class ShardEntries {
  readonly table: Table;
  readonly tombstones: Tombstones;
  readonly #fences: Fences;
  readonly #namespaces: NamespaceTable;
  readonly #counters: CounterRow;

  readonly #sweep: SweepState;
  /** The time of the current `put`, for the evictions in it. */
  #nowMs = 0;

  constructor(options: ShardEntriesOptions) {
    const { createTable, limits, regions, fingerprintOf, fences, namespaces, counters } = options;
    this.#fences = fences;
    this.#namespaces = namespaces;
    this.#counters = counters;
    this.tombstones = new Tombstones(regions.tombstones, limits.tombstonesMax, {
      fingerprintOf,
      namespaces,
      pruned: () => counters.count(COUNTER.tombstonesPruned),
    });
    this.#sweep = new SweepState(regions.sweep);
    this.table = createTable({
      budgetBytes: limits.budgetBytes,
      namespaces: toNamespaceRecords(namespaces, fences.tagCounts),
      evicted: (entry) => this.#recordRemoval(entry, this.#stateOf(entry, this.#nowMs), this.#nowMs),
    });
  }

  sweepParts(): MemoryPart[] {
    return this.#sweep.parts();
  }

  /** Counts the tags of all entries, after none was counted. */
  recountTags(): void {
    const { tagCounts } = this.#fences;
    this.table.scan(this.table.scanStart(), Infinity, ({ record, tags }) => {
      for (const tag of tags) tagCounts.countText(record, tag);
      return "keep";
    });
  }

  /** The entry of the key, and its state. Removes a dead one. */
  find(record: number, namespace: string, key: string, hash: number, nowMs: number): FoundEntry | undefined {
    const entry = this.table.find(record, namespace, key, hash);
    if (entry === undefined) return undefined;
    const state = this.#stateOf(entry, nowMs);
    if (state === "dead") {
      this.#recordRemoval(entry, "dead", nowMs);
      this.table.remove(entry);
      return undefined;
    }
    return { entry, state };
  }

  /** The entry of the key and its state, also a dead one, which stays. It is no use of the entry. */
  peek(record: number, namespace: string, key: string, hash: number, nowMs: number) {
    const entry = this.table.peek(record, namespace, key, hash);
    return entry === undefined ? undefined : { entry, state: this.#stateOf(entry, nowMs) };
  }

  fencesAbout(record: number, namespace: string, key: string, tags: readonly string[], version: number) {
    return this.#fences.about(record, namespace, key, tags, version);
  }

  /** The greatest source version known for a key. `entry`: what `find` returned for it. */
  knownSourceVersion(namespace: string, key: string, entry: TableEntry | undefined, nowMs: number): bigint {
    const removed = this.tombstones.known(namespace, key, nowMs);
    return entry !== undefined && entry.sourceVersion > removed ? entry.sourceVersion : removed;
  }

  /** Stores an entry in the place of `former`, which `find` returned for its key. */
  put(entry: NewTableEntry, hash: number, former: TableEntry | undefined, nowMs: number): void {
    this.#nowMs = nowMs;
    if (entry.sourceVersion > 0n) this.tombstones.remove(entry.namespace, entry.key);
    else if (former !== undefined) this.tombstones.add(former, nowMs, nowMs);
    this.#sweep.noteExpiry(entry.staleUntilMs);
    this.table.put(entry, hash);
    if (this.#namespaces.excessBytes(entry.record) > 0) this.#trim(entry, hash);
  }

  /**
   * Evicts entries of a namespace that exceeds its ceiling, as a bounded search finds them, in the order of a scan. If it
   * does not find enough of them, the entry that was just put is evicted.
   */
  #trim({ record, namespace, key, version }: NewTableEntry, hash: number): void {
    const namespaces = this.#namespaces;
    let position = namespaces.get(record, CELL.trimPosition);
    for (let visited = 0; visited < TRIM_MAX_ENTRIES; visited += TRIM_SLICE_ENTRIES) {
      if (namespaces.excessBytes(record) === 0) break;
      position = this.table.scan(position || this.table.scanStart(), TRIM_SLICE_ENTRIES, (entry) => {
        const isSpared = entry.record !== record || entry.version === version;
        if (isSpared || namespaces.excessBytes(record) === 0) return "keep";
        this.#recordRemoval(entry, this.#stateOf(entry, this.#nowMs), this.#nowMs);
        return "remove";
      });
    }
    namespaces.set(record, CELL.trimPosition, position);
    if (namespaces.excessBytes(record) === 0) return;
    const put = this.table.find(record, namespace, key, hash);
    if (put === undefined) return;
    this.#recordRemoval(put, this.#stateOf(put, this.#nowMs), this.#nowMs);
    this.table.remove(put);
  }

  /** Removes an entry that `find` returned, for a hard invalidation of its key. */
  remove(entry: TableEntry, nowMs: number): void {
    this.tombstones.add(entry, nowMs, nowMs);
    this.table.remove(entry);
  }

  /** For an entry that `find` returned. */
  setLifetimes(entry: TableEntry, freshUntilMs: number, staleUntilMs: number): void {
    this.#sweep.noteExpiry(staleUntilMs);
    this.table.setLifetimes(entry, freshUntilMs, staleUntilMs);
  }

  /**
   * Visits at most `maxEntries` entries and removes the dead ones. Returns how many it visited. Tag fences newer than
   * the oldest lease stay: the Set of the lease is checked against them.
   */
  sweep(maxEntries: number, revision: number, oldestLeaseRevision: number, nowMs: number): number {
    this.tombstones.expire(nowMs);
    const sweep = this.#sweep;
    if (!sweep.sweeping) {
      if (!sweep.isWanted && !sweep.isDue(this.#fences.tagPressure, nowMs)) return 0;
      sweep.begin(revision, this.table.scanStart());
    }
    let visited = 0;
    if (sweep.scanPosition > 0) {
      sweep.scanPosition = this.table.scan(sweep.scanPosition, maxEntries, (entry) => {
        visited++;
        return this.#sweepEntry(entry, nowMs);
      });
    }
    if (sweep.scanPosition === 0) {
      const isDone = this.#fences.drop(sweep.revision, oldestLeaseRevision);
      if (isDone) sweep.end(nowMs);
    }
    return visited;
  }

  /** Visits at most `maxEntries` entries of all namespaces, as `Table.scan` does. It is no use of them. */
  list(position: number, maxEntries: number, visit: (entry: TableEntry) => void): number {
    return this.table.scan(position, maxEntries, (entry) => {
      visit(entry);
      return "keep";
    });
  }

  /** Who may read an entry that is visited. */
  stateOf(entry: TableEntry, nowMs: number): EntryState {
    return this.#stateOf(entry, nowMs);
  }

  /** A sweep is in progress, or is to begin at once. */
  isSweepWaiting(): boolean {
    return this.#sweep.sweeping || this.#sweep.isWanted;
  }

  /** A prefix or a namespace was invalidated at this revision: the memory of what it covers is soon freed. */
  sweepSoon(revision: number): void {
    this.#sweep.want(revision);
  }

  #sweepEntry(entry: TableEntry, nowMs: number): ScanVerdict {
    const state = this.#stateOf(entry, nowMs);
    if (state === "dead") {
      this.#recordRemoval(entry, state, nowMs);
      return "remove";
    }
    this.#sweep.noteSweptExpiry(entry.staleUntilMs);
    return state === "staled" && !entry.staled ? "markStaled" : "keep";
  }

  #stateOf(entry: TableEntry, nowMs: number): EntryState {
    if (nowMs >= entry.staleUntilMs) return "dead";
    let staled = entry.staled;
    // Most entries are newer than every fence of their namespace.
    if (entry.version < this.#fences.newestRevision(entry.record)) {
      const cover = this.#fences.cover(entry);
      if (cover === "hard") return "dead";
      staled ||= cover === "soft";
    }
    if (staled) return "staled";
    return nowMs < entry.freshUntilMs ? "fresh" : "pastTtl";
  }

  /** Counts the removal of an entry that is dead, or evicted now, and adds its tombstone. */
  #recordRemoval(entry: TableEntry, state: EntryState, nowMs: number): void {
    const fencedAtMs = this.#fences.coveredAtMs(entry);
    const reason = state === "dead" ? deathOf(entry, fencedAtMs) : COUNTER.evictedCapacity;
    this.#counters.count(reason);
    this.#namespaces.add(entry.record, reason);
    if (entry.sourceVersion === 0n) return;
    const staleUntilMs = Math.min(nowMs, fencedAtMs, entry.staleUntilMs);
    this.tombstones.add(entry, staleUntilMs, nowMs);
  }
}

/** The end of a lifetime that begins now. */
export function endOf(nowMs: number, ttlMs: number): number {
  return ttlMs === 0 ? Infinity : nowMs + ttlMs;
}

function deathOf(entry: TableEntry, fencedAtMs: number): NamespaceCounter {
  return fencedAtMs < entry.staleUntilMs ? COUNTER.evictedFenced : COUNTER.evictedExpired;
}

function toNamespaceRecords(namespaces: NamespaceTable, tagCounts: TagCounts): NamespaceRecords {
  return {
    nameOf: (record) => namespaces.nameOf(record),
    isShared: (record) => namespaces.isShared(record),
    chargeEntry: (record, entries, bytes) => namespaces.chargeEntry(record, entries, bytes),
    isProtected: (record, bytes) => namespaces.isProtected(record, bytes),
    chargeTag: (record, bytes, begin, end, entries) => tagCounts.count(record, bytes, begin, end, entries),
  };
}

/** An entry as its readers see it, with `value`, which the table decodes or copies at each read. */
export function toEntryView(
  { entry, state }: { readonly entry: TableEntry; readonly state: EntryState },
  value: Uint8Array,
  nowMs: number,
): EntryView {
  const { freshUntilMs, staleUntilMs } = entry;
  const stale = state !== "fresh";
  const staleFromMs = stale ? nowMs : freshUntilMs;
  const ageMs = nowMs - entry.setAtMs;
  return {
    value,
    version: entry.version,
    sourceVersion: entry.sourceVersion,
    ttlRemainingMs: stale || freshUntilMs === Infinity ? 0 : freshUntilMs - nowMs,
    staleRemainingMs: staleUntilMs === Infinity ? 0 : staleUntilMs - staleFromMs,
    stale,
    ageMs: ageMs < SET_TIME_SPAN_MS ? ageMs : ageMs % SET_TIME_SPAN_MS,
    absent: entry.absent,
    tags: entry.tags,
    contentType: entry.contentType,
    contentEncoding: entry.contentEncoding,
  };
}
