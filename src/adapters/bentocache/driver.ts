/** The driver of BentoCache's second layer: what BentoCache keeps for all processes, under the prefix that it gives. */
import { checkCacheOptions } from "../../client/api/cache-option.ts";
import { text } from "../../client/api/codecs.ts";
import { optionNames } from "../../client/api/option-names.ts";
import type { MeshCache } from "../../client/mesh-cache.ts";
import type { Namespace } from "../../client/namespace.ts";
import { CacheError } from "../../common/errors.ts";
import { ForeignKeys } from "../foreign-keys.ts";
import { toLifetimeMs } from "../lifetimes.ts";

export interface MeshcacheDriverOptions {
  /** Keeps the entries. To disconnect BentoCache leaves it open. */
  readonly cache: MeshCache;
  /** Where they are kept; default "bentocache". What BentoCache calls a namespace is a prefix in it. */
  readonly namespace?: string;
  /** What the keys begin with. BentoCache gives its own. */
  readonly prefix?: string;
}

/** What `useL2Layer` takes. */
export interface MeshcacheDriverResult {
  readonly options: MeshcacheDriverOptions;
  readonly factory: (config: { readonly prefix?: string }) => MeshcacheDriver;
}

const OPTIONS = optionNames<MeshcacheDriverOptions>({ cache: true, namespace: true, prefix: true });

/** So often a key may change between the two steps of a `pull`. */
const PULL_ATTEMPTS = 10;

/** For `bentostore().useL2Layer(meshcacheDriver({ cache }))`. Throws FIELD_INVALID for what is no option. */
export function meshcacheDriver(options: MeshcacheDriverOptions): MeshcacheDriverResult {
  checkCacheOptions(options, OPTIONS);
  return { options, factory: (config) => new MeshcacheDriver({ ...options, ...config }) };
}

/** As BentoCache's `L2CacheDriver`. Rejects with a CacheError: what then happens BentoCache decides by `suppressL2Errors`. */
export class MeshcacheDriver {
  readonly type = "l2";
  readonly #options: MeshcacheDriverOptions;
  readonly #prefix: string;
  readonly #entries: Namespace<string>;
  readonly #keys = new ForeignKeys();

  /** Throws FIELD_INVALID for a namespace that is none. */
  constructor(options: MeshcacheDriverOptions) {
    this.#options = options;
    this.#prefix = options.prefix?.replace(/:+$/, "") ?? "";
    this.#entries = options.cache.namespace(options.namespace ?? "bentocache", {
      codec: text(),
      undecodable: "miss",
    });
  }

  /** Another driver, whose keys begin with the prefix of this one and then with the name. */
  namespace(name: string): MeshcacheDriver {
    return new MeshcacheDriver({ ...this.#options, prefix: this.#foreign(name) });
  }

  async get(key: string): Promise<string | undefined> {
    const outcome = await this.#entries.get(this.#key(key));
    return outcome.kind === "hit" ? outcome.value : undefined;
  }

  /** Of several callers, in any process, one gets the value. */
  async pull(key: string): Promise<string | undefined> {
    for (let attempt = 0; attempt < PULL_ATTEMPTS; attempt += 1) {
      const entry = await this.#entries.entry(this.#key(key), { maxStalenessMs: 0 });
      if (entry.kind !== "hit" || entry.version === undefined) return undefined;
      const taken = await this.#entries.setAbsent(this.#key(key), { when: entry.version, ttlMs: 1 });
      if (taken.kind === "stored") return entry.value;
    }
    throw new CacheError("UNAVAILABLE", "the entry was written with each attempt to pull it");
  }

  /** `ttl` is in milliseconds; `undefined`, `null` and 0 are none. */
  async set(key: string, value: string, ttl?: number | null): Promise<boolean> {
    const ttlMs = toLifetimeMs(ttl || undefined);
    if (ttlMs !== undefined)
      return (await this.#entries.set(this.#key(key), value, { ttlMs })).kind === "stored";
    await this.delete(key);
    return true;
  }

  /** Clears the driver's prefix and all namespaces below it, by one invalidation. */
  async clear(): Promise<void> {
    const prefix = this.#keys.toPrefix(this.#prefix === "" ? "" : `${this.#prefix}:`);
    await this.#entries.invalidate({ prefix });
  }

  async delete(key: string): Promise<boolean> {
    return (await this.#entries.invalidate({ keys: [this.#key(key)] })).removed > 0;
  }

  async deleteMany(keys: string[]): Promise<boolean> {
    if (keys.length > 0) await this.#entries.invalidate({ keys: keys.map((key) => this.#key(key)) });
    return true;
  }

  /** The application closes its client. */
  async disconnect(): Promise<void> {}

  #foreign(key: string): string {
    return this.#prefix === "" ? key : `${this.#prefix}:${key}`;
  }

  #key(key: string): string {
    return this.#keys.toKey(this.#foreign(key));
  }
}
