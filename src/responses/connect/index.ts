/** `import "meshcache/connect"`: caches the responses of services of Connect, in their clients and in their servers. */
import "../../common/require-node.ts";

export type { AnswerSource, WriteEffect } from "../answer-source.ts";
export type { ServiceSource } from "../options/service-methods.ts";
export type { ResponseCacheOptions } from "../response-cache.ts";
export { type ConnectCacheOptions, createCacheInterceptor } from "./interceptor.ts";
