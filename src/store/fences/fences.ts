/**
 * All that invalidates entries of a shard without naming their keys: tags, prefixes and clears of namespaces.
 *
 * A tag needs a fence for the entries that have it, and one for the leases that were granted before: what their holders
 * load may be older. Most tags are in neither, and get none.
 */

import type { FenceView } from "../api/store.ts";
import type { TableEntry } from "../api/table.ts";
import type { FingerprintOf } from "../hashing/fingerprint.ts";
import type { NamespaceTable } from "../namespaces/namespace-table.ts";
import { isShared } from "../namespaces/namespace-table.ts";
import { CELL } from "../namespaces/record-cells.ts";
import { COUNTER, type CounterRow } from "../shm/counters.ts";
import type { MemoryPart } from "../shm/memory-part.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";
import { clear, clearedAtMs, clearsAbout, coverOfClears } from "./clears.ts";
import { PrefixFences, prefixFencesBytes } from "./prefix-fences.ts";
import { TagCounts, tagCountsBytes } from "./tag-counts.ts";
import { type Cover, TagFences, tagFencesBytes } from "./tag-fences.ts";

export interface FenceLimits {
  readonly tagFencesMax: number;
  readonly prefixFencesMax: number;
  /** Of the entries, for which tags are counted. */
  readonly budgetBytes: number;
}

export function fencesBytes(limits: FenceLimits, records: number): number {
  const tags = tagFencesBytes(limits.tagFencesMax, records);
  const prefixes = prefixFencesBytes(limits.prefixFencesMax, records);
  return 2 * alignedBytes(tags) + alignedBytes(prefixes) + alignedBytes(tagCountsBytes(limits.budgetBytes));
}

interface FencesOptions {
  readonly region: Region;
  readonly limits: FenceLimits;
  readonly fingerprintOf: FingerprintOf;
  readonly namespaces: NamespaceTable;
  readonly counters: CounterRow;
  /** Of the hash of tags. */
  readonly seed: bigint;
}

/** An invalidation of a namespace. */
export interface Raised {
  readonly record: number;
  readonly namespace: string;
  readonly soft: boolean;
  readonly revision: number;
  readonly nowMs: number;
}

export class Fences {
  readonly tagCounts: TagCounts;
  readonly #namespaces: NamespaceTable;
  readonly #tagFencesMax: number;
  readonly #prefixes: PrefixFences;
  readonly #entryTags: TagFences;
  readonly #leaseTags: TagFences;

  constructor({ region, limits, fingerprintOf, namespaces, counters, seed }: FencesOptions) {
    const { tagFencesMax, prefixFencesMax, budgetBytes } = limits;
    const { records } = namespaces;
    const cut = createCutter(region.buffer, region.begin);
    const tags = { fingerprintOf, namespaces, pruned: () => counters.count(COUNTER.tagFencesPruned) };
    this.#namespaces = namespaces;
    this.#tagFencesMax = tagFencesMax;
    this.#entryTags = new TagFences(cut(tagFencesBytes(tagFencesMax, records)), tagFencesMax, {
      ...tags,
      floors: {
        hardRevision: CELL.tagFloorHardRevision,
        hardAtMs: CELL.tagFloorHardAtMs,
        softRevision: CELL.tagFloorSoftRevision,
      },
    });
    this.#leaseTags = new TagFences(cut(tagFencesBytes(tagFencesMax, records)), tagFencesMax, {
      ...tags,
      floors: {
        hardRevision: CELL.leaseFloorHardRevision,
        hardAtMs: CELL.leaseFloorHardAtMs,
        softRevision: CELL.leaseFloorSoftRevision,
      },
    });
    this.#prefixes = new PrefixFences(cut(prefixFencesBytes(prefixFencesMax, records)), prefixFencesMax, {
      namespaces,
      merged: () => counters.count(COUNTER.prefixFencesMerged),
    });
    this.tagCounts = new TagCounts(cut(tagCountsBytes(budgetBytes)), budgetBytes, seed);
  }

  /** The parts of fences by tag, and those of fences by prefix. */
  parts(): { readonly tags: MemoryPart[]; readonly prefixes: MemoryPart[]; readonly counts: MemoryPart[] } {
    return {
      tags: [...this.#entryTags.parts(), ...this.#leaseTags.parts()],
      prefixes: this.#prefixes.parts(),
      counts: this.tagCounts.parts(),
    };
  }

  /** The tag fences that a sweep could drop. When they are many, some will soon be pruned. */
  get tagPressure(): "none" | "some" | "many" {
    const { count } = this.#entryTags;
    if (count === 0) return "none";
    return 2 * count < this.#tagFencesMax ? "some" : "many";
  }

  /** `oldestLeaseRevision`: at which the oldest lease was granted; `Infinity`: there is none. */
  raiseTag(raised: Raised, tag: string, oldestLeaseRevision: number): void {
    const { record, namespace, soft, revision, nowMs } = raised;
    this.#leaseTags.drop(oldestLeaseRevision);
    if (this.tagCounts.isUsed(record, tag)) {
      this.#entryTags.raise(record, namespace, tag, soft, revision, nowMs);
      this.#namespaces.raise(record, CELL.newestFenceRevision, revision);
    } else if (oldestLeaseRevision < revision) {
      this.#leaseTags.raise(record, namespace, tag, soft, revision, nowMs);
    }
  }

  /** Every key with this prefix. An empty one is every key of the namespace. */
  raisePrefix({ record, namespace, soft, revision, nowMs }: Raised, prefix: string): void {
    if (prefix === "" && !isShared(record)) clear(this.#namespaces, record, soft, revision, nowMs);
    else this.#prefixes.raise(record, { namespace, prefix, soft, revision, atMs: nowMs });
    this.#namespaces.raise(record, CELL.newestFenceRevision, revision);
  }

  /** How many fences a read of the record is compared with, at most. */
  prefixCountOf(record: number): number {
    return this.#prefixes.countOf(record);
  }

  /** Neither fence nor clear of the record is newer. */
  newestRevision(record: number): number {
    return this.#namespaces.newestFenceRevision(record);
  }

  cover(entry: TableEntry): Cover {
    const { record, version } = entry;
    const byClear = coverOfClears(this.#namespaces, record, version);
    if (byClear === "hard") return byClear;
    const byPrefix =
      this.#prefixes.countOf(record) > 0
        ? this.#prefixes.cover(record, entry.namespace, entry.key, version)
        : "none";
    if (byPrefix === "hard") return byPrefix;
    const byTag = this.#entryTags.mayCover(record, version)
      ? this.#entryTags.cover(record, entry.namespace, entry.tags, version)
      : "none";
    if (byTag === "hard") return byTag;
    return byClear === "soft" || byPrefix === "soft" || byTag === "soft" ? "soft" : "none";
  }

  /** When the earliest hard fence or clear that covers the entry was raised; `Infinity`: none covers it. */
  coveredAtMs(entry: TableEntry): number {
    const { record, version } = entry;
    if (version >= this.newestRevision(record)) return Infinity;
    const { namespace } = entry;
    return Math.min(
      clearedAtMs(this.#namespaces, record, version),
      this.#prefixes.coveredAtMs(record, namespace, entry.key, version),
      this.#entryTags.coveredAtMs(record, namespace, entry.tags, version),
    );
  }

  /** The fences that concern a key and these tags, the newest first. `version`: of the entry that they cover or not. */
  about(
    record: number,
    namespace: string,
    key: string,
    tags: readonly string[],
    version: number,
  ): readonly FenceView[] {
    return [
      ...clearsAbout(this.#namespaces, record, version),
      ...this.#prefixes.about(record, namespace, key, version),
      ...this.#entryTags.about(record, namespace, tags, version),
    ].sort((one, other) => other.revision - one.revision);
  }

  /** One of these tags may have been invalidated after `revision`, hard or soft. */
  anyTagSince(record: number, namespace: string, tags: readonly string[], revision: number): boolean {
    return (
      this.#entryTags.cover(record, namespace, tags, revision) !== "none" ||
      this.#leaseTags.cover(record, namespace, tags, revision) !== "none"
    );
  }

  /**
   * Drops the fences up to `revision`, which a sweep has applied to all entries; those of tags only as far as leases do
   * not need them, and a bounded number at a time. False: there may be more of them.
   */
  drop(revision: number, oldestLeaseRevision: number): boolean {
    this.#prefixes.drop(revision);
    this.#namespaces.forgetFences(revision);
    return this.#entryTags.drop(Math.min(revision, oldestLeaseRevision));
  }
}
