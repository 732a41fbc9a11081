/** A namespace of the cache, as an application calls it. Reads, writes and loads are in operations/. */
import { CacheError } from "../common/errors.ts";
import { checkFunction, checkKeys, checkOptions, checkPairs, unreadable } from "./api/checks.ts";
import type { LoadedValue, Loader, ManyLoader } from "./api/load-result.ts";
import { checkNames, type OptionNames } from "./api/option-names.ts";
import {
  ABSENT,
  type Entry,
  type IncrementOutcome,
  type InvalidateOutcome,
  type KeyFacts,
  MISS,
  type Outcome,
  type SetOutcome,
} from "./api/results.ts";
import type { CachedEntry } from "./near-cache/cached-entry.ts";
import type { CoherenceProbe } from "./near-cache/coherence-probe.ts";
import { runBulk } from "./operations/bulk.ts";
import {
  type EventSubscription,
  SUBSCRIBE_OPTIONS,
  type SubscribeOptions,
} from "./operations/event-subscription.ts";
import type { Target } from "./operations/invalidate-target.ts";
import { KEYS_OPTIONS, type KeysOptions, listKeys } from "./operations/key-listing.ts";
import { LOAD_OPTIONS, type LoadOptions } from "./operations/load-options.ts";
import { EntryLoader } from "./operations/loader.ts";
import type { NamespaceContext } from "./operations/namespace-context.ts";
import { type EntryReader, READ_OPTIONS, type ReadOptions } from "./operations/reader.ts";
import {
  INCREMENT_OPTIONS,
  INVALIDATE_OPTIONS,
  type IncrementOptions,
  type InvalidateOptions,
  SET_OPTIONS,
  type SetOptions,
  TOUCH_OPTIONS,
  type TouchOptions,
} from "./operations/write-options.ts";
import type { EntryWriter } from "./operations/writer.ts";

export interface EntryOptions<Value> extends LoadOptions, ReadOptions {
  /** Loads an entry that the cache does not have, as in `getOrLoad`. */
  readonly loader?: Loader<Value>;
}

/** So many keys a loader of many is given at once: their leases and Sets fit in the window of calls beside other calls. */
const LOAD_MANY_MAX_KEYS = 1_000;

const ENTRY_OPTIONS: OptionNames = new Set([...LOAD_OPTIONS, ...READ_OPTIONS, "loader"]);

export interface NamespaceParts<Value> {
  readonly context: NamespaceContext<Value>;
  readonly reader: EntryReader<Value>;
  readonly writer: EntryWriter<Value>;
  /** Made with the first load: there may be very many namespaces. */
  loader: EntryLoader<Value> | undefined;
  readonly probe: CoherenceProbe<Value> | undefined;
  /** Makes a span for a near hit. Undefined: the options do not ask for it. */
  readonly nearHit: (() => void) | undefined;
  readonly client: NamespaceClient;
}

/** What a namespace asks of its client. */
export interface NamespaceClient {
  /** Aborted when the client is closed. */
  readonly closing: AbortSignal;
  subscribe(namespace: string, options: SubscribeOptions): EventSubscription;
  /** Ends the namespace in this client. Resolves when the loads under way have ended. */
  close(namespace: string): Promise<void>;
}

/**
 * Made by `MeshCache.namespace`. Every operation rejects with a CacheError, and `getOrLoad` also with what its loader
 * throws. Its `reason` is one of
 *   FIELD_INVALID   an argument breaks a bound: `detail` is `{ field, bound }`.
 *   LIMIT_EXCEEDED  the client or the server is at a limit: `detail` is `{ limit, bound }`.
 *   DEADLINE        there was no answer in time; a write may have taken effect, or may yet. An invalidation is queued.
 *   UNAVAILABLE, DRAINING   no server could be reached; a write that was sent may have taken effect.
 *   CANCELLED       the signal was aborted.
 *   CLOSED          the client was closed, or the namespace.
 *   CODEC           the codec refused a value.
 *   INTERNAL        a fault of the server or of this library.
 */
export class Namespace<Value> implements AsyncDisposable {
  readonly name: string;
  readonly #parts: NamespaceParts<Value>;
  readonly #reader: EntryReader<Value>;
  /** Near hits are probed or traced. Decided once, so that a hit does not have to ask. */
  readonly #observed: boolean;
  #closed: Promise<void> | undefined;

  constructor(parts: NamespaceParts<Value>) {
    this.name = parts.context.namespace;
    this.#parts = parts;
    this.#reader = parts.reader;
    this.#observed = parts.probe !== undefined || parts.nearHit !== undefined;
  }

  // ---- Reading -------------------------------------------------------------------------------------------

  /** The value, or why there is none. A near hit may share its value with other readers: see `NearCacheOptions.values`. */
  get(key: string, options?: ReadOptions): Promise<Outcome<Value>> {
    // No async function, and nothing is allocated: a near hit costs hardly more than the lookup in the map.
    try {
      const checked = options === undefined ? undefined : checkOptions(options);
      const copy = this.#reader.near(key, checked);
      if (copy === undefined) {
        this.#refuseIfClosed();
        if (checked !== undefined) checkNames(checked, READ_OPTIONS);
        return this.#reader.get(key, checked);
      }
      if (this.#observed) this.#hit(copy);
      return copy.answer ?? this.#answer(copy);
    } catch (error) {
      return Promise.reject(unreadable("options", error));
    }
  }

  /**
   * What `get` would serve from this process, at once and without a promise. Undefined: the server has to be asked, and is not.
   * Throws CODEC, and FIELD_INVALID for options out of their ranges.
   */
  peek(key: string, options?: ReadOptions): Outcome<Value> | undefined {
    const copy = this.#reader.near(key, options);
    if (copy === undefined) return undefined;
    if (this.#observed) this.#hit(copy);
    if (copy.kind !== "hit") return copy.kind === "miss" ? MISS : ABSENT;
    return copy.shared ?? { kind: "hit", value: this.#parts.context.values.value(copy) };
  }

  /** As `peek`, with the version, age and source of the value. */
  peekEntry(key: string, options?: ReadOptions): Entry<Value> | undefined {
    const copy = this.#reader.near(key, options);
    if (copy === undefined) return undefined;
    if (this.#observed) this.#hit(copy);
    return this.#reader.entry(this.#reader.fromCached(copy), "near");
  }

  /**
   * The outcomes in the order of the keys, of any number of them. Keys that the near cache does not have go to the server
   * together, as the window has room for them. Rejects when one cannot be read.
   */
  async getMany(keys: readonly string[], options?: ReadOptions): Promise<Outcome<Value>[]> {
    const { runner } = this.#parts.context;
    const checked = readable("options", () => ({ ...checkOptions(options, READ_OPTIONS) }));
    const bulk = { ...checked, bulk: runner.bulk(checked) };
    this.#refuseIfClosed();
    return runBulk(checkKeys(keys, runner.limits), (key) => {
      const copy = this.#reader.near(key, checked);
      if (copy === undefined) return this.#reader.get(key, bulk);
      if (this.#observed) this.#hit(copy);
      return copy.answer ?? this.#answer(copy);
    });
  }

  /** The value with its version, age and source. With a `loader`, it is loaded when the cache does not have it. */
  async entry(key: string, options?: EntryOptions<Value>): Promise<Entry<Value>> {
    const { loader, ...others } = readable(
      "options",
      (): EntryOptions<Value> => ({
        ...checkOptions(options, ENTRY_OPTIONS),
      }),
    );
    if (loader !== undefined) checkFunction("loader", loader);
    const copy = this.#reader.near(key, others);
    if (copy !== undefined && (loader === undefined || copy.kind !== "miss")) {
      if (this.#observed) this.#hit(copy);
      return this.#reader.entry(this.#reader.fromCached(copy), "near");
    }
    this.#refuseIfClosed();
    if (loader !== undefined) return this.#loader.load(key, loader, others);
    return this.#reader.getEntry(key, others);
  }

  /**
   * The value, loaded from its source when the cache does not have it: once in this process and, by a lease, once in the
   * mesh. Undefined: the source has no such record, which is remembered for `negativeTtlMs`. Rejects with what the loader
   * throws, and with LOADER_TIMEOUT.
   */
  getOrLoad<Found extends Value>(
    key: string,
    loader: Loader<Found>,
    options?: LoadOptions,
  ): Promise<LoadedValue<Value, Found> | undefined>;
  getOrLoad(key: string, loader: Loader<Value>, options?: LoadOptions): Promise<unknown> {
    try {
      const checked: LoadOptions = checkOptions(options);
      checkFunction("loader", loader);
      const copy = this.#reader.near(key, checked);
      if (copy === undefined || copy.kind === "miss") {
        this.#refuseIfClosed();
        checkNames(checked, LOAD_OPTIONS);
        return this.#getOrLoad(key, loader, { ...checked });
      }
      if (this.#observed) this.#hit(copy);
      return copy.loaded ?? this.#loaded(copy);
    } catch (error) {
      return Promise.reject(unreadable("options", error));
    }
  }

  /**
   * The values of many keys, in their order. Those that the cache does not have are loaded as in `getOrLoad`, each under a
   * lease of its own, but together: `loadMissing` is called with at most 1,000 keys at a time, and again for keys that another
   * process was loading in vain. Undefined: the source has no such record. Rejects when a key cannot be loaded; the values of
   * other keys are kept.
   */
  getOrLoadMany<Found extends Value>(
    keys: readonly string[],
    loadMissing: ManyLoader<Found>,
    options?: LoadOptions,
  ): Promise<(LoadedValue<Value, Found> | undefined)[]>;
  async getOrLoadMany(
    keys: readonly string[],
    loadMissing: ManyLoader<Value>,
    options?: LoadOptions,
  ): Promise<unknown[]> {
    const { context } = this.#parts;
    const loader = this.#loader;
    const checked = readable("options", (): LoadOptions => ({ ...checkOptions(options, LOAD_OPTIONS) }));
    checkFunction("loadMissing", loadMissing);
    this.#refuseIfClosed();
    const all = Array.from(checkKeys(keys, context.runner.limits), (key, at) => ({ key, at }));
    const values = new Array<unknown>(all.length);
    const missing: typeof all = [];
    for (const one of all) {
      const copy = this.#reader.near(one.key, checked);
      if (copy === undefined || copy.kind === "miss") missing.push(one);
      else {
        if (this.#observed) this.#hit(copy);
        values[one.at] = await (copy.loaded ?? this.#loaded(copy));
      }
    }
    for (let from = 0; from < missing.length; from += LOAD_MANY_MAX_KEYS) {
      const some = missing.slice(from, from + LOAD_MANY_MAX_KEYS);
      const entries = await loader.loadMany(
        some.map(({ key }) => key),
        loadMissing,
        checked,
      );
      for (const [index, { at }] of some.entries()) {
        const entry = entries[index];
        values[at] = entry?.kind === "hit" ? entry.value : undefined;
      }
    }
    return values;
  }

  /**
   * The keys on the server, in no order, page by page as they are asked for; `deadlineMs` is that of a page. What is there all
   * the time comes, perhaps more than once; what comes and goes meanwhile may come. A page looks at a bounded number of
   * entries of all namespaces. Needs the permission `inspect`. Throws FIELD_INVALID and CLOSED; the iteration rejects when
   * the server is replaced meanwhile (FIELD_INVALID, `page_token`).
   */
  keys(options?: KeysOptions): AsyncGenerator<KeyFacts, void, undefined> {
    this.#refuseIfClosed();
    const given = readable("options", () => ({ ...checkOptions(options, KEYS_OPTIONS) }));
    return listKeys(this.#parts.context, given, () => this.#refuseIfClosed());
  }

  // ---- Writing -------------------------------------------------------------------------------------------

  /** Stores a value. When a condition does not hold, the outcome says so. */
  async set(key: string, value: Value, options?: SetOptions): Promise<SetOutcome> {
    const { writer } = this.#parts;
    try {
      this.#refuseIfClosed();
      return await writer.set(key, writer.encode(value, false), checkOptions(options, SET_OPTIONS));
    } catch (error) {
      throw unreadable("options", error);
    }
  }

  /** Stores that the source has no such record, for `negativeTtlMs` unless the options say otherwise. */
  async setAbsent(key: string, options?: SetOptions): Promise<SetOutcome> {
    const { writer } = this.#parts;
    try {
      this.#refuseIfClosed();
      return await writer.set(key, writer.encode(undefined, true), checkOptions(options, SET_OPTIONS));
    } catch (error) {
      throw unreadable("options", error);
    }
  }

  /**
   * Stores any number of values, as the window has room for them; the outcomes are in their order. Rejects when one fails:
   * others may have been stored, and those that were not sent yet are not.
   */
  async setMany(
    entries: Iterable<readonly [key: string, value: Value]>,
    options?: SetOptions,
  ): Promise<SetOutcome[]> {
    this.#refuseIfClosed();
    // All are read before the first is sent: if one cannot be read, none is stored.
    const pairs = readable("entries", () => checkPairs("entries", entries));
    const { context, writer } = this.#parts;
    const checked = readable("options", () => ({ ...checkOptions(options, SET_OPTIONS) }));
    const bulk = { ...checked, bulk: context.runner.bulk(checked) };
    return runBulk(pairs, ([key, value]) => writer.set(key, writer.encode(value, false), bulk));
  }

  /** Gives a fresh entry new lifetimes, counted from now. False: there is no fresh entry. */
  async touch(key: string, options?: TouchOptions): Promise<boolean> {
    try {
      this.#refuseIfClosed();
      return await this.#parts.writer.touch(key, checkOptions(options, TOUCH_OPTIONS));
    } catch (error) {
      throw unreadable("options", error);
    }
  }

  /**
   * Adds to a counter in one step, and answers with its new value: a whole number as decimal text, in any codec's namespace.
   * `delta` may be negative, and is a 64-bit integer; default 1. When there is no fresh entry, the counter begins with
   * `initial` and gets the lifetimes; later calls leave these alone. A call that is sent again adds once.
   */
  async increment(
    key: string,
    delta: bigint | number = 1,
    options?: IncrementOptions,
  ): Promise<IncrementOutcome> {
    try {
      this.#refuseIfClosed();
      return await this.#parts.writer.increment(key, delta, checkOptions(options, INCREMENT_OPTIONS));
    } catch (error) {
      throw unreadable("options", error);
    }
  }

  /**
   * Removes entries in the whole mesh, or makes them stale: those of `{ keys }`, `{ tags }`, `{ prefix }` or
   * `{ all: true }`. More keys or tags than one message may hold go in several, as the window has room for them; when one
   * fails, others may have taken effect. Room in the window is kept for invalidations. Without a connection, or an answer, one
   * is queued until a server has acknowledged it. A caller who gives up first, by deadline or signal, gets a
   * QueuedInvalidationError.
   */
  async invalidate(target: Target, options?: InvalidateOptions): Promise<InvalidateOutcome> {
    try {
      this.#refuseIfClosed();
      return await this.#parts.writer.invalidate(target, checkOptions(options, INVALIDATE_OPTIONS));
    } catch (error) {
      throw unreadable("options", error);
    }
  }

  /**
   * The namespace's events from now on. Throws FIELD_INVALID, CANCELLED and CLOSED. A server that is older than 0.1 knows no
   * selectors of several namespaces: where there are more of them than it takes in one subscription, it throws LIMIT_EXCEEDED,
   * or, if the server is known later, ends the subscription with that error.
   */
  subscribe(options?: SubscribeOptions): EventSubscription {
    this.#refuseIfClosed();
    return this.#parts.client.subscribe(
      this.name,
      readable("options", () => ({ ...checkOptions(options, SUBSCRIBE_OPTIONS) })),
    );
  }

  // ---- The end -------------------------------------------------------------------------------------------

  /**
   * Ends the namespace in this process: frees its near copies, ends its subscriptions and refuses later calls with CLOSED.
   * Calls under way go on. Resolves when the loads under way have stored their values or given their leases back. A second
   * call returns the promise of the first. `MeshCache.namespace` opens the name again, with any options.
   */
  close(): Promise<void> {
    this.#closed ??= this.#parts.client.close(this.name);
    return this.#closed;
  }

  /** As `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #loader(): EntryLoader<Value> {
    const { context, reader, writer, client } = this.#parts;
    this.#parts.loader ??= new EntryLoader(context, reader, writer, client.closing);
    return this.#parts.loader;
  }

  #refuseIfClosed(): void {
    if (this.#closed !== undefined) throw new CacheError("CLOSED", "the namespace is closed");
  }

  // ---- Hits that need more than their answer -------------------------------------------------------------

  #hit(copy: CachedEntry<Value>): void {
    const { probe, nearHit } = this.#parts;
    if (probe?.due()) probe.run(copy);
    nearHit?.();
  }

  #answer(copy: CachedEntry<Value>): Promise<Outcome<Value>> {
    try {
      return this.#parts.context.values.answer(copy);
    } catch (error) {
      const { namespace, options, report } = this.#parts.context;
      if (options.undecodable === "error") return Promise.reject(error);
      report({ kind: "undecodable", namespace, codec: options.codec.name });
      return Promise.resolve(MISS);
    }
  }

  #loaded(copy: CachedEntry<Value>): Promise<Value | undefined> {
    try {
      return this.#parts.context.values.loaded(copy);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #getOrLoad(key: string, loader: Loader<Value>, options: LoadOptions): Promise<Value | undefined> {
    const entry = await this.#loader.load(key, loader, options);
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

/** The result of reading an argument, or FIELD_INVALID when that throws. */
function readable<Result>(field: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw unreadable(field, error);
  }
}
