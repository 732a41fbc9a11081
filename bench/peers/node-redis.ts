/**
 * node-redis over one connection: as a remote client with binary replies, and as a near cache with its
 * client-side cache.
 */
import { BasicClientSideCache, createClient, RESP_TYPES } from "redis";
import type { LocalCache } from "../local-cache.ts";
import type { RemoteCache } from "../remote-cache.ts";

export async function connect(address: string): Promise<RemoteCache<Buffer | null, unknown>> {
  const client = createClient({ url: `redis://${address}` });
  await client.connect();
  const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  return {
    get: (key) => binary.get(key),
    valueBytes: (answer) => answer?.length ?? -1,
    set: (key, value) => client.set(key, value),
    isStored: (answer) => answer === "OK",
    async close() {
      client.destroy();
    },
  };
}

/** RESP3 client tracking invalidates its cached entries. It is the closest peer to a near cache. */
export async function connectWithClientSideCache(
  address: string,
  entriesMax: number,
): Promise<LocalCache<string | null>> {
  const clientSideCache = new BasicClientSideCache({ maxEntries: entriesMax, ttl: 0, evictPolicy: "LRU" });
  const client = createClient({ url: `redis://${address}`, RESP: 3, clientSideCache });
  await client.connect();
  return {
    get: (key) => client.get(key),
    valueChars: (answer) => answer?.length ?? -1,
    set: (key, value) => client.set(key, value),
    localHits: () => clientSideCache.stats().hitCount,
    async close() {
      client.destroy();
    },
  };
}
