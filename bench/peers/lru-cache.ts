/** lru-cache, which the load awaits like every other cache. It is the peer of the coherent near cache. */
import { LRUCache } from "lru-cache";
import type { EntryStore } from "../entry-store.ts";
import type { LocalCache } from "../local-cache.ts";

export function open(entriesMax: number): LocalCache<string | undefined> {
  const cache = new LRUCache<string, string>({ max: entriesMax });
  return {
    get: (key) => cache.get(key),
    valueChars: (answer) => answer?.length ?? -1,
    set: (key, value) => cache.set(key, value),
    localHits: () => undefined,
    async close() {},
  };
}

/** Its usual use for bytes: each value is copied to a Buffer of its own. */
export function openStore(entriesMax: number): EntryStore {
  const cache = new LRUCache<string, Buffer>({ max: entriesMax });
  return {
    get: (key) => cache.get(key),
    set: (key, value) => {
      cache.set(key, Buffer.from(value));
    },
    entryCount: () => cache.size,
  };
}
