/** Finds the cached entries that a change concerns: by shard, and within a shard by tag or key prefix. */
import type { Change } from "../coherence/coherence.ts";

interface IndexedEntry {
  readonly key: string;
  readonly shard: number;
  readonly tags: readonly string[];
}

/** The entries of one shard. */
export interface TagIndex<Entry extends IndexedEntry> {
  add(entry: Entry): void;
  remove(entry: Entry): void;
  /** The caller may remove entries while it iterates. */
  matching(target: Change["target"], name: string): Iterable<Entry>;
}

/** One index for each shard: the server sends an event of a tag, a prefix or a namespace once for each shard. */
export class ShardIndexes<Entry extends IndexedEntry> {
  readonly #shards: TagIndex<Entry>[] = [];

  add(entry: Entry): void {
    let index = this.#shards[entry.shard];
    if (index === undefined) {
      index = createTagIndex();
      this.#shards[entry.shard] = index;
    }
    index.add(entry);
  }

  remove(entry: Entry): void {
    this.#shards[entry.shard]?.remove(entry);
  }

  /** The entries of the change's shard that its tag, prefix or namespace concerns. Empty for a key. */
  matching(change: Change): Iterable<Entry> {
    return this.#shards[change.shard]?.matching(change.target, change.name) ?? [];
  }

  /** The same for all shards. */
  *matchingInAll(target: Change["target"], name: string): Iterable<Entry> {
    for (const index of this.#shards) if (index !== undefined) yield* index.matching(target, name);
  }
}

export function createTagIndex<Entry extends IndexedEntry>(): TagIndex<Entry> {
  const entries = new Set<Entry>();
  const byTag = new Map<string, Set<Entry>>();

  function* withPrefix(prefix: string): Iterable<Entry> {
    for (const entry of entries) if (entry.key.startsWith(prefix)) yield entry;
  }

  return {
    add(entry) {
      entries.add(entry);
      for (const tag of entry.tags) {
        const tagged = byTag.get(tag);
        if (tagged === undefined) byTag.set(tag, new Set([entry]));
        else tagged.add(entry);
      }
    },
    remove(entry) {
      entries.delete(entry);
      for (const tag of entry.tags) {
        const tagged = byTag.get(tag);
        if (tagged?.delete(entry) && tagged.size === 0) byTag.delete(tag);
      }
    },
    matching(target, name) {
      switch (target) {
        case "tag":
          return byTag.get(name) ?? [];
        case "prefix":
          return withPrefix(name);
        case "all":
          return entries;
        case "key":
          return [];
        default:
          return target satisfies never;
      }
    },
  };
}
