/**
 * A store for `interceptors.cache({ store })` of undici: the responses that a service fetches are in the cache of the mesh, where tags
 * and writes of any service remove them. undici decides what is stored, for how long, and what it is used for.
 *
 * A miss takes the lease of its key before undici asks the origin, and what undici then stores is stored by that lease. So a
 * response that was asked for before an invalidation is never stored after it.
 */

import { Writable } from "node:stream";
import { checkCacheOptions } from "../../client/api/cache-option.ts";
import { durationOption, wholeOption } from "../../client/api/checks.ts";
import type { Duration } from "../../client/api/duration.ts";
import { optionNames } from "../../client/api/option-names.ts";
import type { EntryVersion } from "../../client/api/results.ts";
import type { MeshCache } from "../../client/mesh-cache.ts";
import type { Namespace } from "../../client/namespace.ts";
import { CacheError } from "../../common/errors.ts";
import { entryTagsOf, urlTagOf } from "../../http-proxy/rules/tags.ts";
import { responseNamespace } from "../response-namespace.ts";
import {
  type CachedResponse,
  type CacheKey,
  type CacheValue,
  decodeEntry,
  encodeEntry,
  isSelected,
  type StoredEntry,
  toCached,
  variantPlace,
} from "./entries.ts";
import { type KeptFor, Leases, type Right } from "./leases.ts";

export interface CacheStoreOptions {
  /** Keeps the responses. */
  readonly cache: MeshCache;
  /** Where they are kept; default "responses", as those of gRPC and of the HTTP proxy. */
  readonly namespace?: string;
  /** The longest body that is kept, in bytes: 0 to 67,108,864; default 1,000,000. The server has a bound of its own. */
  readonly bodyMaxBytes?: number;
  /** How long a request may take whose response is kept: 1 to 58,000 ms; default 10,000. */
  readonly loadTimeoutMs?: Duration;
}

/** As undici's `CacheStore`. */
export interface MeshCacheStore {
  get(key: CacheKey): Promise<CachedResponse | undefined>;
  createWriteStream(key: CacheKey, value: CacheValue): Writable | undefined;
  /** Removes the responses of a URL in the whole mesh, whatever their method. Never rejects. */
  delete(key: CacheKey): Promise<void>;
}

/** Throws FIELD_INVALID for what is no option, or out of its range. */
export function createCacheStore(options: CacheStoreOptions): MeshCacheStore {
  return new UndiciStore(options);
}

interface Found {
  /** The key of the entry. */
  readonly place: string;
  readonly entry: StoredEntry;
  readonly version: EntryVersion | undefined;
  readonly ageMs: number;
}

const OPTIONS = optionNames<CacheStoreOptions>({
  cache: true,
  namespace: true,
  bodyMaxBytes: true,
  loadTimeoutMs: true,
});

const LIFETIME_MAX_MS = 30 * 86_400_000;
const READ_DEADLINE_MS = 1_000;

class UndiciStore implements MeshCacheStore {
  readonly #responses: Namespace<Buffer>;
  readonly #bodyMaxBytes: number;
  /** undici gives the same object to `get` and to `createWriteStream`. */
  readonly #rights = new WeakMap<CacheKey, Right>();
  readonly #leases: Leases;

  constructor(options: CacheStoreOptions) {
    checkCacheOptions(options, OPTIONS);
    const { cache, namespace, bodyMaxBytes, loadTimeoutMs } = options;
    this.#responses = responseNamespace(cache, namespace);
    this.#bodyMaxBytes = wholeOption("bodyMaxBytes", bodyMaxBytes, 1_000_000, 0, 64 * 2 ** 20);
    const timeoutMs = durationOption("loadTimeoutMs", loadTimeoutMs, 10_000, 1, 58_000);
    this.#leases = new Leases(this.#responses, timeoutMs);
  }

  async get(key: CacheKey): Promise<CachedResponse | undefined> {
    const first = await this.#read(keyOf(key));
    if (first === undefined) return this.#lease(key, keyOf(key));
    if (isSelected(first.entry, key)) return this.#found(key, first);
    const place = `${first.place} ${variantPlace(first.entry, key)}`;
    const variant = await this.#read(place);
    if (variant === undefined) return this.#lease(key, place);
    if (isSelected(variant.entry, key)) return this.#found(key, variant);
    // Another variant has this place, and gives it up.
    this.#rights.set(key, this.#rightToReplace(variant));
    return undefined;
  }

  createWriteStream(key: CacheKey, value: CacheValue): Writable | undefined {
    const right = this.#rights.get(key);
    this.#rights.delete(key);
    const nowMs = Date.now();
    const ttlMs = Math.min(Math.ceil(value.deleteAt - nowMs), LIFETIME_MAX_MS);
    const tags = entryTagsOf(key.origin + key.path, toRaw(value.headers));
    if (right === undefined) return undefined;
    if (ttlMs > 0 && tags !== undefined) return this.#collect(right, value, { ttlMs, tags });
    right.giveUp();
    return undefined;
  }

  async delete({ origin, path }: CacheKey): Promise<void> {
    try {
      await this.#responses.invalidate({ tags: [urlTagOf(origin + path)] });
    } catch (error) {
      // Without a connection it is queued. The client tells of both.
      if (!(error instanceof CacheError)) throw error;
    }
  }

  #collect(right: Right, value: CacheValue, lifetime: KeptFor): Writable {
    const maxBytes = this.#bodyMaxBytes;
    const chunks: Buffer[] = [];
    let size = 0;
    let isWhole = false;
    return new Writable({
      write(chunk: Buffer | string, encoding, done) {
        const bytes = typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
        size += bytes.length;
        chunks.push(bytes);
        if (size > maxBytes) this.destroy();
        done();
      },
      final(done) {
        isWhole = true;
        const storedAtMs = Date.now();
        right.keep(encodeEntry({ value, storedAtMs, body: Buffer.concat(chunks, size) }), lifetime);
        done();
      },
      destroy(error, done) {
        if (!isWhole) right.giveUp();
        done(error);
      },
    });
  }

  /** Undefined: there is none, or there is no cache. */
  async #read(place: string): Promise<Found | undefined> {
    try {
      const found = await this.#responses.entry(place, { deadlineMs: READ_DEADLINE_MS });
      const entry = found.kind === "hit" ? decodeEntry(found.value) : undefined;
      if (found.kind !== "hit" || entry === undefined) return undefined;
      return { place, entry, version: found.version, ageMs: found.ageMs };
    } catch (error) {
      if (error instanceof CacheError) return undefined;
      throw error;
    }
  }

  #found(key: CacheKey, found: Found): CachedResponse {
    this.#rights.set(key, this.#rightToReplace(found));
    return toCached(found.entry, found.ageMs, Date.now());
  }

  #rightToReplace({ place, version }: Found): Right {
    return {
      keep: (encoded, lifetime) => {
        if (version === undefined) return;
        // The client counts what it cannot store.
        this.#responses.set(place, encoded, { ...lifetime, when: version }).catch(() => undefined);
      },
      giveUp: () => {},
    };
  }

  async #lease(key: CacheKey, place: string): Promise<undefined> {
    const right = await this.#leases.take(place);
    if (right !== undefined) this.#rights.set(key, right);
    return undefined;
  }
}

/** Each line of its own. */
function toRaw(headers: CacheValue["headers"]): string[] {
  return Object.entries(headers).flatMap(([name, value]) => [value].flat().flatMap((line) => [name, line]));
}

/** As those of the proxy for keys that are too long. */
function keyOf({ method, origin, path }: CacheKey): string {
  return `undici ${method} ${urlTagOf(origin + path)}`;
}
