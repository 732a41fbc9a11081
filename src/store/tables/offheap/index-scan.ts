/**
 * Scans all entries of an index in slices, by ascending hash. Between two slices neither a move of an entry in the log
 * nor growth of the index changes that order.
 */
import type { KeyIndex } from "./key-index.ts";

/** A position is the next hash plus one; 0 is the end. */
export const FIRST_POSITION = 1;
const HASH_END = 0x1_0000_0000;

/**
 * Calls `visit` with the word of each of at most `maxEntries` entries, which it may remove. Entries of equal hash are
 * visited in one slice, even if they are more. An empty chunk counts as one entry. Returns the next position, or 0 at
 * the end.
 */
export function scanIndex(
  index: KeyIndex,
  position: number,
  maxEntries: number,
  visit: (at: number) => void,
): number {
  let from = position - 1;
  let left = maxEntries;
  while (left > 0) {
    const hashes = index.hashesFrom(from);
    const past = index.hashAfterChunk(from);
    if (hashes.length === 0) left--;
    let former = -1;
    for (const hash of hashes) {
      if (hash === former) continue;
      former = hash;
      const entries = entriesWith(index, hash);
      if (left < entries.length && left < maxEntries) return hash + 1;
      for (const at of entries) visit(at);
      left -= entries.length;
    }
    if (past === HASH_END) return 0;
    from = past;
  }
  return from + 1;
}

function entriesWith(index: KeyIndex, hash: number): readonly number[] {
  const entries: number[] = [];
  for (let slot = index.first(hash); slot !== 0; slot = index.next(slot, hash)) {
    entries.push(index.entryOf(slot));
  }
  return entries;
}
