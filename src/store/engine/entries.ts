/**
 * The entries of one shard and what time and fences have made of them: fresh, past their TTL, stale or gone.
 *
 * What is found gone is buried: removed, with a tombstone for its source version. A sweep in slices does the
 * same for what nobody asks for, and then drops the fences that have nothing left to cover.
 */

import type { EntryView } from "../api/store.ts";
import type { CreateTable, NewTableEntry, ScanVerdict, Table, TableEntry } from "../api/table.ts";
import { PrefixFences } from "../fences/prefix-fences.ts";
import { TagFences } from "../fences/tag-fences.ts";
import type { FingerprintOf } from "../hashing/fingerprint.ts";
import type { CounterRow } from "../shm/counters.ts";
import type { ShardLimits, ShardRegions } from "./shard-memory.ts";
import { SweepState } from "./sweep-state.ts";
import { Tombstones } from "./tombstones.ts";

/** `expired`: past its TTL, in its stale window. `staled`: invalidated softly. Both are stale to readers. */
export type EntryState = "fresh" | "expired" | "staled" | "gone";

/** What `find` returns. `entry` is valid until the next call to the table. */
interface FoundEntry {
  readonly entry: TableEntry;
  readonly state: Exclude<EntryState, "gone">;
}

interface ShardEntriesOptions {
  readonly createTable: CreateTable;
  readonly limits: ShardLimits;
  readonly regions: ShardRegions;
  readonly fingerprintOf: FingerprintOf;
  readonly counters: CounterRow;
}

export class ShardEntries {
  readonly table: Table;
  readonly tagFences: TagFences;
  readonly prefixFences: PrefixFences;
  readonly tombstones: Tombstones;
  readonly #counters: CounterRow;

  readonly #sweep: SweepState;
  /** The time that the table's callbacks take place at. */
  #nowMs = 0;

  constructor({ createTable, limits, regions, fingerprintOf, counters }: ShardEntriesOptions) {
    this.#counters = counters;
    this.tagFences = new TagFences(regions.tagFences, fingerprintOf, limits.tagFencesMax, () =>
      counters.count("tagFencesPruned"),
    );
    this.prefixFences = new PrefixFences(regions.prefixFences, limits.prefixFencesMax, (fences) =>
      counters.count("prefixFencesMerged", fences),
    );
    this.tombstones = new Tombstones(regions.tombstones, fingerprintOf, limits.tombstonesMax, () =>
      counters.count("tombstonesPruned"),
    );
    this.#sweep = new SweepState(regions.sweep);
    this.table = createTable({
      budgetBytes: limits.budgetBytes,
      evicted: (entry) => this.#bury(entry, this.#stateOf(entry, this.#nowMs), this.#nowMs),
    });
  }

  /** The entry of the key, and its state. Removes one that is gone. */
  find(namespace: string, key: string, hash: number, nowMs: number): FoundEntry | undefined {
    const entry = this.table.find(namespace, key, hash);
    if (entry === undefined) return undefined;
    const state = this.#stateOf(entry, nowMs);
    if (state === "gone") {
      this.#bury(entry, "gone", nowMs);
      this.table.remove(entry);
      return undefined;
    }
    return { entry, state };
  }

  /** The greatest source version known for a key, whose entry is this. */
  knownSourceVersion(namespace: string, key: string, entry: TableEntry | undefined, nowMs: number): bigint {
    const buried = this.tombstones.known(namespace, key, nowMs);
    return entry !== undefined && entry.sourceVersion > buried ? entry.sourceVersion : buried;
  }

  /** Puts an entry in the place of `former`, the one that `find` returned for its key. */
  put(entry: NewTableEntry, hash: number, former: TableEntry | undefined, nowMs: number): void {
    this.#nowMs = nowMs;
    const { namespace, key } = entry;
    if (entry.sourceVersion > 0n) this.tombstones.remove(namespace, key);
    else if (former !== undefined) this.tombstones.add(namespace, key, former.sourceVersion, nowMs, nowMs);
    this.#sweep.noteExpiry(entry.staleUntilMs);
    this.table.put(entry, hash);
  }

  /** Of an entry that `find` returned, as of a hard invalidation of its key. */
  remove(entry: TableEntry, nowMs: number): void {
    this.tombstones.add(entry.namespace, entry.key, entry.sourceVersion, nowMs, nowMs);
    this.table.remove(entry);
  }

  /** Of an entry that `find` returned. */
  setLifetimes(entry: TableEntry, freshUntilMs: number, staleUntilMs: number): void {
    this.#sweep.noteExpiry(staleUntilMs);
    this.table.setLifetimes(entry, freshUntilMs, staleUntilMs);
  }

  /**
   * Visits at most `maxEntries` entries for what is gone; returns how many it visited. Tag fences younger than
   * the oldest lease stay, since the lease's Set is held to them.
   */
  sweep(maxEntries: number, revision: number, oldestLeaseRevision: number, nowMs: number): number {
    this.tombstones.expire(nowMs);
    const sweep = this.#sweep;
    if (!sweep.sweeping) {
      // Prefix fences cost every read, so they are swept at once.
      if (this.prefixFences.count === 0 && !sweep.isDue(this.tagFences.count, nowMs)) return 0;
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
      this.prefixFences.drop(sweep.revision);
      const isDone = this.tagFences.drop(Math.min(sweep.revision, oldestLeaseRevision));
      if (isDone) sweep.end(nowMs);
    }
    return visited;
  }

  /** There is a sweep to go on with, or one to begin at once. */
  isSweepWaiting(): boolean {
    return this.#sweep.sweeping || this.prefixFences.count > 0;
  }

  #sweepEntry(entry: TableEntry, nowMs: number): ScanVerdict {
    const state = this.#stateOf(entry, nowMs);
    if (state === "gone") {
      this.#bury(entry, state, nowMs);
      return "remove";
    }
    this.#sweep.noteSweptExpiry(entry.staleUntilMs);
    return state === "staled" && !entry.staled ? "markStaled" : "keep";
  }

  #stateOf(entry: TableEntry, nowMs: number): EntryState {
    if (nowMs >= entry.staleUntilMs) return "gone";
    let staled = entry.staled;
    // Most entries are younger than every fence, and one comparison says so.
    if (entry.version < this.tagFences.newestRevision || entry.version < this.prefixFences.newestRevision) {
      const byPrefix = this.prefixFences.cover(entry);
      const byTag = byPrefix === "hard" ? byPrefix : this.tagFences.cover(entry);
      if (byTag === "hard") return "gone";
      staled ||= byPrefix === "soft" || byTag === "soft";
    }
    if (staled) return "staled";
    return nowMs < entry.freshUntilMs ? "fresh" : "expired";
  }

  /** Lays the tombstone of an entry that is gone, since whenever it was, or evicted now. */
  #bury(entry: TableEntry, state: EntryState, nowMs: number): void {
    const fencedAtMs = Math.min(this.tagFences.coveredAtMs(entry), this.prefixFences.coveredAtMs(entry));
    if (state !== "gone") this.#counters.count("evictedCapacity");
    else if (fencedAtMs < entry.staleUntilMs) this.#counters.count("evictedFenced");
    else this.#counters.count("evictedExpired");
    if (entry.sourceVersion === 0n) return;
    const staleUntilMs = Math.min(nowMs, fencedAtMs, entry.staleUntilMs);
    this.tombstones.add(entry.namespace, entry.key, entry.sourceVersion, staleUntilMs, nowMs);
  }
}

/** An entry as its readers see it, with `value`, which the table decodes or copies at each read. */
export function toEntryView({ entry, state }: FoundEntry, value: Uint8Array, nowMs: number): EntryView {
  const { freshUntilMs, staleUntilMs } = entry;
  const stale = state !== "fresh";
  const staleFromMs = stale ? nowMs : freshUntilMs;
  return {
    value,
    version: entry.version,
    sourceVersion: entry.sourceVersion,
    ttlRemainingMs: stale || freshUntilMs === Infinity ? 0 : freshUntilMs - nowMs,
    staleRemainingMs: staleUntilMs === Infinity ? 0 : staleUntilMs - staleFromMs,
    stale,
    absent: entry.absent,
    tags: entry.tags,
    contentType: entry.contentType,
  };
}
