/** What a load needs of a cache in its own process. Values are strings: what no cache has to clone. */

export interface LocalCache<Answer = unknown> {
  /** What the cache itself answers: a wrapper of its promise would cost what its users do not pay. */
  get(key: string): Promise<Answer> | Answer;
  /** Of the value in an answer; -1 for a miss. */
  valueChars(answer: Answer): number;
  set(key: string, value: string): Promise<unknown> | unknown;
  /** Reads answered without leaving the process, from its start, where the cache counts them. */
  localHits(): number | undefined;
  close(): Promise<void>;
}

export type LocalCacheName = "meshcache" | "redis" | "bentocache" | "lru-cache";

/** `address` is of the server behind the cache, where there is one. */
export async function openLocalCache(
  name: LocalCacheName,
  address: string,
  entriesMax: number,
): Promise<LocalCache> {
  switch (name) {
    case "meshcache":
      return (await import("./ours/near-cache.ts")).connect(address, entriesMax);
    case "redis":
      return (await import("./peers/node-redis.ts")).connectWithClientSideCache(address, entriesMax);
    case "bentocache":
      return (await import("./peers/bentocache.ts")).open(entriesMax);
    case "lru-cache":
      return (await import("./peers/lru-cache.ts")).open(entriesMax);
  }
}
