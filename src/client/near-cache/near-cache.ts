/**
 * The near cache of one namespace: entries bounded in bytes, and the indexes that find the entries that a change
 * concerns. `Coherence` decides what may enter and what may be served.
 */
import type { Event } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { AsOf, Change, Coherence, EndedEpoch } from "../coherence/coherence.ts";
import { NOT_COVERED } from "../coherence/coherence.ts";
import type { InvalidationListener } from "../coherence/invalidation-bus.ts";
import { type Cover, NO_COVER } from "../coherence/selector-cover.ts";
import type { LocalSubscription } from "../coherence/subscription-set.ts";
import {
  type AnyCachedEntry,
  type CachedEntry,
  type Confirmation,
  type CopyOwner,
  createCachedEntry,
  type Reading,
  type SharedHit,
  sizeOf,
} from "./cached-entry.ts";
import { type ClockBudget, ClockCache, type RemovalListener } from "./clock-cache.ts";
import { FEW_MAX, fewMatching, fewMatchingInAll, ShardIndexes } from "./tag-index.ts";

/** Is never a generation: an entry that has it is suspect until it is revalidated. */
const SUSPECT = 0;

/** What the near caches did, counted over all namespaces from when the client was made. */
export interface NearCounters {
  /** Reads that the near cache answered. */
  hits: number;
  /** Reads that had to ask the server. */
  misses: number;
  /** Copies and loads that were served in an outage. */
  outageHits: number;
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

export class NearCache<Value>
  implements InvalidationListener, LocalSubscription, CopyOwner, RemovalListener<CachedEntry<Value>>
{
  readonly namespace: string;
  readonly prefixes: readonly string[];
  /** Asks the server for entries again. Undefined: nobody does. */
  revalidator: { revalidate(key: string): Promise<unknown> } | undefined;
  readonly budget: ClockBudget<AnyCachedEntry>;
  readonly #coherence: Coherence;
  readonly #counters: NearCounters;
  readonly #entries: ClockCache<CachedEntry<Value>, AnyCachedEntry>;
  /** Undefined: there were never more than a few entries. */
  #indexes: ShardIndexes<CachedEntry<Value>> | undefined;
  /** The cover that was last looked at, and whether this near cache is in it. */
  #cover: Cover = NO_COVER;
  #isCovered = false;
  #closed = false;

  /** Only keys with one of `prefixes` are kept. None: every key. */
  constructor(
    namespace: string,
    prefixes: readonly string[],
    budget: ClockBudget<AnyCachedEntry>,
    coherence: Coherence,
    counters: NearCounters,
  ) {
    this.namespace = namespace;
    this.prefixes = prefixes;
    this.budget = budget;
    this.#coherence = coherence;
    this.#counters = counters;
    this.#entries = new ClockCache(budget, this);
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

  /** The entry of a key, if it may be served in the outage that there is now. */
  readInOutage(key: string, outageTtlMs: number): CachedEntry<Value> | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || !this.#coherence.mayServeInOutage(entry, outageTtlMs)) return undefined;
    this.#counters.outageHits += 1;
    return entry;
  }

  /** The entry of a key, if it has a version of the current epoch, with which it can be revalidated. */
  revalidatable(key: string): CachedEntry<Value> | undefined {
    const entry = this.#entries.peek(key);
    return entry !== undefined && entry.version !== 0 && entry.epoch === this.#coherence.epoch
      ? entry
      : undefined;
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

  // ---- Filling -------------------------------------------------------------------------------------------

  /** Events may be missed from now on: neither the copies nor the answers that are under way can be trusted. */
  uncovered(): void {
    this.#coherence.coverageLost();
    this.clear();
  }

  /** Frees the copies. Nothing is kept any more, whatever is under way. */
  close(): void {
    this.#closed = true;
    this.clear();
  }

  /** Nothing is kept, as long as it is not covered: reads go to the server. */
  refused(): void {}

  /** What the fill rule must know of a request just before it is sent. */
  coverage(): number {
    const { cover, coverage } = this.#coherence;
    if (cover !== this.#cover) {
      this.#cover = cover;
      this.#isCovered = cover.covers(this);
    }
    return this.#isCovered ? coverage : NOT_COVERED;
  }

  /** Keeps what a response said, if the fill rule allows it. `shared` is its value, decoded and frozen. */
  keep(reading: Reading, coverage: number, shared?: SharedHit<Value>): boolean {
    const { asOf, key } = reading;
    const sizeBytes = sizeOf(reading);
    if (!this.#mayEnter(asOf, key, reading.tags, coverage) || sizeBytes > this.#entries.maxBytes) {
      this.#counters.fillsRefused += 1;
      this.removeOlder(key, asOf);
      return false;
    }
    const entry = createCachedEntry(reading, sizeBytes, this.#coherence.generation, shared, this);
    this.#add(entry);
    this.#counters.fills += 1;
    return true;
  }

  /** Keeps what was loaded in this outage until its end. */
  keepInOutage(reading: Reading, shared?: SharedHit<Value>): void {
    const sizeBytes = sizeOf(reading);
    if (this.#closed || !this.covers(reading.key) || sizeBytes > this.#entries.maxBytes) return;
    const entry = createCachedEntry(reading, sizeBytes, this.#coherence.outageGeneration, shared, this);
    this.#add(entry);
  }

  /** The server confirmed an entry. False: the fill rule forbids to serve it again. */
  confirm(entry: CachedEntry<Value>, confirmation: Confirmation, coverage: number): boolean {
    const { asOf, readAtMs, ageMs, freshUntilMs } = confirmation;
    // An entry that was removed or replaced while the response was under way is not restored.
    if (!this.holds(entry) || !this.#mayEnter(asOf, entry.key, entry.tags, coverage)) {
      this.#counters.fillsRefused += 1;
      this.removeOlder(entry.key, asOf);
      return false;
    }
    entry.revision = asOf.revision;
    entry.readAtMs = readAtMs;
    entry.ageMs = ageMs;
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
    if (this.#closed || !this.covers(key)) return false;
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
    else for (const entry of this.#matchingInAll(target, name)) this.#remove(entry.key);
  }

  /**
   * The store has another epoch, which continues these: what they had is of the new epoch now. All else of a former epoch is
   * suspect.
   */
  continueIn(epoch: bigint, predecessors: readonly EndedEpoch[]): void {
    for (const entry of this.#entries.values()) {
      if (entry.epoch === epoch) continue;
      const ended = predecessors.find((predecessor) => predecessor.epoch === entry.epoch);
      if (entry.revision <= (ended?.endRevisions[entry.shard] ?? -1)) entry.epoch = epoch;
      else entry.generation = SUSPECT;
    }
  }

  clear(): void {
    this.#entries.clear();
  }

  async revalidate(key: string): Promise<void> {
    await this.revalidator?.revalidate(key);
  }

  removed(entry: CachedEntry<Value>): void {
    this.#indexes?.remove(entry);
  }

  evict(key: string): void {
    this.#entries.delete(key);
  }

  *#matching(change: Change): Iterable<CachedEntry<Value>> {
    if (change.target === "key") {
      const entry = this.#entries.peek(change.name);
      if (entry !== undefined) yield entry;
    } else yield* this.#indexes?.matching(change) ?? fewMatching(this.#entries.values(), change);
  }

  #matchingInAll(target: Change["target"], name: string): Iterable<CachedEntry<Value>> {
    return (
      this.#indexes?.matchingInAll(target, name) ?? fewMatchingInAll(this.#entries.values(), target, name)
    );
  }

  #add(entry: CachedEntry<Value>): void {
    this.#counters.evicted += this.#entries.set(entry);
    if (this.#indexes !== undefined) this.#indexes.add(entry);
    else if (this.#entries.size > FEW_MAX) this.#indexes = new ShardIndexes(this.#entries.values());
  }

  #remove(key: string): void {
    if (this.#entries.delete(key)) this.#counters.invalidated += 1;
  }
}

/** Whether an entry was read before `asOf`. An entry of another epoch was: that epoch is over. */
function isBefore(entry: AsOf, asOf: AsOf): boolean {
  return entry.epoch !== asOf.epoch || entry.revision < asOf.revision;
}
