/** The copies of one shard, by tag too: an event of a tag, a prefix or a namespace comes once for each shard. */

interface IndexedEntry {
  readonly key: string;
  readonly tags: readonly string[];
}

export interface TagIndex<Entry extends IndexedEntry> {
  add(copy: Entry): void;
  remove(copy: Entry): void;
  /** May be removed from while it is walked. */
  matching(target: "key" | "tag" | "prefix" | "all", name: string): Iterable<Entry>;
}

export function createTagIndex<Entry extends IndexedEntry>(): TagIndex<Entry> {
  const copies = new Set<Entry>();
  const byTag = new Map<string, Set<Entry>>();

  function* withPrefix(prefix: string): Iterable<Entry> {
    for (const copy of copies) if (copy.key.startsWith(prefix)) yield copy;
  }

  return {
    add(copy) {
      copies.add(copy);
      for (const tag of copy.tags) {
        const tagged = byTag.get(tag);
        if (tagged === undefined) byTag.set(tag, new Set([copy]));
        else tagged.add(copy);
      }
    },
    remove(copy) {
      copies.delete(copy);
      for (const tag of copy.tags) {
        const tagged = byTag.get(tag);
        if (tagged?.delete(copy) && tagged.size === 0) byTag.delete(tag);
      }
    },
    matching(target, name) {
      switch (target) {
        case "tag":
          return byTag.get(name) ?? [];
        case "prefix":
          return withPrefix(name);
        case "all":
          return copies;
        case "key":
          return [];
        default:
          return target satisfies never;
      }
    },
  };
}
