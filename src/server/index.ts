/** The exports of "meshcache/server": a server to embed, its store and its limits. */
import "../common/require-node.ts";
import { type CacheServer, createCacheServer, type ServerOptions } from "./server.ts";

export { type Limits, resolveLimits } from "../rpc/limits.ts";
export type { SecurityOptions } from "../security/security.ts";
export type { ServerTlsOptions, TlsVersion } from "../security/tls/server-tls.ts";
export { createStore, type StoreOptions } from "../store/engine/create-store.ts";
export type { Acceleration } from "./connections/accelerator.ts";
export type { HttpPortOptions } from "./http-port.ts";
export { resolveTransportLimits, type TransportLimits } from "./limits/transport-limits.ts";
export type { CacheServer, ServerOptions } from "./server.ts";
export type { ServerFacts } from "./services/admin-service.ts";

/** Throws a RangeError that names the limit out of its range, or FIELD_INVALID for `listen`. */
export function createServer(options: ServerOptions = {}): CacheServer {
  return createCacheServer(options);
}
