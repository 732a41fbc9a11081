/** The types agree with those of Next.js. */
import type { CacheHandler } from "next/dist/server/lib/cache-handlers/types.js";
import type { MeshCacheHandler } from "../../../../src/adapters/next/index.ts";

export const asCacheHandler = (handler: MeshCacheHandler): CacheHandler => handler;
