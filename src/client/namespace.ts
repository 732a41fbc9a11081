/** A namespace of the cache: what an application calls. Reads, writes and loads are in files of their own. */
import { CacheError } from "../common/errors.ts";
import { checkFunction, checkKeys, checkOptions, unreadable } from "./api/checks.ts";
import type { Loader } from "./api/load-result.ts";
import { type Entry, type InvalidateOutcome, MISS, type Outcome, type SetOutcome } from "./api/results.ts";
import type { Copy } from "./near-cache/cached-entry.ts";
import type { Probe } from "./near-cache/coherence-probe.ts";
import type { EventSubscription, SubscribeOptions } from "./operations/event-subscription.ts";
import type { EntryLoader, LoadOptions } from "./operations/loader.ts";
import type { Realm } from "./operations/namespace-context.ts";
import type { EntryReader, ReadOptions } from "./operations/reader.ts";
import type {
  EntryWriter,
  InvalidateOptions,
  SetOptions,
  Target,
  TouchOptions,
} from "./operations/writer.ts";

export interface EntryOptions<Value> extends LoadOptions, ReadOptions {
  /** Load what the cache does not have, as `getOrLoad` does. */
  readonly loader?: Loader<Value>;
}

export interface NamespaceParts<Value> {
  readonly realm: Realm<Value>;
  readonly reader: EntryReader<Value>;
  readonly writer: EntryWriter<Value>;
  readonly loader: EntryLoader<Value>;
  readonly probe: Probe<Value> | undefined;
  /** Spans near hits, if the options ask for it. */
  readonly nearHit: (() => void) | undefined;
  subscribe(options: SubscribeOptions): EventSubscription;
}

/** Made by `MeshCache.namespace`. Every operation rejects with a CacheError and nothing else, loaders apart. */
export class Namespace<Value> {
  readonly name: string;
  readonly #parts: NamespaceParts<Value>;
  readonly #reader: EntryReader<Value>;
  /** Whether anybody wants to know of near hits: asked once and not at each of them. */
  readonly #observed: boolean;

  constructor(parts: NamespaceParts<Value>) {
    this.name = parts.realm.namespace;
    this.#parts = parts;
    this.#reader = parts.reader;
    this.#observed = parts.probe !== undefined || parts.nearHit !== undefined;
  }

  // ---- Reading -------------------------------------------------------------------------------------------

  /** The value, or why there is none. */
  get(key: string, options?: ReadOptions): Promise<Outcome<Value>> {
    // No async function and nothing made anew: a near hit is to cost hardly more than the map that holds it.
    try {
      const checked = options === undefined ? undefined : checkOptions(options);
      const copy = this.#reader.near(key, checked);
      if (copy === undefined) return this.#reader.get(key, checked);
      if (this.#observed) this.#hit(copy);
      return copy.answer ?? this.#answer(copy);
    } catch (error) {
      return Promise.reject(unreadable("options", error));
    }
  }

  /** The outcomes in the order of the keys. What the near cache lacks is asked for in one message. */
  async getMany(keys: readonly string[], options?: ReadOptions): Promise<Outcome<Value>[]> {
    const { limits } = this.#parts.realm.remote;
    return Promise.all(checkKeys(keys, limits).map((key) => this.get(key, options)));
  }

  /** The value with its version, age and source; with a `loader`, loaded if need be. */
  async entry(key: string, options?: EntryOptions<Value>): Promise<Entry<Value>> {
    const { loader, ...others } = readable(
      "options",
      (): EntryOptions<Value> => ({
        ...checkOptions(options),
      }),
    );
    if (loader !== undefined) checkFunction("loader", loader);
    const copy = this.#reader.near(key, others);
    if (copy !== undefined && (loader === undefined || copy.kind !== "miss")) {
      if (this.#observed) this.#hit(copy);
      return this.#reader.entry(this.#reader.fromCopy(copy), "near");
    }
    if (loader !== undefined) return this.#parts.loader.load(key, loader, others);
    return this.#reader.entry(await this.#reader.fetch(key, others), "remote");
  }

  /**
   * The value, loaded from its source if the cache has none: once in this process and, by a lease, once in the
   * mesh. Undefined: the source has no such record, which is remembered for `negativeTtlMs`. Rejects with what
   * the loader throws.
   */
  getOrLoad(key: string, loader: Loader<Value>, options?: LoadOptions): Promise<Value | undefined> {
    try {
      const checked: LoadOptions = checkOptions(options);
      checkFunction("loader", loader);
      const copy = this.#reader.near(key, checked);
      if (copy === undefined || copy.kind === "miss") return this.#getOrLoad(key, loader, { ...checked });
      if (this.#observed) this.#hit(copy);
      return copy.loaded ?? this.#loaded(copy);
    } catch (error) {
      return Promise.reject(unreadable("options", error));
    }
  }

  // ---- Writing -------------------------------------------------------------------------------------------

  /** Stores a value. A condition that does not hold is an outcome. */
  async set(key: string, value: Value, options?: SetOptions): Promise<SetOutcome> {
    const { writer } = this.#parts;
    try {
      return await writer.set(key, writer.encode(value, false), checkOptions(options));
    } catch (error) {
      throw unreadable("options", error);
    }
  }

  /** Remembers that the source has no such record. */
  async setAbsent(key: string, options?: SetOptions): Promise<SetOutcome> {
    const { writer } = this.#parts;
    try {
      return await writer.set(key, writer.encode(undefined, true), checkOptions(options));
    } catch (error) {
      throw unreadable("options", error);
    }
  }

  /** Stores values in one message; the outcomes are in their order. Rejects when any of them fails. */
  async setMany(
    entries: Iterable<readonly [key: string, value: Value]>,
    options?: SetOptions,
  ): Promise<SetOutcome[]> {
    // All are read before the first is sent: nobody would hear of the Sets before one that cannot be read.
    const pairs = readable("entries", () => Array.from(entries, ([key, value]) => ({ key, value })));
    return Promise.all(pairs.map(({ key, value }) => this.set(key, value, options)));
  }

  /** Gives a fresh entry new lifetimes, counted from now. False: there is none. */
  async touch(key: string, options?: TouchOptions): Promise<boolean> {
    try {
      return await this.#parts.writer.touch(key, checkOptions(options));
    } catch (error) {
      throw unreadable("options", error);
    }
  }

  /** Makes entries gone, or stale, in the whole mesh: `{ keys }`, `{ tags }`, `{ prefix }` or `{ all: true }`. */
  async invalidate(target: Target, options?: InvalidateOptions): Promise<InvalidateOutcome> {
    try {
      return await this.#parts.writer.invalidate(target, checkOptions(options));
    } catch (error) {
      throw unreadable("options", error);
    }
  }

  /** The namespace's events from now on. */
  subscribe(options?: SubscribeOptions): EventSubscription {
    return this.#parts.subscribe(readable("options", () => ({ ...checkOptions(options) })));
  }

  // ---- What is not on a hit's way ------------------------------------------------------------------------

  #hit(copy: Copy<Value>): void {
    const { probe, nearHit } = this.#parts;
    if (probe?.due()) probe.run(copy);
    nearHit?.();
  }

  #answer(copy: Copy<Value>): Promise<Outcome<Value>> {
    try {
      return this.#parts.realm.copies.answer(copy);
    } catch (error) {
      return this.#parts.realm.options.undecodable === "miss" ? Promise.resolve(MISS) : Promise.reject(error);
    }
  }

  #loaded(copy: Copy<Value>): Promise<Value | undefined> {
    try {
      return this.#parts.realm.copies.loaded(copy);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #getOrLoad(key: string, loader: Loader<Value>, options: LoadOptions): Promise<Value | undefined> {
    const entry = await this.#parts.loader.load(key, loader, options);
    switch (entry.kind) {
      case "hit":
        return entry.value;
      case "absent":
        return undefined;
      default:
        throw new CacheError("INTERNAL", `a load ended as ${String(entry satisfies never)}`);
    }
  }
}

/** What `read` makes of an argument that may throw when it is looked at. */
function readable<Result>(field: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw unreadable(field, error);
  }
}
