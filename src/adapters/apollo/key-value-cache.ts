/** A `KeyValueCache` of Apollo: persisted queries, whole responses and fetched data, in the cache of the mesh. */
import { checkCacheOptions } from "../../client/api/cache-option.ts";
import { text } from "../../client/api/codecs.ts";
import { optionNames } from "../../client/api/option-names.ts";
import type { MeshCache } from "../../client/mesh-cache.ts";
import type { Namespace } from "../../client/namespace.ts";
import { ForeignKeys } from "../foreign-keys.ts";
import { toLifetimeMs } from "../lifetimes.ts";
import { unlessOutage } from "../outages.ts";

export interface KeyValueCacheOptions {
  /** Keeps the entries. */
  readonly cache: MeshCache;
  /** Where they are kept; default "apollo". */
  readonly namespace?: string;
}

const OPTIONS = optionNames<KeyValueCacheOptions>({ cache: true, namespace: true });

/** As Apollo's `KeyValueCache<string>`. Without a cache nothing is found and nothing is kept. */
export interface MeshKeyValueCache {
  get(key: string): Promise<string | undefined>;
  /**
   * `ttl` is in seconds: `undefined`, `null` and 0 are none, as in Apollo's own caches. Rejects with FIELD_INVALID for a value that
   * is too large.
   */
  set(key: string, value: string, options?: { ttl?: number | null }): Promise<void>;
  /** Whether there was one. An invalidation that could not be sent is queued, and answers false. */
  delete(key: string): Promise<boolean>;
}

/** Throws FIELD_INVALID for an option that is none. */
export function createKeyValueCache(options: KeyValueCacheOptions): MeshKeyValueCache {
  checkCacheOptions(options, OPTIONS);
  const { cache, namespace = "apollo" } = options;
  return new ApolloCache(cache.namespace(namespace, { codec: text(), undecodable: "miss" }));
}

class ApolloCache implements MeshKeyValueCache {
  readonly #entries: Namespace<string>;
  readonly #keys = new ForeignKeys();

  constructor(entries: Namespace<string>) {
    this.#entries = entries;
  }

  get(key: string): Promise<string | undefined> {
    return unlessOutage(async () => {
      const outcome = await this.#entries.get(this.#keys.toKey(key));
      return outcome.kind === "hit" ? outcome.value : undefined;
    }, undefined);
  }

  async set(key: string, value: string, options?: { ttl?: number | null }): Promise<void> {
    const seconds = options?.ttl || Number.POSITIVE_INFINITY;
    const ttlMs = toLifetimeMs(seconds * 1_000);
    if (ttlMs === undefined) await this.delete(key);
    else await unlessOutage(() => this.#entries.set(this.#keys.toKey(key), value, { ttlMs }), undefined);
  }

  delete(key: string): Promise<boolean> {
    return unlessOutage(
      async () => (await this.#entries.invalidate({ keys: [this.#keys.toKey(key)] })).removed > 0,
      false,
    );
  }
}
