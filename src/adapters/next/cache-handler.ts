/**
 * A cache handler of Next.js: what `"use cache"` keeps is in the cache of the mesh, and a revalidated tag is so for all servers at
 * their next request. Next.js calls `refreshTags` before the first read of a request, which waits until this process knows all
 * that was acknowledged before.
 */
import { checkCacheOptions } from "../../client/api/cache-option.ts";
import { wholeOption } from "../../client/api/checks.ts";
import { bytes } from "../../client/api/codecs.ts";
import { optionNames } from "../../client/api/option-names.ts";
import type { Entry } from "../../client/api/results.ts";
import type { MeshCache } from "../../client/mesh-cache.ts";
import type { Namespace } from "../../client/namespace.ts";
import { warnOfUse } from "../../client/process-defaults.ts";
import { asBuffer, NO_BYTES } from "../../common/bytes.ts";
import { CacheError, fieldInvalid } from "../../common/errors.ts";
import { LIMIT_BOUNDS } from "../../rpc/limits.ts";
import { ForeignKeys, shortened } from "../foreign-keys.ts";
import { toLifetimeMs } from "../lifetimes.ts";
import { unlessOutage } from "../outages.ts";
import {
  type CacheEntry,
  decodeEntry,
  encodeEntry,
  PART_BYTES,
  partsOf,
  type StoredEntry,
} from "./cache-entry.ts";
import { type Freshness, TagMarks } from "./tag-marks.ts";

export interface CacheHandlerOptions {
  /** Keeps the entries. */
  readonly cache: MeshCache;
  /** Where they are kept; default "next". */
  readonly namespace?: string;
  /** The longest value that is kept, in bytes, in parts of 512 KiB: 0 to 67,108,864; default 16,777,216. */
  readonly valueMaxBytes?: number;
}

/** As Next.js' `CacheHandler`. */
export interface MeshCacheHandler {
  get(cacheKey: string, softTags?: string[]): Promise<CacheEntry | undefined>;
  /**
   * Keeps nothing of a value beyond `valueMaxBytes`, of which it warns the process once, nor of one whose stream fails, nor without
   * a cache. Rejects only with the entry: Next.js awaits it before it answers a server action.
   */
  set(cacheKey: string, pendingEntry: Promise<CacheEntry>): Promise<void>;
  /** Resolves when this process knows every revalidation that was acknowledged before. */
  refreshTags(): Promise<void>;
  /** Infinity: `get` looks at the soft tags. */
  getExpiration(tags: string[]): Promise<number>;
  /** Resolves when the cache has acknowledged it, and rejects when it has not. Entries with the tags are then removed as soon as there is a connection. */
  updateTags(tags: string[], durations?: { expire?: number }): Promise<void>;
}

const OPTIONS = optionNames<CacheHandlerOptions>({ cache: true, namespace: true, valueMaxBytes: true });

const READ_DEADLINE_MS = 1_000;
const TAG_MAX_BYTES = LIMIT_BOUNDS.tagMaxBytes.fallback;
/** Marks are looked at for those beyond it. */
const TAGS_MAX = LIMIT_BOUNDS.entryMaxTags.fallback;
/** In Next.js an entry that is to be generated anew in the background. */
const REVALIDATE_NOW = -1;

/** Throws FIELD_INVALID for what is no option, or out of its range. */
export function createCacheHandler(options: CacheHandlerOptions): MeshCacheHandler {
  return new NextCacheHandler(options);
}

class NextCacheHandler implements MeshCacheHandler {
  readonly #cache: MeshCache;
  readonly #entries: Namespace<Uint8Array>;
  readonly #marks: TagMarks;
  readonly #valueMaxBytes: number;
  readonly #keys = new ForeignKeys("entry");
  readonly #partKeys = new ForeignKeys("part");
  #hasWarned = false;
  /** Sets of this process under way: a read of their key waits for them. */
  readonly #pending = new Map<string, Promise<void>>();

  constructor(options: CacheHandlerOptions) {
    checkCacheOptions(options, OPTIONS);
    const { cache, namespace = "next", valueMaxBytes } = options;
    this.#cache = cache;
    this.#valueMaxBytes = wholeOption("valueMaxBytes", valueMaxBytes, 16 * 2 ** 20, 0, 64 * 2 ** 20);
    this.#entries = cache.namespace(namespace, { codec: bytes(), undecodable: "miss" });
    this.#marks = new TagMarks(this.#entries);
  }

  async get(cacheKey: string, softTags: string[] = []): Promise<CacheEntry | undefined> {
    await this.#pending.get(cacheKey)?.catch(() => undefined);
    return unlessOutage(() => this.#get(this.#keys.toKey(cacheKey), softTags), undefined);
  }

  async set(cacheKey: string, pendingEntry: Promise<CacheEntry>): Promise<void> {
    const storing = this.#set(this.#keys.toKey(cacheKey), pendingEntry);
    this.#pending.set(cacheKey, storing);
    try {
      await storing;
    } finally {
      if (this.#pending.get(cacheKey) === storing) this.#pending.delete(cacheKey);
    }
  }

  async refreshTags(): Promise<void> {
    await unlessOutage(() => this.#cache.sync({ deadlineMs: READ_DEADLINE_MS }), undefined);
  }

  async getExpiration(_tags: string[]): Promise<number> {
    return Number.POSITIVE_INFINITY;
  }

  async updateTags(tags: string[], durations?: { expire?: number }): Promise<void> {
    const named = tags.filter((tag) => tag !== "");
    if (named.length === 0) return;
    const expireMs = durations === undefined ? 0 : durations.expire && durations.expire * 1_000;
    const invalidated = this.#entries.invalidate({ tags: named.map(toTag) }, { soft: expireMs !== 0 });
    await Promise.all([this.#marks.mark(named, expireMs), invalidated]);
  }

  async #get(key: string, softTags: readonly string[]): Promise<CacheEntry | undefined> {
    const fresh = await this.#entries.entry(key, { deadlineMs: READ_DEADLINE_MS });
    // What a tag has made stale is only seen by who asks for it.
    const found =
      fresh.kind === "miss"
        ? await this.#entries.entry(key, { allowStale: true, deadlineMs: READ_DEADLINE_MS })
        : fresh;
    const stored = found.kind === "hit" ? decodeEntry(asBuffer(found.value)) : undefined;
    if (found.kind !== "hit" || stored === undefined) return undefined;
    const ageMs = found.ageMs + stored.head.generatedForMs;
    const freshness = await this.#freshness(found, stored.head, softTags, ageMs);
    if (freshness === "expired") return undefined;
    const parts = await this.#parts(found, stored.head, stored.body);
    if (parts === undefined) return undefined;
    const { tags, stale, expire, revalidate } = stored.head;
    return {
      value: streamOf(parts),
      tags: [...tags],
      stale,
      timestamp: Date.now() - ageMs,
      expire,
      revalidate: freshness === "stale" ? REVALIDATE_NOW : revalidate,
    };
  }

  async #freshness(
    found: Entry<Uint8Array> & { readonly kind: "hit" },
    { tags }: StoredEntry,
    softTags: readonly string[],
    ageMs: number,
  ): Promise<Freshness> {
    const marked = await this.#marks.freshness([...new Set([...tags, ...softTags])], ageMs);
    return marked === "fresh" && found.stale ? "stale" : marked;
  }

  /** Undefined: a part is missing, or the entry was replaced meanwhile. */
  async #parts(
    { stale }: { readonly stale: boolean },
    { parts }: StoredEntry,
    body: Uint8Array,
  ): Promise<Uint8Array[] | undefined> {
    if (parts === undefined) return [body];
    const keys = Array.from({ length: parts.count }, (_part, index) => this.#partKey(parts.id, index));
    const found = await this.#entries.getMany(keys, { allowStale: stale, deadlineMs: READ_DEADLINE_MS });
    const values = found.map((outcome) => (outcome.kind === "hit" ? outcome.value : undefined));
    return values.every((value) => value !== undefined) ? values : undefined;
  }

  async #set(key: string, pendingEntry: Promise<CacheEntry>): Promise<void> {
    const { value, tags, stale, timestamp, expire, revalidate } = await pendingEntry;
    const collected = await this.#collect(value);
    if (collected === undefined) return;
    const ttlMs = toLifetimeMs(expire * 1_000);
    // Next.js generates it with each read.
    if (ttlMs === undefined) return;
    const options = {
      ttlMs,
      staleMs: ttlMs,
      tags: tags
        .filter((tag) => tag !== "")
        .slice(0, TAGS_MAX)
        .map(toTag),
    };
    const head = { tags, stale, expire, revalidate, generatedForMs: Math.max(0, Date.now() - timestamp) };
    await this.#unlessRefused(async () => {
      if (collected.length <= PART_BYTES) {
        await this.#entries.set(key, encodeEntry(head, collected), options);
        return;
      }
      const { id, parts } = partsOf(collected);
      await this.#entries.setMany(
        parts.map((part, index) => [this.#partKey(id, index), part]),
        options,
      );
      const named = { ...head, parts: { id, count: parts.length } };
      await this.#entries.set(key, encodeEntry(named, NO_BYTES), options);
    });
  }

  async #unlessRefused(store: () => Promise<void>): Promise<void> {
    try {
      await unlessOutage(store, undefined);
    } catch (error) {
      if (!(error instanceof CacheError)) throw error;
      this.#warnOf(error);
    }
  }

  #warnOf({ message }: CacheError): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    warnOfUse(`a value of Next.js is not kept, so it is generated each time: ${message}. Said once`);
  }

  /** Undefined: it is too large, or its stream has failed, which Next.js tells of. */
  async #collect(value: ReadableStream<Uint8Array>): Promise<Buffer | undefined> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    try {
      for await (const chunk of value) {
        size += chunk.length;
        if (size > this.#valueMaxBytes) break;
        chunks.push(chunk);
      }
    } catch {
      return undefined;
    }
    if (size <= this.#valueMaxBytes) return Buffer.concat(chunks, size);
    this.#warnOf(fieldInvalid("value", `at most ${this.#valueMaxBytes} bytes`));
    return undefined;
  }

  #partKey(id: string, index: number): string {
    return this.#partKeys.toKey(`${id}:${index}`);
  }
}

const toTag = (tag: string): string => shortened(tag, TAG_MAX_BYTES);

function streamOf(parts: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  });
}
