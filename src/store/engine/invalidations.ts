/** Invalidations of one shard: of keys at once, of tags and prefixes by fences. Each ends the leases that it concerns. */

import type { InvalidateCommand } from "../api/store.ts";
import type { NamespaceCounter } from "../api/usage.ts";
import type { Fences, Raised } from "../fences/fences.ts";
import type { Leases } from "../leases/leases.ts";
import type { NamespaceTable } from "../namespaces/namespace-table.ts";
import { CELL } from "../namespaces/record-cells.ts";
import type { ShardClock } from "../shm/shard-clock.ts";
import type { ShardEntries } from "./entries.ts";
import type { ShardEvents } from "./shard-events.ts";

/** A key of the shard with its hash, which the caller has computed. */
export interface HashedKey {
  readonly key: string;
  readonly hash: number;
}

interface InvalidationsParts {
  /** Its shard counts what all shards invalidate together, once. */
  readonly isFirst: boolean;
  readonly clock: ShardClock;
  readonly namespaces: NamespaceTable;
  readonly entries: ShardEntries;
  readonly fences: Fences;
  readonly leases: Leases;
  readonly events: ShardEvents;
}

export class Invalidations {
  readonly #parts: InvalidationsParts;

  constructor(parts: InvalidationsParts) {
    this.#parts = parts;
  }

  /** All keys at one revision. Returns how many entries were removed, or made stale by a soft invalidation. */
  keys(command: InvalidateCommand, keys: readonly HashedKey[], nowMs: number): number {
    const { leases, events, namespaces } = this.#parts;
    const { namespace, soft, writer } = command;
    const { record } = this.#begin(command, nowMs);
    namespaces.add(record, CELL.invalidatedKeys, keys.length);
    let removed = 0;
    for (const key of keys) {
      const changed = soft
        ? this.#stale(record, namespace, key, nowMs)
        : this.#remove(record, command, key, nowMs);
      if (changed) removed++;
      leases.void(namespace, key.key, nowMs);
      events.emit(soft ? "staled" : "invalidated", namespace, "key", key.key, writer);
    }
    return removed;
  }

  tags(command: InvalidateCommand, tags: ReadonlySet<string>, nowMs: number): void {
    const { leases, events, fences } = this.#parts;
    const { namespace, soft, writer } = command;
    const raised = this.#begin(command, nowMs);
    this.#count(raised.record, CELL.invalidatedTags, tags.size);
    // A lease with such a tag is refused when its Set names the tag.
    const oldestLeaseRevision = leases.oldestRevision();
    for (const tag of tags) {
      fences.raiseTag(raised, tag, oldestLeaseRevision);
      events.emit(soft ? "staled" : "invalidated", namespace, "tag", tag, writer);
    }
  }

  /** Every key with this prefix; `undefined`: every key of the namespace. */
  prefix(command: InvalidateCommand, prefix: string | undefined, nowMs: number): void {
    const { namespaces, entries, leases, events, fences } = this.#parts;
    const { namespace, soft, writer } = command;
    const raised = this.#begin(command, nowMs);
    this.#count(raised.record, prefix === undefined ? CELL.invalidatedAll : CELL.invalidatedPrefixes, 1);
    const name = prefix ?? "";
    // What has no entry in this shard needs neither a fence nor a sweep of all entries.
    if (namespaces.get(raised.record, CELL.entries) > 0) {
      fences.raisePrefix(raised, name);
      entries.sweepSoon(raised.revision);
    }
    leases.voidPrefix(namespace, name, nowMs);
    const target = prefix === undefined ? "all" : "prefix";
    events.emit(soft ? "staled" : "invalidated", namespace, target, name, writer);
  }

  #count(record: number, counter: NamespaceCounter, by: number): void {
    if (this.#parts.isFirst) this.#parts.namespaces.add(record, counter, by);
  }

  #begin({ namespace, soft }: InvalidateCommand, nowMs: number): Raised {
    const { leases, clock, namespaces } = this.#parts;
    leases.endDue(nowMs);
    clock.bump();
    return { record: namespaces.claim(namespace), namespace, soft, revision: clock.revision, nowMs };
  }

  #stale(record: number, namespace: string, { key, hash }: HashedKey, nowMs: number): boolean {
    const { entries } = this.#parts;
    const found = entries.find(record, namespace, key, hash, nowMs);
    if (found === undefined) return false;
    entries.table.markStaled(found.entry);
    return found.state === "fresh";
  }

  #remove(record: number, command: InvalidateCommand, { key, hash }: HashedKey, nowMs: number): boolean {
    const { entries } = this.#parts;
    const { namespace, sourceVersion } = command;
    const entry = entries.find(record, namespace, key, hash, nowMs)?.entry;
    entries.tombstones.add({ record, namespace, key, sourceVersion }, nowMs, nowMs);
    if (entry === undefined) return false;
    if (sourceVersion !== 0n && entry.sourceVersion >= sourceVersion) return false;
    entries.remove(entry, nowMs);
    return true;
  }
}
