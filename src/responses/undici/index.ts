/** What `import "meshcache/undici"` gives: a store for undici's cache of responses. */
export { type CacheStoreOptions, createCacheStore, type MeshCacheStore } from "./cache-store.ts";
export type { CachedResponse, CacheKey, CacheValue } from "./entries.ts";
