/** `import "meshcache/next"`: a cache handler of Next.js. */
export type { CacheEntry } from "./cache-entry.ts";
export { type CacheHandlerOptions, createCacheHandler, type MeshCacheHandler } from "./cache-handler.ts";
