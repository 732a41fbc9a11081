/** Remembers the source versions of keys whose entries are gone, so that a slow older writer still loses. */
import { toEntryId } from "./entry-id.ts";

/** Longer than a slow load. */
export const tombstoneMs = 60_000;

interface Tombstone {
  readonly sourceVersion: bigint;
  readonly untilMs: number;
}

export class Tombstones {
  readonly #maxCount: number;
  readonly #pruned: () => void;
  /** In the order in which they were laid. */
  readonly #byId = new Map<string, Tombstone>();

  /** `pruned` is told of each tombstone that the bound pushed out before its time. */
  constructor(maxCount: number, pruned: () => void) {
    this.#maxCount = maxCount;
    this.#pruned = pruned;
  }

  get count(): number {
    return this.#byId.size;
  }

  /** The greatest source version remembered for the key, or 0n. */
  known(namespace: string, key: string, nowMs: number): bigint {
    if (this.#byId.size === 0) return 0n;
    const tombstone = this.#byId.get(toEntryId(namespace, key));
    return tombstone !== undefined && nowMs < tombstone.untilMs ? tombstone.sourceVersion : 0n;
  }

  /** An entry, or what was said of its key, went at `goneAtMs`, which may be long ago. */
  lay(namespace: string, key: string, sourceVersion: bigint, goneAtMs: number, nowMs: number): void {
    const untilMs = goneAtMs + tombstoneMs;
    if (sourceVersion === 0n || untilMs <= nowMs) return;
    const id = toEntryId(namespace, key);
    const former = this.#byId.get(id);
    this.#byId.delete(id);
    if (former === undefined || former.untilMs <= nowMs) {
      this.#byId.set(id, { sourceVersion, untilMs });
    } else {
      this.#byId.set(id, {
        sourceVersion: sourceVersion > former.sourceVersion ? sourceVersion : former.sourceVersion,
        untilMs: Math.max(untilMs, former.untilMs),
      });
    }
    if (this.#byId.size > this.#maxCount) this.#prune(nowMs);
  }

  /** The key has an entry again that itself carries a source version as great. */
  lift(namespace: string, key: string): void {
    if (this.#byId.size > 0) this.#byId.delete(toEntryId(namespace, key));
  }

  /** Forgets the oldest ones that are over. */
  expire(nowMs: number): void {
    for (const [id, tombstone] of this.#byId) {
      if (nowMs < tombstone.untilMs) return;
      this.#byId.delete(id);
    }
  }

  #prune(nowMs: number): void {
    this.expire(nowMs);
    for (const id of this.#byId.keys()) {
      if (this.#byId.size <= this.#maxCount) return;
      this.#byId.delete(id);
      this.#pruned();
    }
  }
}
