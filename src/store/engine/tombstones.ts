/**
 * Remembers the source versions of removed entries, so that a late Set with an older one is still refused.
 *
 * In a region, under the shard's lock: tombstones cost the garbage collector nothing, and all threads share them.
 */
import type { FingerprintOf } from "../hashing/fingerprint.ts";
import { RecordMap, recordMapBytes } from "../shm/record-map.ts";
import type { Region } from "../shm/region.ts";

/** Longer than a slow load from the source takes. */
export const TOMBSTONE_MS = 60_000;

/** Cells of a tombstone. */
const SOURCE_VERSION_CELL = 0;
const UNTIL_MS_CELL = 1;
const CELLS = 2;

export function tombstonesBytes(maxCount: number): number {
  return recordMapBytes(maxCount, CELLS);
}

export class Tombstones {
  readonly #fingerprintOf: FingerprintOf;
  readonly #maxCount: number;
  readonly #pruned: () => void;
  /** In the order of their last change. */
  readonly #records: RecordMap;

  /** `pruned` is called for each tombstone that the bound removes before its time. */
  constructor(region: Region, fingerprintOf: FingerprintOf, maxCount: number, pruned: () => void) {
    this.#records = new RecordMap(region, maxCount, CELLS);
    this.#fingerprintOf = fingerprintOf;
    this.#maxCount = maxCount;
    this.#pruned = pruned;
  }

  get count(): number {
    return this.#records.count;
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
  add(namespace: string, key: string, sourceVersion: bigint, endedAtMs: number, nowMs: number): void {
    const untilMs = endedAtMs + TOMBSTONE_MS;
    if (sourceVersion === 0n || untilMs <= nowMs) return;
    const records = this.#records;
    const id = this.#fingerprintOf(namespace, key);
    const former = records.find(id);
    if (former === 0) {
      if (records.count === this.#maxCount) this.#makeRoom(nowMs);
      this.#write(records.insert(id), sourceVersion, untilMs);
      return;
    }
    records.moveToNewest(former);
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
    if (slot !== 0) records.remove(slot);
  }

  /** Removes the oldest expired ones, a bounded number at a time. */
  expire(nowMs: number): void {
    const records = this.#records;
    records.removeOldest((slot) => nowMs >= records.number(slot, UNTIL_MS_CELL));
  }

  #makeRoom(nowMs: number): void {
    this.expire(nowMs);
    if (this.#records.count < this.#maxCount) return;
    this.#records.remove(this.#records.oldest());
    this.#pruned();
  }

  #write(slot: number, sourceVersion: bigint, untilMs: number): void {
    this.#records.setBigint(slot, SOURCE_VERSION_CELL, sourceVersion);
    this.#records.setNumber(slot, UNTIL_MS_CELL, untilMs);
  }
}
