/**
 * The near cache of one namespace: local copies bounded in bytes, and the index by which a change finds the
 * copies it is about. What may enter and what may be served is decided in coherence.ts.
 */
import type { Event } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { AsOf, Change, Coherence } from "../coherence/coherence.ts";
import { NOT_COVERED } from "../coherence/coherence.ts";
import type { Holder } from "../coherence/invalidation-bus.ts";
import type { Interest } from "../coherence/subscription-set.ts";
import { type Copy, createCopy, type Reading, type SharedHit } from "./cached-entry.ts";
import { CopyTable } from "./clock-cache.ts";
import { createShardCopies, type ShardCopies } from "./tag-index.ts";

/** Never a generation: a copy that has it is suspect until it is revalidated. */
const SUSPECT = 0;

export interface NearCacheOptions {
  /** Bytes of the copies' encoded values, keys and tags, and a constant for each copy. */
  readonly maxBytes: number;
  /** Keys that may be kept. None: every key of the namespace. */
  readonly prefixes: readonly string[];
}

/** Counted from the start, over all namespaces. */
export interface NearCounters {
  hits: number;
  /** Reads that had to ask the server. */
  misses: number;
  fills: number;
  /** Answers that the fill rule kept out. */
  fillsRefused: number;
  /** Copies that a change, a remote one or an own one, removed. */
  invalidated: number;
  evicted: number;
  /** Copies that the server said are still true. */
  revalidated: number;
}

/** Besides its value, a copy costs about this much: the object, the map's slot and the index's. */
const COPY_OVERHEAD_BYTES = 256;

export class NearCache<Value> implements Holder, Interest {
  readonly namespace: string;
  readonly prefixes: readonly string[];
  readonly #maxBytes: number;
  readonly #coherence: Coherence;
  readonly #counters: NearCounters;
  readonly #copies: CopyTable<Copy<Value>>;
  readonly #shards: ShardCopies<Copy<Value>>[] = [];
  #covered = false;

  constructor(namespace: string, options: NearCacheOptions, coherence: Coherence, counters: NearCounters) {
    this.namespace = namespace;
    this.prefixes = options.prefixes;
    this.#maxBytes = options.maxBytes;
    this.#coherence = coherence;
    this.#counters = counters;
    this.#copies = new CopyTable(options.maxBytes, (copy) => this.#shards[copy.shard]?.remove(copy));
  }

  // ---- Reading -------------------------------------------------------------------------------------------

  /** The copy of a key if the hit rule lets it be served now. */
  read(key: string): Copy<Value> | undefined {
    // First the clock: its read waits for every load before it, and so these would not overlap with those after it.
    const nowMs = this.#coherence.nowMs();
    const copy = this.#copies.get(key);
    if (copy === undefined || !this.#coherence.mayServe(copy, nowMs)) {
      this.#counters.misses += 1;
      return undefined;
    }
    this.#counters.hits += 1;
    return copy;
  }

  /** As `read`, if also the promise holds with `maxStalenessMs` for its L. */
  readWithin(key: string, maxStalenessMs: number): Copy<Value> | undefined {
    const copy = this.#copies.get(key);
    if (
      copy === undefined ||
      !this.#coherence.mayServeWithin(copy, this.#coherence.nowMs(), maxStalenessMs)
    ) {
      this.#counters.misses += 1;
      return undefined;
    }
    this.#counters.hits += 1;
    return copy;
  }

  /** The copy of a key that may not be served but may be revalidated: of the current epoch, with a version. */
  revalidatable(key: string): Copy<Value> | undefined {
    const copy = this.#copies.peek(key);
    return copy !== undefined && copy.version !== 0 && copy.epoch === this.#coherence.epoch
      ? copy
      : undefined;
  }

  /** Keys whose copies are suspect and may be revalidated, about the most recently used first. */
  suspects(limit: number): string[] {
    const keys: string[] = [];
    for (const copy of this.#copies.byUse()) {
      if (keys.length >= limit) break;
      if (copy.generation !== this.#coherence.generation && this.revalidatable(copy.key) === copy)
        keys.push(copy.key);
    }
    return keys;
  }

  // ---- Filling -------------------------------------------------------------------------------------------

  /** The subscription covering the namespace is live. */
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

  /** Keeps what a response said, if the fill rule allows it. `shared`: its value, decoded and frozen. */
  keep(reading: Reading, coverage: number, shared?: SharedHit<Value>): boolean {
    const { asOf, key } = reading;
    const sizeBytes = sizeOf(reading);
    if (!this.#mayEnter(asOf, key, reading.tags, coverage) || sizeBytes > this.#maxBytes) {
      this.#counters.fillsRefused += 1;
      this.supersede(key, asOf);
      return false;
    }
    const copy = createCopy(reading, sizeBytes, this.#coherence.generation, shared);
    this.#counters.evicted += this.#copies.set(copy);
    this.#shard(copy.shard).add(copy);
    this.#counters.fills += 1;
    return true;
  }

  /** The server said that a copy still is what it has. False: the fill rule keeps it from being trusted again. */
  confirm(copy: Copy<Value>, asOf: AsOf, readAtMs: number, freshUntilMs: number, coverage: number): boolean {
    const { key } = copy;
    // What was removed or replaced while the answer was under way is not brought back.
    if (this.#copies.peek(key) !== copy || !this.#mayEnter(asOf, key, copy.tags, coverage)) {
      this.#counters.fillsRefused += 1;
      this.supersede(key, asOf);
      return false;
    }
    copy.revision = asOf.revision;
    copy.readAtMs = readAtMs;
    copy.freshUntilMs = freshUntilMs;
    copy.generation = this.#coherence.generation;
    this.#counters.revalidated += 1;
    return true;
  }

  /** A response that is not kept may still show that the copy is older than what the caller now knows. */
  supersede(key: string, asOf: AsOf): void {
    const copy = this.#copies.peek(key);
    if (copy !== undefined && isBefore(copy, asOf)) this.#copies.delete(key);
  }

  // ---- Changes -------------------------------------------------------------------------------------------

  /** Removes the copies that a change is about, but for those that already reflect it. */
  changed(change: Change, _event: Event, touched: boolean): void {
    const { epoch } = this.#coherence;
    const at: AsOf = { epoch, shard: change.shard, revision: change.revision };
    for (const copy of this.#matching(change)) {
      if (!isBefore(copy, at)) continue;
      // New lifetimes, shorter perhaps; the value is the same, so asking again is cheap.
      if (touched) copy.generation = SUSPECT;
      else this.#invalidate(copy.key);
    }
  }

  /**
   * Removes the copies that an own write is about, whatever they reflect: before it is sent and when it is
   * answered, so that an ambiguous write leaves nothing.
   */
  forget(target: Change["target"], name: string): void {
    if (target === "key") this.#invalidate(name);
    else {
      for (const shard of this.#shards) {
        for (const copy of shard?.matching(target, name) ?? []) this.#invalidate(copy.key);
      }
    }
  }

  /** This very copy is still here. */
  holds(copy: Copy<Value>): boolean {
    return this.#copies.peek(copy.key) === copy;
  }

  isSuspect(key: string): boolean {
    const copy = this.#copies.peek(key);
    return copy !== undefined && copy.generation !== this.#coherence.generation;
  }

  clear(): void {
    this.#copies.clear();
  }

  get entries(): number {
    return this.#copies.size;
  }

  get bytes(): number {
    return this.#copies.bytes;
  }

  covers(key: string): boolean {
    const { prefixes } = this;
    return prefixes.length === 0 || prefixes.some((prefix) => key.startsWith(prefix));
  }

  #mayEnter(asOf: AsOf, key: string, tags: readonly string[], coverage: number): boolean {
    if (!this.covers(key)) return false;
    if (!this.#coherence.mayKeep(coverage, asOf, this.namespace, key, tags)) return false;
    // Two streams of one client may answer out of order while it moves from a draining server to the next.
    const held = this.#copies.peek(key);
    return held === undefined || held.epoch !== asOf.epoch || held.revision <= asOf.revision;
  }

  *#matching(change: Change): Iterable<Copy<Value>> {
    if (change.target === "key") {
      const copy = this.#copies.peek(change.name);
      if (copy !== undefined) yield copy;
    } else yield* this.#shards[change.shard]?.matching(change.target, change.name) ?? [];
  }

  #invalidate(key: string): void {
    if (this.#copies.delete(key)) this.#counters.invalidated += 1;
  }

  #shard(shard: number): ShardCopies<Copy<Value>> {
    let copies = this.#shards[shard];
    if (copies === undefined) {
      copies = createShardCopies();
      this.#shards[shard] = copies;
    }
    return copies;
  }
}

/** Whether a copy was read before `asOf`. Of another epoch it always was: that epoch is over. */
function isBefore(copy: AsOf, asOf: AsOf): boolean {
  return copy.epoch !== asOf.epoch || copy.revision < asOf.revision;
}

function sizeOf(reading: Reading): number {
  let tagBytes = 0;
  for (const tag of reading.tags) tagBytes += tag.length;
  return COPY_OVERHEAD_BYTES + reading.key.length + tagBytes + (reading.encoded?.length ?? 0);
}
