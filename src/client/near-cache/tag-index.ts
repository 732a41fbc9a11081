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
const FEW_MAX = 4;

const NONE: readonly never[] = [];

/** One index for each shard: the server sends an event of a tag, a prefix or a namespace once for each shard. */
export class ShardIndexes<Entry extends IndexedEntry> {
  /** All entries, as long as they are few. Replaced by one of the exact length, which takes the least memory. */
  #few: readonly Entry[] = NONE;
  /** By shard. */
  #many: TagIndex<Entry>[] | undefined;

  add(entry: Entry): void {
    if (this.#many === undefined && this.#few.length < FEW_MAX) this.#few = this.#few.concat(entry);
    else this.#index(entry);
  }

  remove(entry: Entry): void {
    if (this.#many === undefined) {
      const at = this.#few.indexOf(entry);
      if (at >= 0) this.#few = this.#few.toSpliced(at, 1);
    } else this.#many[entry.shard]?.remove(entry);
  }

  /** The entries of the change's shard that its tag, prefix or namespace concerns. Empty for a key. */
  matching({ shard, target, name }: Change): Iterable<Entry> {
    if (this.#many !== undefined) return this.#many[shard]?.matching(target, name) ?? [];
    return this.#few.filter((entry) => entry.shard === shard && isConcerned(entry, target, name));
  }

  /** The same for all shards. */
  *matchingInAll(target: Change["target"], name: string): Iterable<Entry> {
    yield* this.#few.filter((entry) => isConcerned(entry, target, name));
    for (const index of this.#many ?? []) if (index !== undefined) yield* index.matching(target, name);
  }

  #index(entry: Entry): void {
    this.#many ??= [];
    const few = this.#few;
    this.#few = NONE;
    for (const one of [...few, entry]) {
      const index = this.#many[one.shard] ?? new TagIndex<Entry>();
      this.#many[one.shard] = index;
      index.add(one);
    }
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
