// The types of the adapters of PACKAGE, for a compiler that checks the declarations of packages too, without what is adapted.
import type { MeshCache } from "PACKAGE";
import { createKeyValueCache, type MeshKeyValueCache } from "PACKAGE/apollo";
import { type MeshcacheDriverResult, meshcacheBusDriver, meshcacheDriver } from "PACKAGE/bentocache";
import { createKeyvStore, type KeyvStore } from "PACKAGE/keyv";
import { createCacheHandler, type MeshCacheHandler } from "PACKAGE/next";
import { type MeshcacheDriver, meshcacheDriver as unstorageDriver } from "PACKAGE/unstorage";

export const storeOf = (cache: MeshCache): KeyvStore => createKeyvStore({ cache, namespace: "keyv" });
export const queriesOf = (cache: MeshCache): MeshKeyValueCache => createKeyValueCache({ cache });
export const layerOf = (cache: MeshCache): MeshcacheDriverResult => meshcacheDriver({ cache });
export const busOf = (cache: MeshCache) => meshcacheBusDriver({ cache }).factory();
export const itemsOf = (cache: MeshCache): MeshcacheDriver => unstorageDriver({ cache });
export const handlerOf = (cache: MeshCache): MeshCacheHandler => createCacheHandler({ cache });
