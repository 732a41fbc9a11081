/** bentocache with only its in-memory tier. */
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import type { LocalCache } from "../local-cache.ts";

export function open(entriesMax: number): LocalCache<string | undefined> {
  const store = bentostore().useL1Layer(memoryDriver({ maxItems: entriesMax, serialize: false }));
  const cache = new BentoCache({ default: "memory", stores: { memory: store } });
  return {
    get: (key) => cache.get<string | undefined>({ key }),
    valueChars: (answer) => answer?.length ?? -1,
    set: (key, value) => cache.set({ key, value }),
    localHits: () => undefined,
    close: () => cache.disconnectAll(),
  };
}
