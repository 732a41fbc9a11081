/** `import "meshcache/apollo"`: a `KeyValueCache` of Apollo. */
export { createKeyValueCache, type KeyValueCacheOptions, type MeshKeyValueCache } from "./key-value-cache.ts";
