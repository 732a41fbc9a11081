// The types of the exports that meshcache has beside its client's.
import { CacheService } from "meshcache/gen/meshcache/v1/cache_pb";
import { type CacheServer, createServer, createStore } from "meshcache/server";
import { startTestCache, type TestCache } from "meshcache/testing";

export const server: CacheServer = createServer({ listen: "127.0.0.1:0" });
export const mesh: Promise<TestCache> = startTestCache();
export const others = [createStore, CacheService];
