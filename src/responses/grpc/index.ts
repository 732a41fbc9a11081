/** `import "meshcache/grpc"`: caches the responses of services of grpc-js, in their clients and in their servers. */
import "../../common/require-node.ts";

export type { AnswerSource, WriteEffect } from "../answer-source.ts";
export type { ServiceSource } from "../options/service-methods.ts";
export type { ResponseCacheOptions } from "../response-cache.ts";
export { type CacheInterceptorOptions, createCacheInterceptor } from "./client-interceptor.ts";
export { type CachedServiceOptions, cacheService } from "./service-wrapper.ts";
