/** `import "meshcache/keyv"`: stores for Keyv, and so for cache-manager, NestJS and all else that takes a Keyv. */
export type { KeyvStoreOptions } from "./entries.ts";
export { createKeyvStore, type KeyvItem, type KeyvStore } from "./keyv-store.ts";
export { createKeyv6Store, type Keyv6Item, type Keyv6Store } from "./keyv6-store.ts";
