/**
 * The last changes of one shard, for the third condition of the fill rule. Bounded: a change that was dropped
 * counts as a match.
 */
import type { Change } from "./coherence.ts";

/** More changes than usually overtake a response. A dropped change costs a fill, never coherence. */
const DEFAULT_CAPACITY = 256;

export interface RecentChanges {
  add(change: Change): void;
  /** Counts every change up to `revision` as dropped. */
  drop(revision: number): void;
  /** True when a change after `revision` matches the entry, or when a change after it was dropped and so may match. */
  mayMatchAfter(revision: number, namespace: string, key: string, tags: readonly string[]): boolean;
}

export function createRecentChanges(capacity = DEFAULT_CAPACITY): RecentChanges {
  const ring: Change[] = [];
  let next = 0;
  let highest = 0;
  let highestDropped = 0;
  return {
    add(change) {
      highest = Math.max(highest, change.revision);
      const pushedOut = ring[next];
      if (pushedOut !== undefined) highestDropped = Math.max(highestDropped, pushedOut.revision);
      ring[next] = change;
      next = (next + 1) % capacity;
    },
    drop(revision) {
      highest = Math.max(highest, revision);
      highestDropped = Math.max(highestDropped, revision);
    },
    mayMatchAfter(revision, namespace, key, tags) {
      if (revision >= highest) return false;
      if (revision < highestDropped) return true;
      return ring.some((change) => change.revision > revision && matches(change, namespace, key, tags));
    },
  };
}

/** Whether a change concerns the entry. */
export function matches(change: Change, namespace: string, key: string, tags: readonly string[]): boolean {
  if (change.namespace !== namespace) return false;
  switch (change.target) {
    case "key":
      return change.name === key;
    case "tag":
      return tags.includes(change.name);
    case "prefix":
      return key.startsWith(change.name);
    case "all":
      return true;
    default:
      return change.target satisfies never;
  }
}
