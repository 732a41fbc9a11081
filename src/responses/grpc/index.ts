/** `import "meshcache/grpc"`: caches the responses of services of grpc-js, in their clients and in their servers. */
import "../../common/require-node.ts";

export type { ServiceSource } from "../options/service-methods.ts";
export type { AnswerSource, ResponseCacheOptions, WriteEffect } from "../response-cache.ts";
export { type CacheInterceptorOptions, createCacheInterceptor } from "./client-interceptor.ts";
export { type CachedServiceOptions, cacheService } from "./service-wrapper.ts";
