/** A driver of unstorage. Its `watch` tells of what any process of the mesh has changed. */
import { checkCacheOptions } from "../../client/api/cache-option.ts";
import { text } from "../../client/api/codecs.ts";
import { optionNames } from "../../client/api/option-names.ts";
import type { MeshCache } from "../../client/mesh-cache.ts";
import type { Namespace } from "../../client/namespace.ts";
import type { CacheEvent } from "../../client/operations/event-subscription.ts";
import { CacheError, fieldInvalid } from "../../common/errors.ts";
import { ForeignKeys } from "../foreign-keys.ts";
import { toLifetimeMs } from "../lifetimes.ts";

export interface MeshcacheDriverOptions {
  /** Keeps the items. To dispose of the storage leaves it open. */
  readonly cache: MeshCache;
  /** Where they are kept; default "unstorage". */
  readonly namespace?: string;
  /** What the keys of this storage begin with; default none. */
  readonly base?: string;
  /** Seconds that an item lives whose `setItem` has no `ttl`: 0 or more; default 0: until it is removed or evicted. */
  readonly ttl?: number;
}

/** Of one item. Anything else that unstorage passes on is ignored. */
export interface ItemOptions {
  /** In seconds; 0 is none. Default: the driver's. */
  readonly ttl?: number;
}

export interface Item {
  readonly key: string;
  readonly value: string;
  readonly options?: ItemOptions;
}

export type WatchCallback = (event: "update" | "remove", key: string) => unknown;

/** As unstorage's `Driver`. Its methods reject with a CacheError. */
export interface MeshcacheDriver {
  readonly name: "meshcache";
  readonly flags: { readonly ttl: true };
  readonly options: MeshcacheDriverOptions;
  getInstance(): MeshCache;
  hasItem(key: string): Promise<boolean>;
  getItem(key: string): Promise<string | null>;
  getItems(items: { key: string }[]): Promise<{ key: string; value: string | null }[]>;
  setItem(key: string, value: string, options?: ItemOptions): Promise<void>;
  setItems(items: Item[], common?: ItemOptions): Promise<void>;
  removeItem(key: string): Promise<void>;
  /** The `ttl` in seconds that is left, for an item that has one. */
  getMeta(key: string): Promise<{ ttl?: number } | null>;
  getKeys(base?: string): Promise<string[]>;
  /** One invalidation, however many items there are. */
  clear(base?: string): Promise<void>;
  dispose(): Promise<void>;
  /** Where many keys change at once (`clear`, a tag, missed events) it calls "remove" with what they begin with; empty: all. */
  watch(callback: WatchCallback): Promise<() => void>;
}

const OPTIONS = optionNames<MeshcacheDriverOptions>({ cache: true, namespace: true, base: true, ttl: true });

/** So many writes of one call are under way at the same time. */
const WRITES_MAX = 1_000;

/** For `createStorage({ driver: meshcacheDriver({ cache }) })`. Throws FIELD_INVALID for what is no option, or out of its range. */
export function meshcacheDriver(options: MeshcacheDriverOptions): MeshcacheDriver {
  checkCacheOptions(options, OPTIONS);
  const { cache, namespace = "unstorage", base = "", ttl: defaultTtl = 0 } = options;
  if (typeof defaultTtl !== "number" || !(defaultTtl >= 0))
    throw fieldInvalid("ttl", "a number of seconds from 0");
  const items: Namespace<string> = cache.namespace(namespace, { codec: text(), undecodable: "miss" });
  const keys = new ForeignKeys(base.replace(/:+$/, ""));
  const watches = new Set<() => void>();

  const removeItem = async (key: string) => {
    await items.invalidate({ keys: [keys.toKey(key)] });
  };
  const setItem = async (key: string, value: string, own?: ItemOptions) => {
    const seconds = own?.ttl ?? defaultTtl;
    const ttlMs = toLifetimeMs(seconds === 0 ? undefined : seconds * 1_000);
    if (ttlMs === undefined) await removeItem(key);
    else await items.set(keys.toKey(key), value, { ttlMs });
  };

  return {
    name: "meshcache",
    flags: { ttl: true },
    options,
    getInstance: () => cache,
    async hasItem(key) {
      return (await items.get(keys.toKey(key))).kind === "hit";
    },
    async getItem(key) {
      const outcome = await items.get(keys.toKey(key));
      return outcome.kind === "hit" ? outcome.value : null;
    },
    async getItems(wanted) {
      const outcomes = await items.getMany(wanted.map(({ key }) => keys.toKey(key)));
      return outcomes.map((outcome, index) => ({
        key: wanted[index]?.key ?? "",
        value: outcome.kind === "hit" ? outcome.value : null,
      }));
    },
    setItem,
    async setItems(all, common) {
      for (let from = 0; from < all.length; from += WRITES_MAX) {
        const some = all.slice(from, from + WRITES_MAX);
        await Promise.all(
          some.map(({ key, value, options: own }) => setItem(key, value, { ...common, ...own })),
        );
      }
    },
    removeItem,
    async getMeta(key) {
      const entry = await items.entry(keys.toKey(key));
      if (entry.kind !== "hit") return null;
      return entry.ttlRemainingMs === Number.POSITIVE_INFINITY ? {} : { ttl: entry.ttlRemainingMs / 1_000 };
    },
    async getKeys(from = "") {
      const found = new Set<string>();
      for await (const { key, absent } of items.keys({ prefix: keys.toPrefix(from) })) {
        if (!absent) found.add(keys.toForeign(key));
      }
      return [...found];
    },
    async clear(from = "") {
      await items.invalidate({ prefix: keys.toPrefix(from) });
    },
    async dispose() {
      for (const unwatch of watches) unwatch();
    },
    async watch(callback) {
      const events = items.subscribe({ prefixes: [keys.prefix] });
      const unwatch = () => {
        watches.delete(unwatch);
        events.close();
      };
      watches.add(unwatch);
      follow(events, keys, callback).catch((error: unknown) => {
        // The client was closed before the storage.
        if (!(error instanceof CacheError)) throw error;
      });
      await events.isLive;
      return unwatch;
    },
  };
}

async function follow(events: AsyncIterable<CacheEvent>, keys: ForeignKeys, callback: WatchCallback) {
  for await (const event of events) {
    if (event.kind === "gap") callback("remove", "");
    // A new lifetime changes no value.
    else if (event.kind === "touched") continue;
    else if (event.target === "key")
      callback(event.kind === "set" ? "update" : "remove", keys.toForeign(event.name));
    else callback("remove", event.target === "prefix" ? keys.toForeign(event.name) : "");
  }
}
