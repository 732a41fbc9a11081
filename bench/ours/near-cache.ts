/** meshcache's client with its near cache. Only the size of the near cache differs from the defaults. */
import { MeshCache, type Outcome, text } from "../../src/index.ts";
import type { LocalCache } from "../local-cache.ts";
import { NAMESPACE } from "./namespace.ts";

/** More than an entry with a value of 100 B needs, so that every read is a hit. */
const ENTRY_MAX_BYTES = 2_000;

export async function connect(address: string, entriesMax: number): Promise<LocalCache<Outcome<string>>> {
  const client = new MeshCache({ address, nearCache: { maxBytes: entriesMax * ENTRY_MAX_BYTES } });
  const entries = client.namespace(NAMESPACE, { codec: text() });
  // The first read opens the subscription. Nothing is kept before it is live.
  await entries.get("opening");
  return {
    get: (key) => entries.get(key),
    valueChars: (answer) => (answer.kind === "hit" ? answer.value.length : -1),
    set: (key, value) => entries.set(key, value),
    localHits: () => client.stats().near.hits,
    close: async () => void (await client.close()),
  };
}
