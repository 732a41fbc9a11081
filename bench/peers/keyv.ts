/** Keyv over Redis by its own store, and over meshcache by `meshcache/keyv`. Both have what `new Keyv({ store })` gives. */
import KeyvRedis from "@keyv/redis";
import { Keyv, type KeyvStoreAdapter } from "keyv";
import { createKeyvStore } from "../../src/adapters/keyv/index.ts";
import { MeshCache } from "../../src/index.ts";
import type { LocalCache } from "../local-cache.ts";

/** More than an entry with a value of 100 B needs, so that every read is a hit. */
const ENTRY_MAX_BYTES = 2_000;

export async function openOverRedis(address: string): Promise<LocalCache<string | undefined>> {
  return over(new KeyvRedis(`redis://${address}`) as KeyvStoreAdapter, async () => {});
}

export async function openOverMeshcache(
  address: string,
  entriesMax: number,
): Promise<LocalCache<string | undefined>> {
  const cache = new MeshCache({ address, nearCache: { maxBytes: entriesMax * ENTRY_MAX_BYTES } });
  const store = createKeyvStore({ cache });
  // The first read opens the subscription. Nothing is kept before it is live.
  await store.get("opening");
  return {
    ...over(store, async () => void (await cache.close())),
    localHits: () => cache.stats().near.hits,
  };
}

function over(store: KeyvStoreAdapter, end: () => Promise<void>): LocalCache<string | undefined> {
  const keyv = new Keyv<string>({ store });
  return {
    get: (key) => keyv.get(key),
    valueChars: (answer) => answer?.length ?? -1,
    set: (key, value) => keyv.set(key, value),
    localHits: () => undefined,
    async close() {
      await keyv.disconnect();
      await end();
    },
  };
}
