/** Invalidations of one shard: of keys at once, of tags and prefixes by fences. Each ends the leases that it concerns. */
import type { InvalidateCommand } from "../api/store.ts";
import type { Leases } from "../leases/leases.ts";
import type { ShardClock } from "../shm/shard-clock.ts";
import type { ShardEntries } from "./entries.ts";
import type { ShardEvents } from "./shard-events.ts";

/** A key of the shard with its hash, which the caller has computed. */
export interface HashedKey {
  readonly key: string;
  readonly hash: number;
}

export class Invalidations {
  readonly #clock: ShardClock;
  readonly #entries: ShardEntries;
  readonly #leases: Leases;
  readonly #events: ShardEvents;

  constructor(clock: ShardClock, entries: ShardEntries, leases: Leases, events: ShardEvents) {
    this.#clock = clock;
    this.#entries = entries;
    this.#leases = leases;
    this.#events = events;
  }

  /** All keys at one revision. Returns how many entries were removed, or made stale by a soft invalidation. */
  keys(command: InvalidateCommand, keys: readonly HashedKey[], nowMs: number): number {
    const { namespace, soft, writer } = command;
    this.#begin(nowMs);
    let removed = 0;
    for (const { key, hash } of keys) {
      const changed = soft
        ? this.#stale(namespace, key, hash, nowMs)
        : this.#remove(namespace, key, hash, command.sourceVersion, nowMs);
      if (changed) removed++;
      this.#leases.void(namespace, key, nowMs);
      this.#events.emit(soft ? "staled" : "invalidated", namespace, "key", key, writer);
    }
    return removed;
  }

  tags(command: InvalidateCommand, tags: Iterable<string>, nowMs: number): void {
    const { namespace, soft, writer } = command;
    this.#begin(nowMs);
    for (const tag of tags) {
      // A lease with this tag is refused when its Set names the tag.
      this.#entries.tagFences.raise(namespace, tag, soft, this.#clock.revision, nowMs);
      this.#events.emit(soft ? "staled" : "invalidated", namespace, "tag", tag, writer);
    }
  }

  /** Every key with this prefix; `undefined`: every key of the namespace. */
  prefix(command: InvalidateCommand, prefix: string | undefined, nowMs: number): void {
    const { namespace, soft, writer } = command;
    this.#begin(nowMs);
    const name = prefix ?? "";
    this.#entries.prefixFences.raise(namespace, name, soft, this.#clock.revision, nowMs);
    this.#leases.voidPrefix(namespace, name, nowMs);
    const target = prefix === undefined ? "all" : "prefix";
    this.#events.emit(soft ? "staled" : "invalidated", namespace, target, name, writer);
  }

  #begin(nowMs: number): void {
    this.#leases.endDue(nowMs);
    this.#clock.bump();
  }

  #stale(namespace: string, key: string, hash: number, nowMs: number): boolean {
    const found = this.#entries.find(namespace, key, hash, nowMs);
    if (found === undefined) return false;
    this.#entries.table.markStaled(found.entry);
    return found.state === "fresh";
  }

  #remove(namespace: string, key: string, hash: number, sourceVersion: bigint, nowMs: number): boolean {
    const entry = this.#entries.find(namespace, key, hash, nowMs)?.entry;
    this.#entries.tombstones.add(namespace, key, sourceVersion, nowMs, nowMs);
    if (entry === undefined) return false;
    if (sourceVersion !== 0n && entry.sourceVersion >= sourceVersion) return false;
    this.#entries.remove(entry, nowMs);
    return true;
  }
}
