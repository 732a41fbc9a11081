/** What `import "meshcache/server"` gives: a server to embed, its store and its limits. */
import { type CacheServer, createCacheServer, type ServerOptions } from "./cache-server.ts";

export { createStore, type StoreOptions } from "../store/create-store.ts";
export { type Limits, resolveLimits } from "../wire/limits.ts";
export type { CacheServer, ServerOptions } from "./cache-server.ts";
export { resolveTransportLimits, type TransportLimits } from "./transport-limits.ts";

/** Throws a RangeError that names the limit out of its range, or FIELD_INVALID for `listen`. */
export function createServer(options: ServerOptions = {}): CacheServer {
  return createCacheServer(options);
}
