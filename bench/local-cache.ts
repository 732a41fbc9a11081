/** The interface of a cache in the process of its load. Values are strings, which no cache has to clone. */

export interface LocalCache<Answer = unknown> {
  /** The promise of the cache itself. A wrapper would add a cost that its users do not have. */
  get(key: string): Promise<Answer> | Answer;
  /** The size of the value in an answer. -1 for a miss. */
  valueChars(answer: Answer): number;
  set(key: string, value: string): Promise<unknown> | unknown;
  /** Reads that were answered in the process since its start, if the cache counts them. */
  localHits(): number | undefined;
  close(): Promise<void>;
}

export type LocalCacheName =
  | "meshcache"
  | "redis"
  | "valkey-glide"
  | "bentocache"
  | "lru-cache"
  | "keyv-meshcache"
  | "keyv-redis";

/** `address`: the server behind the cache, if there is one. */
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
    case "valkey-glide":
      return (await import("./peers/valkey-glide.ts")).connectWithClientSideCache(address, entriesMax);
    case "bentocache":
      return (await import("./peers/bentocache.ts")).open(entriesMax);
    case "keyv-meshcache":
      return (await import("./peers/keyv.ts")).openOverMeshcache(address, entriesMax);
    case "keyv-redis":
      return (await import("./peers/keyv.ts")).openOverRedis(address);
    case "lru-cache":
      return (await import("./peers/lru-cache.ts")).open(entriesMax);
  }
}
