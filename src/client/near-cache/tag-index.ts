/** The copies of one shard, by tag too: an event of a tag, a prefix or a namespace comes once for each shard. */

interface Indexed {
  readonly key: string;
  readonly tags: readonly string[];
}

export interface ShardCopies<Copy extends Indexed> {
  add(copy: Copy): void;
  remove(copy: Copy): void;
  /** May be removed from while it is walked. */
  matching(target: "key" | "tag" | "prefix" | "all", name: string): Iterable<Copy>;
}

export function createShardCopies<Copy extends Indexed>(): ShardCopies<Copy> {
  const copies = new Set<Copy>();
  const byTag = new Map<string, Set<Copy>>();

  function* withPrefix(prefix: string): Iterable<Copy> {
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
