/** The last changes of one shard, for the fill rule's third condition. Bounded: it forgets in the safe direction. */
import type { Change } from "./coherence.ts";

/** Enough for what can overtake an answer; what is forgotten costs a fill, never coherence. */
const DEFAULT_CAPACITY = 256;

export interface RecentChanges {
  add(change: Change): void;
  /** As if changes up to `revision` had been forgotten. */
  forget(revision: number): void;
  /**
   * True when a change after `revision` matches the entry, and also when a change after it was forgotten, for
   * that one might have.
   */
  mayMatchAfter(revision: number, namespace: string, key: string, tags: readonly string[]): boolean;
}

export function createRecentChanges(capacity = DEFAULT_CAPACITY): RecentChanges {
  const ring: Change[] = [];
  let next = 0;
  let highest = 0;
  let forgotten = 0;
  return {
    add(change) {
      highest = Math.max(highest, change.revision);
      const pushedOut = ring[next];
      if (pushedOut !== undefined) forgotten = Math.max(forgotten, pushedOut.revision);
      ring[next] = change;
      next = (next + 1) % capacity;
    },
    forget(revision) {
      highest = Math.max(highest, revision);
      forgotten = Math.max(forgotten, revision);
    },
    mayMatchAfter(revision, namespace, key, tags) {
      if (revision >= highest) return false;
      if (revision < forgotten) return true;
      return ring.some((change) => change.revision > revision && matches(change, namespace, key, tags));
    },
  };
}

/** Whether a change is about the entry. */
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
