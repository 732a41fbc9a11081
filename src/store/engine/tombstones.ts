/**
 * Remembers the source versions of removed entries, so that a late Set with an older one is still refused.
 *
 * Their number is bounded. When they are full, the namespace that has most of them loses its oldest one.
 *
 * In a region, under the shard's lock: tombstones cost the garbage collector nothing, and all threads share them.
 */
import type { FingerprintOf } from "../hashing/fingerprint.ts";
import type { NamespaceTable } from "../namespaces/namespace-table.ts";
import { OwnerLists, ownerListsBytes } from "../namespaces/owner-lists.ts";
import type { MemoryPart } from "../shm/memory-part.ts";
import { RecordMap, recordMapBytes } from "../shm/record-map.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";

/** Longer than a slow load from the source takes. */
export const TOMBSTONE_MS = 60_000;

/** Cells of a tombstone. */
const SOURCE_VERSION_CELL = 0;
const UNTIL_MS_CELL = 1;
const CELLS = 2;

export function tombstonesBytes(maxCount: number, records: number): number {
  return alignedBytes(recordMapBytes(maxCount, CELLS)) + alignedBytes(ownerListsBytes(maxCount, records));
}

/** A source version of a key that has no entry any more. */
interface Removed {
  readonly record: number;
  readonly namespace: string;
  readonly key: string;
  /** 0n: nothing to remember. */
  readonly sourceVersion: bigint;
}

interface TombstonesParts {
  readonly fingerprintOf: FingerprintOf;
  readonly namespaces: NamespaceTable;
  /** Called for each tombstone that the bound removes before its time. */
  readonly pruned: () => void;
}

export class Tombstones {
  readonly #fingerprintOf: FingerprintOf;
  readonly #maxCount: number;
  readonly #pruned: () => void;
  /** In the order of their last change. */
  readonly #records: RecordMap;
  /** In the same order. */
  readonly #owners: OwnerLists;

  constructor(region: Region, maxCount: number, { fingerprintOf, namespaces, pruned }: TombstonesParts) {
    const cut = createCutter(region.buffer, region.begin);
    this.#records = new RecordMap(cut(recordMapBytes(maxCount, CELLS)), maxCount, CELLS);
    this.#owners = new OwnerLists(cut(ownerListsBytes(maxCount, namespaces.records)), maxCount, namespaces);
    this.#fingerprintOf = fingerprintOf;
    this.#maxCount = maxCount;
    this.#pruned = pruned;
  }

  get count(): number {
    return this.#records.count;
  }

  parts(): MemoryPart[] {
    return [...this.#records.parts(), ...this.#owners.parts(this.#records.touched)];
  }

  /** The greatest source version remembered for the key, or 0n. */
  known(namespace: string, key: string, nowMs: number): bigint {
    const records = this.#records;
    if (records.count === 0) return 0n;
    const slot = records.find(this.#fingerprintOf(namespace, key));
    if (slot === 0 || nowMs >= records.number(slot, UNTIL_MS_CELL)) return 0n;
    return records.bigint(slot, SOURCE_VERSION_CELL);
  }

  /** Remembers that an entry, or a source version known for its key, ended at `endedAtMs`, which may be long ago. */
  add(removed: Removed, endedAtMs: number, nowMs: number): void {
    const { sourceVersion } = removed;
    const untilMs = endedAtMs + TOMBSTONE_MS;
    if (sourceVersion === 0n || untilMs <= nowMs) return;
    // An engine may decode a name at each read.
    const { record, namespace, key } = removed;
    const records = this.#records;
    const former = records.find(this.#fingerprintOf(namespace, key));
    if (former === 0) {
      if (records.count === this.#maxCount && !this.#makeRoom(record, nowMs)) return;
      const slot = records.insert(this.#fingerprintOf(namespace, key));
      this.#owners.add(slot, record);
      this.#write(slot, sourceVersion, untilMs);
      return;
    }
    records.moveToNewest(former);
    this.#owners.moveToNewest(former);
    const formerUntilMs = records.number(former, UNTIL_MS_CELL);
    if (formerUntilMs <= nowMs) {
      this.#write(former, sourceVersion, untilMs);
    } else {
      const known = records.bigint(former, SOURCE_VERSION_CELL);
      this.#write(former, sourceVersion > known ? sourceVersion : known, Math.max(untilMs, formerUntilMs));
    }
  }

  /** Removes the tombstone of a key whose new entry has a source version at least as great. */
  remove(namespace: string, key: string): void {
    const records = this.#records;
    if (records.count === 0) return;
    const slot = records.find(this.#fingerprintOf(namespace, key));
    if (slot !== 0) this.#remove(slot);
  }

  /** Removes the oldest expired ones, a bounded number at a time. */
  expire(nowMs: number): void {
    const records = this.#records;
    records.removeOldest((slot) => {
      if (nowMs < records.number(slot, UNTIL_MS_CELL)) return false;
      this.#owners.remove(slot);
      return true;
    });
  }

  /** False: nobody has more than one. */
  #makeRoom(causer: number, nowMs: number): boolean {
    this.expire(nowMs);
    if (this.#records.count < this.#maxCount) return true;
    this.#pruned();
    const payer = this.#owners.payerFor(causer);
    if (payer !== causer && this.#owners.countOf(payer) === 1) return false;
    this.#remove(this.#owners.oldestOf(payer));
    return true;
  }

  #remove(slot: number): void {
    this.#owners.remove(slot);
    this.#records.remove(slot);
  }

  #write(slot: number, sourceVersion: bigint, untilMs: number): void {
    this.#records.setBigint(slot, SOURCE_VERSION_CELL, sourceVersion);
    this.#records.setNumber(slot, UNTIL_MS_CELL, untilMs);
  }
}
