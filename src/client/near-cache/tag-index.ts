/** Finds the cached entries that a change concerns: by shard, and within a shard by tag or key prefix. */
import type { Change } from "../coherence/coherence.ts";

interface IndexedEntry {
  readonly key: string;
  readonly shard: number;
  readonly tags: readonly string[];
}

/** The entries of one shard. */
class TagIndex<Entry extends IndexedEntry> {
  readonly #entries = new Set<Entry>();
  readonly #byTag = new Map<string, Set<Entry>>();

  add(entry: Entry): void {
    this.#entries.add(entry);
    for (const tag of entry.tags) {
      const tagged = this.#byTag.get(tag);
      if (tagged === undefined) this.#byTag.set(tag, new Set([entry]));
      else tagged.add(entry);
    }
  }

  remove(entry: Entry): void {
    this.#entries.delete(entry);
    for (const tag of entry.tags) {
      const tagged = this.#byTag.get(tag);
      if (tagged?.delete(entry) && tagged.size === 0) this.#byTag.delete(tag);
    }
  }

  /** The caller may remove entries while it iterates. */
  matching(target: Change["target"], name: string): Iterable<Entry> {
    switch (target) {
      case "tag":
        return this.#byTag.get(name) ?? [];
      case "prefix":
        return this.#withPrefix(name);
      case "all":
        return this.#entries;
      case "key":
        return [];
      default:
        return target satisfies never;
    }
  }

  *#withPrefix(prefix: string): Iterable<Entry> {
    for (const entry of this.#entries) if (entry.key.startsWith(prefix)) yield entry;
  }
}

/** So many entries are looked through one by one: an index of each shard would take more memory than they do. */
export const FEW_MAX = 4;

/** Of a few entries, those of the change's shard that its tag, prefix or namespace concerns. */
export function fewMatching<Entry extends IndexedEntry>(entries: Iterable<Entry>, change: Change): Entry[] {
  const { shard, target, name } = change;
  return fewMatchingInAll(entries, target, name).filter((entry) => entry.shard === shard);
}

/** The same for all shards. */
export function fewMatchingInAll<Entry extends IndexedEntry>(
  entries: Iterable<Entry>,
  target: Change["target"],
  name: string,
): Entry[] {
  return Array.from(entries).filter((entry) => isConcerned(entry, target, name));
}

/** One index for each shard: the server sends an event of a tag, a prefix or a namespace once for each shard. */
export class ShardIndexes<Entry extends IndexedEntry> {
  /** By shard. */
  readonly #indexes: TagIndex<Entry>[] = [];

  constructor(entries: Iterable<Entry>) {
    for (const entry of entries) this.add(entry);
  }

  add(entry: Entry): void {
    const index = this.#indexes[entry.shard] ?? new TagIndex<Entry>();
    this.#indexes[entry.shard] = index;
    index.add(entry);
  }

  remove(entry: Entry): void {
    this.#indexes[entry.shard]?.remove(entry);
  }

  /** The entries of the change's shard that its tag, prefix or namespace concerns. Empty for a key. */
  matching({ shard, target, name }: Change): Iterable<Entry> {
    return this.#indexes[shard]?.matching(target, name) ?? [];
  }

  /** The same for all shards. */
  *matchingInAll(target: Change["target"], name: string): Iterable<Entry> {
    for (const index of this.#indexes) if (index !== undefined) yield* index.matching(target, name);
  }
}

function isConcerned({ key, tags }: IndexedEntry, target: Change["target"], name: string): boolean {
  switch (target) {
    case "tag":
      return tags.includes(name);
    case "prefix":
      return key.startsWith(name);
    case "all":
      return true;
    case "key":
      return false;
    default:
      return target satisfies never;
  }
}
