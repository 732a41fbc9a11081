/**
 * What the subscribers of one thread have in common: those that stand at the same place in the logs share it, and what
 * one of them has read from there is not read again by the others. An event for a thousand subscribers is read once.
 */

import type { SubscriberRead } from "../api/store.ts";
import { toCursor } from "./cursor.ts";
import type { EventLog, LogPlace } from "./event-log.ts";

/** Of the latest reads, one for each set of selectors; others are read anew. */
const READS_MAX = 16;

/** A place in the logs of all shards. Never changed. */
export class ReadPosition {
  /** By shard: where the next event to look at is, and the revision of the last one looked at. */
  readonly places: readonly LogPlace[];
  readonly revisions: readonly number[];
  /** The shard to begin the next read with: a busy shard must not starve the others. */
  readonly firstShard: number;
  #cursor: Uint8Array | undefined;
  /** Logs only grow: who was behind once is behind for ever. */
  #behind = false;

  constructor(places: readonly LogPlace[], revisions: readonly number[], firstShard: number) {
    this.places = places;
    this.revisions = revisions;
    this.firstShard = firstShard;
  }

  /** Bytes that all who stand here share: nobody may write to them. */
  cursor(epoch: bigint): Uint8Array {
    this.#cursor ??= toCursor(epoch, this.revisions);
    return this.#cursor;
  }

  positionOf(shard: number): number {
    return this.places[shard]?.position ?? 0;
  }

  isBehind(logs: readonly EventLog[]): boolean {
    for (let shard = 0; shard < logs.length && !this.#behind; shard++) {
      this.#behind = logs[shard]?.eventsSince(this.positionOf(shard)) !== 0;
    }
    return this.#behind;
  }

  equals(other: ReadPosition): boolean {
    if (this.firstShard !== other.firstShard) return false;
    for (let shard = 0; shard < this.places.length; shard++) {
      if (this.positionOf(shard) !== other.positionOf(shard)) return false;
      if (this.revisions[shard] !== other.revisions[shard]) return false;
    }
    return true;
  }
}

interface SharedRead {
  readonly from: ReadPosition;
  /** The selectors, and the bounds of the read. */
  readonly wanted: string;
  readonly maxEvents: number;
  readonly maxBytes: number;
  readonly to: ReadPosition;
  readonly unfinished: boolean;
  readonly read: SubscriberRead;
}

export class SharedReads {
  /** By what was wanted, the oldest first. */
  readonly #reads = new Map<string, SharedRead>();

  /** What is read from here, if somebody has read it. */
  find(from: ReadPosition, wanted: string, maxEvents: number, maxBytes: number): SharedRead | undefined {
    const known = this.#reads.get(wanted);
    if (known?.from !== from || known.maxEvents !== maxEvents || known.maxBytes !== maxBytes)
      return undefined;
    return known;
  }

  /** Returns where its reader stands now: the same as the others that have come to that place. */
  add(read: SharedRead): ReadPosition {
    const { wanted, to } = read;
    const known = this.#reads.get(wanted);
    if (known?.to.equals(to)) return known.to;
    this.#reads.delete(wanted);
    this.#reads.set(wanted, read);
    if (this.#reads.size > READS_MAX) this.#dropOldest();
    return to;
  }

  #dropOldest(): void {
    const [oldest] = this.#reads.keys();
    if (oldest !== undefined) this.#reads.delete(oldest);
  }
}
