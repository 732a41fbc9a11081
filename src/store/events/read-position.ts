/** A position in the event logs of all shards. It never changes: subscribers at the same position share it. */
import { toCursor } from "./cursor.ts";
import type { EventLog, LogPlace } from "./event-log.ts";

export class ReadPosition {
  /** By shard: the place of the next event to look at, and the revision of the last one looked at. */
  readonly places: readonly LogPlace[];
  readonly revisions: readonly number[];
  /** The shard to begin the next read with: a busy shard must not starve the others. */
  readonly firstShard: number;
  #cursor: Uint8Array | undefined;
  /** Logs only grow, so this never becomes false again. */
  #behind = false;

  constructor(places: readonly LogPlace[], revisions: readonly number[], firstShard: number) {
    this.places = places;
    this.revisions = revisions;
    this.firstShard = firstShard;
  }

  /** The bytes are shared: nobody may write to them. */
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
