/** `import "meshcache/connect"`: caches the responses of services of Connect, in their clients and in their servers. */
import "../../common/require-node.ts";

export type { ServiceSource } from "../options/service-methods.ts";
export type { AnswerSource, ResponseCacheOptions, WriteEffect } from "../response-cache.ts";
export { type ConnectCacheOptions, createCacheInterceptor } from "./interceptor.ts";
