/**
 * The near cache of one namespace: entries bounded in bytes, and the indexes that find the entries that a change
 * concerns. `Coherence` decides what may enter and what may be served.
 */
import type { Event } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { AsOf, Change, Coherence } from "../coherence/coherence.ts";
import { NOT_COVERED } from "../coherence/coherence.ts";
import type { InvalidationListener } from "../coherence/invalidation-bus.ts";
import type { LocalSubscription } from "../coherence/subscription-set.ts";
import { type CachedEntry, createCachedEntry, type Reading, type SharedHit, sizeOf } from "./cached-entry.ts";
import { ClockCache } from "./clock-cache.ts";
import { ShardIndexes } from "./tag-index.ts";

/** Is never a generation: an entry that has it is suspect until it is revalidated. */
const SUSPECT = 0;

export interface NearCacheOptions {
  /** Bounds the sum of the encoded values, keys and tags, plus a constant for each entry. */
  readonly maxBytes: number;
  /** Only keys with one of these prefixes are kept. Empty: every key of the namespace. */
  readonly prefixes: readonly string[];
}

/** What the near caches did, counted over all namespaces from when the client was made. */
export interface NearCounters {
  /** Reads that the near cache answered. */
  hits: number;
  /** Reads that had to ask the server. */
  misses: number;
  /** Responses that were kept. */
  fills: number;
  /** Responses that were not kept, by the fill rule or because they were too large. */
  fillsRefused: number;
  /** Entries that were removed by an event or an own write. */
  invalidated: number;
  /** Entries that were removed because others needed their memory. */
  evicted: number;
  /** Entries that the server confirmed. */
  revalidated: number;
}

export class NearCache<Value> implements InvalidationListener, LocalSubscription {
  readonly namespace: string;
  readonly prefixes: readonly string[];
  readonly #maxBytes: number;
  readonly #coherence: Coherence;
  readonly #counters: NearCounters;
  readonly #entries: ClockCache<CachedEntry<Value>>;
  readonly #indexes = new ShardIndexes<CachedEntry<Value>>();
  #covered = false;

  constructor(namespace: string, options: NearCacheOptions, coherence: Coherence, counters: NearCounters) {
    this.namespace = namespace;
    this.prefixes = options.prefixes;
    this.#maxBytes = options.maxBytes;
    this.#coherence = coherence;
    this.#counters = counters;
    this.#entries = new ClockCache(options.maxBytes, (entry) => this.#indexes.remove(entry));
  }

  // ---- Reading -------------------------------------------------------------------------------------------

  /** The entry of a key, if the hit rule lets it be served now. */
  read(key: string): CachedEntry<Value> | undefined {
    // The clock comes first. Reading it waits for every earlier load, which then cannot overlap with the later ones.
    const nowMs = this.#coherence.nowMs();
    const entry = this.#entries.get(key);
    if (entry === undefined || !this.#coherence.mayServe(entry, nowMs)) {
      this.#counters.misses += 1;
      return undefined;
    }
    this.#counters.hits += 1;
    return entry;
  }

  /** The entry of a key, if the hit rule lets it be served with `maxStalenessMs` in place of a longer lease. */
  readWithin(key: string, maxStalenessMs: number): CachedEntry<Value> | undefined {
    const entry = this.#entries.get(key);
    if (
      entry === undefined ||
      !this.#coherence.mayServeWithin(entry, this.#coherence.nowMs(), maxStalenessMs)
    ) {
      this.#counters.misses += 1;
      return undefined;
    }
    this.#counters.hits += 1;
    return entry;
  }

  /** The entry of a key, if it has a version of the current epoch, with which it can be revalidated. */
  revalidatable(key: string): CachedEntry<Value> | undefined {
    const entry = this.#entries.peek(key);
    return entry !== undefined && entry.version !== 0 && entry.epoch === this.#coherence.epoch
      ? entry
      : undefined;
  }

  /** Keys of suspect entries that can be revalidated, about the most recently used first. */
  suspects(limit: number): string[] {
    const keys: string[] = [];
    for (const entry of this.#entries.byUse()) {
      if (keys.length >= limit) break;
      if (entry.generation !== this.#coherence.generation && this.revalidatable(entry.key) === entry)
        keys.push(entry.key);
    }
    return keys;
  }

  isSuspect(key: string): boolean {
    const entry = this.#entries.peek(key);
    return entry !== undefined && entry.generation !== this.#coherence.generation;
  }

  /** Whether this very entry is still in the cache. */
  holds(entry: CachedEntry<Value>): boolean {
    return this.#entries.peek(entry.key) === entry;
  }

  get entries(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#entries.bytes;
  }

  // ---- Filling -------------------------------------------------------------------------------------------

  /** A subscription that covers the near cache is live. */
  live(): void {
    this.#covered = true;
  }

  lost(): void {
    this.#covered = false;
  }

  /** Nothing is kept, as long as it is not covered: reads go to the server. */
  refused(): void {}

  /** What the fill rule must know of a request just before it is sent. */
  coverage(): number {
    return this.#covered ? this.#coherence.coverage : NOT_COVERED;
  }

  /** Keeps what a response said, if the fill rule allows it. `shared` is its value, decoded and frozen. */
  keep(reading: Reading, coverage: number, shared?: SharedHit<Value>): boolean {
    const { asOf, key } = reading;
    const sizeBytes = sizeOf(reading);
    if (!this.#mayEnter(asOf, key, reading.tags, coverage) || sizeBytes > this.#maxBytes) {
      this.#counters.fillsRefused += 1;
      this.removeOlder(key, asOf);
      return false;
    }
    const entry = createCachedEntry(reading, sizeBytes, this.#coherence.generation, shared);
    this.#counters.evicted += this.#entries.set(entry);
    this.#indexes.add(entry);
    this.#counters.fills += 1;
    return true;
  }

  /** The server confirmed an entry. False: the fill rule forbids to serve it again. */
  confirm(
    entry: CachedEntry<Value>,
    asOf: AsOf,
    readAtMs: number,
    freshUntilMs: number,
    coverage: number,
  ): boolean {
    // An entry that was removed or replaced while the response was under way is not restored.
    if (!this.holds(entry) || !this.#mayEnter(asOf, entry.key, entry.tags, coverage)) {
      this.#counters.fillsRefused += 1;
      this.removeOlder(entry.key, asOf);
      return false;
    }
    entry.revision = asOf.revision;
    entry.readAtMs = readAtMs;
    entry.freshUntilMs = freshUntilMs;
    entry.generation = this.#coherence.generation;
    this.#counters.revalidated += 1;
    return true;
  }

  /** Removes the entry of a key if it is older than a response that was not kept: the caller knows a newer state. */
  removeOlder(key: string, asOf: AsOf): void {
    const entry = this.#entries.peek(key);
    if (entry !== undefined && isBefore(entry, asOf)) this.#entries.delete(key);
  }

  covers(key: string): boolean {
    const { prefixes } = this;
    return prefixes.length === 0 || prefixes.some((prefix) => key.startsWith(prefix));
  }

  #mayEnter(asOf: AsOf, key: string, tags: readonly string[], coverage: number): boolean {
    if (!this.covers(key)) return false;
    if (!this.#coherence.mayFill(coverage, asOf, this.namespace, key, tags)) return false;
    // During a handover two streams may deliver responses out of order.
    const held = this.#entries.peek(key);
    return held === undefined || held.epoch !== asOf.epoch || held.revision <= asOf.revision;
  }

  // ---- Invalidation --------------------------------------------------------------------------------------

  /** Removes the entries that a change concerns, except those that already reflect it. */
  onEvent(change: Change, _event: Event, touched: boolean): void {
    const { epoch } = this.#coherence;
    const asOf: AsOf = { epoch, shard: change.shard, revision: change.revision };
    for (const entry of this.#matching(change)) {
      if (!isBefore(entry, asOf)) continue;
      // A touch may shorten the TTL. The value is unchanged, so revalidation is cheap.
      if (touched) entry.generation = SUSPECT;
      else this.#remove(entry.key);
    }
  }

  invalidate(target: Change["target"], name: string): void {
    if (target === "key") this.#remove(name);
    else for (const entry of this.#indexes.matchingInAll(target, name)) this.#remove(entry.key);
  }

  clear(): void {
    this.#entries.clear();
  }

  *#matching(change: Change): Iterable<CachedEntry<Value>> {
    if (change.target === "key") {
      const entry = this.#entries.peek(change.name);
      if (entry !== undefined) yield entry;
    } else yield* this.#indexes.matching(change);
  }

  #remove(key: string): void {
    if (this.#entries.delete(key)) this.#counters.invalidated += 1;
  }
}

/** Whether an entry was read before `asOf`. An entry of another epoch was: that epoch is over. */
function isBefore(entry: AsOf, asOf: AsOf): boolean {
  return entry.epoch !== asOf.epoch || entry.revision < asOf.revision;
}
