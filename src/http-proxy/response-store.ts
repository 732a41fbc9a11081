/** The responses of one origin in a namespace of the mesh cache: their keys, their tags, and how they are read, loaded and removed. */
import { createHash } from "node:crypto";
import { type Loaded, loaded } from "../client/api/load-result.ts";
import { QueuedInvalidationError } from "../client/api/queued-invalidation-error.ts";
import type { Entry } from "../client/api/results.ts";
import type { MeshCache } from "../client/mesh-cache.ts";
import type { Namespace } from "../client/namespace.ts";
import { CacheError } from "../common/errors.ts";
import type { RawHeaders } from "./rules/header-fields.ts";
import { type Lifetimes, lifetimesOf } from "./rules/lifetimes.ts";
import { PASSED, type Stored, type StoredResponse, storedCodec } from "./rules/stored-response.ts";
import { entryTagsOf, urlTagOf } from "./rules/tags.ts";

export type StoredEntry = Extract<Entry<Stored>, { readonly kind: "hit" }>;

/** What is to be stored under a key. */
export interface Kept {
  readonly value: Stored;
  readonly lifetimes: Lifetimes;
  readonly tags: readonly string[];
}

/** What became of an invalidation; "queued": it is sent as soon as there is a connection. */
export type Invalidated = "done" | "queued" | "failed";

/** Longer ones are hashed: a server takes keys of 512 bytes unless it is set otherwise. */
const KEY_MAX_CHARS = 256;
/**
 * How many responses of one URL may be kept beside the first, whatever headers they vary by: each variant has its place by its
 * hash, and takes it from the one that was there.
 */
const VARIANT_PLACES = 1_024;
/** How long requests do not wait for each other after an answer that was not kept. */
const PASSED_MS = 60_000;
/** How long a request to the origin may take with its body, for its answer to be kept: as long as a lease can last. */
const LOAD_MAX_MS = 58_000;
const READ_DEADLINE_MS = 1_000;
const ACKNOWLEDGE_WITHIN_MS = 2_000;

export class ResponseStore {
  readonly #responses: Namespace<Stored>;
  readonly #origin: string;
  readonly #waitMs: number;

  /** `waitMs`: how long the request of another proxy is waited for. Throws FIELD_INVALID for a namespace that is none. */
  constructor(cache: MeshCache, namespace: string, origin: string, waitMs: number) {
    this.#responses = cache.namespace(namespace, {
      codec: storedCodec,
      undecodable: "miss",
      // Each has the lifetime that its headers give it.
      ttlJitter: 0,
      failureCooldownMs: 0,
    });
    this.#origin = origin;
    this.#waitMs = waitMs;
  }

  /** `target`: path and query. */
  keyOf(target: string): string {
    const url = this.#origin + target;
    return `GET ${url.length <= KEY_MAX_CHARS ? url : `#${hash(url)}`}`;
  }

  /** The key of a response that was selected by other headers than the one under `key`. */
  variantKeyOf(key: string, variant: string): string {
    const place = createHash("sha256").update(variant).digest().readUInt16BE(0) % VARIANT_PLACES;
    return `${key} ${place}`;
  }

  /** The entry, if it is in the memory of this process and fresh. At once. */
  near(key: string): StoredEntry | undefined {
    const entry = this.#responses.peekEntry(key);
    return entry?.kind === "hit" ? entry : undefined;
  }

  /** The entry, stale ones too. Undefined also while there is no cache. */
  async find(key: string): Promise<StoredEntry | undefined> {
    const near = this.near(key);
    if (near !== undefined) return near;
    try {
      const entry = await this.#responses.entry(key, { allowStale: true, deadlineMs: READ_DEADLINE_MS });
      return entry.kind === "hit" ? entry : undefined;
    } catch (error) {
      if (error instanceof CacheError) return undefined;
      throw error;
    }
  }

  /**
   * The entry after `load` has run, once in the mesh for all who wait for it, unless there is a fresh one. What `load` resolves
   * with is kept, unless the key or a tag is invalidated meanwhile. Rejects with what it rejects with, and with errors of the
   * cache. `staleWaitMs`: how long a fresh one is waited for where there is one that is stale.
   */
  async load(
    key: string,
    load: (signal: AbortSignal) => Promise<Kept>,
    staleWaitMs = this.#waitMs,
  ): Promise<StoredEntry | undefined> {
    const entry = await this.#responses.entry(key, {
      loader: async ({ signal }) => toLoaded(await load(signal)),
      hardTimeoutMs: LOAD_MAX_MS,
      softTimeoutMs: staleWaitMs,
      waitMs: this.#waitMs,
    });
    return entry.kind === "hit" ? entry : undefined;
  }

  /** Puts something in the place of an entry, if that is still there. Without a version nothing is kept. */
  async replace(key: string, { version }: StoredEntry, { value, lifetimes, tags }: Kept): Promise<void> {
    if (version === undefined) return;
    try {
      await this.#responses.set(key, value, { ...lifetimes, tags, when: version });
    } catch (error) {
      // The client counts what it cannot store.
      if (!(error instanceof CacheError)) throw error;
    }
  }

  /** An entry may have all the tags that the response has. */
  hasRoom(target: string, headers: RawHeaders): boolean {
    return entryTagsOf(this.#origin + target, headers) !== undefined;
  }

  /** Undefined: it has more tags, or longer ones, than an entry may have; without them nobody could invalidate it. */
  toKept(target: string, response: StoredResponse): Kept | undefined {
    const tags = entryTagsOf(this.#origin + target, response.headers);
    return tags && { value: response, lifetimes: lifetimesOf(response), tags };
  }

  /** What is kept in the place of a response that must not be. */
  toPassed(target: string): Kept {
    return {
      value: PASSED,
      lifetimes: { ttlMs: PASSED_MS, staleMs: 0 },
      tags: [urlTagOf(this.#origin + target)],
    };
  }

  /** All responses of these URLs, and all with these tags, in the whole mesh. Waits for the acknowledgement. Never rejects. */
  async invalidate(
    targets: Iterable<string>,
    tags: Iterable<string> = [],
    soft = false,
  ): Promise<Invalidated> {
    const all = new Set(tags);
    for (const target of targets) all.add(urlTagOf(this.#origin + target));
    try {
      await this.#responses.invalidate({ tags: [...all] }, { soft, deadlineMs: ACKNOWLEDGE_WITHIN_MS });
      return "done";
    } catch (error) {
      return error instanceof QueuedInvalidationError ? "queued" : "failed";
    }
  }
}

function toLoaded({ value, lifetimes, tags }: Kept): Loaded<Stored> {
  return loaded(value, { ...lifetimes, tags });
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
