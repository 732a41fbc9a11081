/**
 * The contract of a store, the same for every engine.
 *
 * All calls are synchronous and without timers: time comes from an injected clock, and the owner calls `maintain`
 * regularly. Callers check every bound before (see `rpc/`); the store checks none. `cache.proto` states the semantics
 * in full; this file adds what concerns the store alone.
 */

import type { ValueMemory } from "./value-arena.ts";

/** A revision of a shard, within the store's epoch: what an answer is as of. */
export interface Stamp {
  readonly shard: number;
  /** A whole number below 2^53. */
  readonly revision: number;
}

/** An epoch that a store continues: it began with what that one had at its end. */
export interface Predecessor {
  readonly epoch: bigint;
  /** By shard. Greater revisions of that epoch are of another life of it, which the store knows nothing of. */
  readonly endRevisions: readonly number[];
}

/** The writer of a mutation, for its events. Both may be empty. */
export interface Writer {
  readonly origin: string;
  readonly traceparent: string;
}

/**
 * An entry as read. `value` is never written to after it was returned; the reader may keep it, unless it gave an arena.
 */
export interface EntryView {
  readonly value: Uint8Array;
  readonly version: number;
  /** 0n: none. */
  readonly sourceVersion: bigint;
  /** 0: stale, or never expires. Else at least 1. */
  readonly ttlRemainingMs: number;
  /** 0: none, or no end. */
  readonly staleRemainingMs: number;
  readonly stale: boolean;
  /** How long ago the value was set. Touch does not change it. */
  readonly ageMs: number;
  readonly absent: boolean;
  readonly tags: readonly string[];
  readonly contentType: string;
  readonly contentEncoding: string;
}

export interface GetCommand {
  readonly namespace: string;
  readonly key: string;
  /** 0: none. */
  readonly ifVersion: number;
  /** 0n: not checked. An epoch that the store continues will do. */
  readonly ifEpoch: bigint;
  readonly allowStale: boolean;
}

export type GetResult =
  | { readonly kind: "hit"; readonly asOf: Stamp; readonly entry: EntryView }
  /** The caller has this version already: `value` is empty. */
  | { readonly kind: "notModified"; readonly asOf: Stamp; readonly entry: EntryView }
  | { readonly kind: "miss"; readonly asOf: Stamp };

/** "expired": past its TTL. "staled": invalidated softly. Reads see both as stale. "gone": no read sees it any more. */
export type InspectedState = "fresh" | "expired" | "staled" | "gone";

/** A fence that concerns a key. What was set before its revision is covered by it. */
export interface FenceView {
  readonly kind: "tag" | "prefix" | "namespace";
  /** The tag or the prefix. Empty: it stands for several, or for all keys. */
  readonly name: string;
  readonly soft: boolean;
  readonly revision: number;
  /** It covers the entry. */
  readonly covers: boolean;
}

export interface InspectResult {
  readonly asOf: Stamp;
  /** Undefined: there is none, not even one that is gone. */
  readonly entry: { readonly state: InspectedState; readonly view: EntryView } | undefined;
  /** Those that have not been dropped, the newest first. */
  readonly fences: readonly FenceView[];
}

export type SetCondition =
  | { readonly kind: "always" }
  | { readonly kind: "ifAbsent" }
  | { readonly kind: "ifPresent" }
  | { readonly kind: "ifVersion"; readonly version: number; readonly epoch: bigint }
  | { readonly kind: "lease"; readonly token: bigint };

export interface SetCommand {
  readonly namespace: string;
  readonly key: string;
  /** Copied by the store. */
  readonly value: Uint8Array;
  readonly ttlMs: number;
  readonly staleMs: number;
  readonly tags: readonly string[];
  readonly contentType: string;
  readonly contentEncoding: string;
  readonly absent: boolean;
  readonly sourceVersion: bigint;
  readonly condition: SetCondition;
  /** 0n: none. */
  readonly requestId: bigint;
  /** Of a retry without "ifVersion": the epoch of the store in which it was sent first. Default: 0n, it is none. */
  readonly firstEpoch?: bigint;
  readonly writer: Writer;
}

export type NotStoredReason = "exists" | "absent" | "versionMismatch" | "leaseLost" | "olderSourceVersion";

export type SetResult =
  | { readonly kind: "stored"; readonly asOf: Stamp; readonly version: number }
  | { readonly kind: "notStored"; readonly asOf: Stamp; readonly reason: NotStoredReason };

export type InvalidateTarget =
  | { readonly kind: "keys"; readonly keys: readonly string[] }
  | { readonly kind: "tags"; readonly tags: readonly string[] }
  | { readonly kind: "prefix"; readonly prefix: string }
  | { readonly kind: "all" };

export interface InvalidateCommand {
  readonly namespace: string;
  readonly target: InvalidateTarget;
  readonly soft: boolean;
  /** Only with keys and hard. 0n: none. */
  readonly sourceVersion: bigint;
  readonly writer: Writer;
}

export interface InvalidateResult {
  readonly stamps: readonly Stamp[];
  readonly removed: number;
}

export interface TouchCommand {
  readonly namespace: string;
  readonly key: string;
  readonly ttlMs: number;
  readonly staleMs: number;
  readonly writer: Writer;
}

export interface TouchResult {
  readonly asOf: Stamp;
  readonly touched: boolean;
}

export interface IncrementCommand {
  readonly namespace: string;
  readonly key: string;
  /** An int64. */
  readonly delta: bigint;
  /** An int64: what a counter has that no fresh entry is there for. */
  readonly initial: bigint;
  /** Of a counter that it creates. */
  readonly ttlMs: number;
  readonly staleMs: number;
  readonly condition: IncrementCondition;
  /** 0n: none. */
  readonly requestId: bigint;
  /** As of a Set. */
  readonly firstEpoch?: bigint;
  readonly writer: Writer;
}

/** As of a Set, but that "ifVersion" holds of a fresh entry alone. */
export type IncrementCondition = Exclude<SetCondition, { kind: "lease" }>;

export type IncrementRefusal = "exists" | "absent" | "versionMismatch" | "notACounter" | "overflow";

export type IncrementResult =
  | {
      readonly kind: "incremented";
      readonly asOf: Stamp;
      readonly value: bigint;
      readonly version: number;
      /** 0: it never expires. Else at least 1. */
      readonly ttlRemainingMs: number;
      /** No entry was fresh. */
      readonly created: boolean;
    }
  | { readonly kind: "notIncremented"; readonly asOf: Stamp; readonly reason: IncrementRefusal };

/** Where a listing goes on. */
export interface ListPosition {
  readonly shard: number;
  /** Of the scan of its table, below 2^48. 0: at its begin. */
  readonly position: number;
}

export interface ListKeysCommand {
  readonly namespace: string;
  /** Empty: every key. */
  readonly prefix: string;
  /** At least 1. */
  readonly maxKeys: number;
  /** `undefined`: at the begin. */
  readonly from: ListPosition | undefined;
}

/** An entry that a Get finds, which may see stale ones. The lifetimes are as in `EntryView`. */
export interface KeyView
  extends Pick<EntryView, "version" | "ttlRemainingMs" | "staleRemainingMs" | "stale" | "absent"> {
  readonly key: string;
  readonly valueBytes: number;
}

export interface ListKeysResult {
  readonly keys: readonly KeyView[];
  /** Of the shards that were looked at. */
  readonly stamps: readonly Stamp[];
  /** `undefined`: there are no more. */
  readonly next: ListPosition | undefined;
}

export interface LeaseCommand {
  readonly namespace: string;
  readonly key: string;
  /** 0: do not wait. */
  readonly waitMs: number;
  /** At least 1. */
  readonly leaseMs: number;
  /** The id of the holder that will have the lease. Default: one that all have in common, and that never ends. */
  readonly holder?: number;
}

/** Whose leases they are: those of one stream, or of several that follow one another, or of a connection. */
export interface LeaseHolder {
  /** A whole number below 2^32. */
  readonly id: number;
  /** Names it to a later stream. Nobody can guess it. 0n: it cannot be named. */
  readonly token: bigint;
}

export type LeaseResult =
  | { readonly kind: "hit"; readonly asOf: Stamp; readonly entry: EntryView }
  | {
      readonly kind: "granted";
      readonly asOf: Stamp;
      readonly token: bigint;
      readonly leaseMs: number;
      readonly stale: EntryView | undefined;
    }
  | {
      readonly kind: "held";
      readonly asOf: Stamp;
      readonly retryAfterMs: number;
      readonly stale: EntryView | undefined;
    };

/** A lease call that waits. After `cancel`, `settle` is not called. */
export interface LeaseWait {
  readonly kind: "waiting";
  cancel(): void;
}

export type EventKind = "set" | "invalidated" | "staled" | "touched";
export type EventTarget = "key" | "tag" | "prefix" | "all";

/** One mutation, for subscribers. All events of one mutation of a shard have its revision. */
export interface StoreEvent {
  readonly shard: number;
  readonly revision: number;
  readonly kind: EventKind;
  readonly namespace: string;
  readonly target: EventTarget;
  /** The key, tag or prefix; empty for "all". */
  readonly name: string;
  readonly origin: string;
  readonly traceparent: string;
}

/** The keys of a subscription. No prefixes: the whole namespace. */
export interface Selector {
  readonly namespace: string;
  /** `namespace` is what the names of all selected namespaces begin with. */
  readonly namespaceIsPrefix?: boolean;
  readonly prefixes: readonly string[];
}

export type GapReason = "cursorExpired" | "epochChanged" | "cursorAhead" | "overrun";

export type SubscriberRead =
  | { readonly kind: "events"; readonly events: readonly StoreEvent[]; readonly cursor: Uint8Array }
  | { readonly kind: "gap"; readonly reason: GapReason; readonly cursor: Uint8Array };

/**
 * A position in the event logs of all shards. It has no queue, but reads the bounded logs of the shards: a subscriber
 * that does not read costs nothing, and one that is overrun by a log reads a single gap.
 */
export interface Subscriber {
  /** The position: everything matching before it was read. */
  cursor(): Uint8Array;
  /**
   * The next matching events, in the order of each shard, or a gap; `undefined` when there is none. Stops at
   * `maxEvents` or at about `maxBytes`, but never between events of one revision of a shard. A read that finds no match
   * among very many events may return `undefined` while `behind()` is true: read again later.
   */
  read(maxEvents: number, maxBytes: number): SubscriberRead | undefined;
  /** There are events that this subscriber has not looked at yet, matching or not. */
  behind(): boolean;
  /**
   * A bound ended the last read before the end of a log. When false, it has looked at every event that was there when
   * it began; other threads may have appended more.
   */
  unfinished(): boolean;
  /** The number of events, matching or not, from `cursor` to the ends of the logs. Default: from the position. */
  lag(cursor?: Uint8Array): number;
  /** Replaces the selectors for later events. Throws when the last read was `unfinished()` and it is `behind()`. */
  select(selectors: readonly Selector[]): void;
  /** Stops wake-ups. */
  close(): void;
}

export interface ShardStats {
  readonly revision: number;
  readonly entries: number;
  readonly bytes: number;
  readonly budgetBytes: number;
  readonly logEvents: number;
}

/** What happened to the entries of one namespace, as in `StoreCounters`, since it has a record. */
export type NamespaceCounters = Readonly<
  Pick<
    StoreCounters,
    | "hits"
    | "misses"
    | "staleHits"
    | "sets"
    | "setsRefused"
    | "touches"
    | "invalidatedKeys"
    | "invalidatedTags"
    | "invalidatedPrefixes"
    | "invalidatedAll"
    | "evictedCapacity"
    | "evictedExpired"
    | "evictedFenced"
  >
>;

/** How many bytes a namespace may have, as they count in the budget, over all shards. */
export interface NamespaceBounds {
  /** A namespace, or a pattern with `*` for any characters. A full name goes before a pattern, a longer one before a shorter. */
  readonly namespace: string;
  /** Beyond, the namespace evicts its own entries. Default: no ceiling but the budget. */
  readonly ceilingBytes?: number | undefined;
  /** Up to this, others evict none of its entries. Only for a full name. Default 0. */
  readonly floorBytes?: number | undefined;
}

/** What one namespace has in the store and did with it. */
export interface NamespaceUsage {
  /** `undefined`: all namespaces together that have no record, or had one that another needed. */
  readonly namespace: string | undefined;
  readonly entries: number;
  /** As they count in the budget. */
  readonly bytes: number;
  /** Bytes that it may have. `Infinity`: no ceiling. */
  readonly ceilingBytes: number;
  /** Bytes that others do not evict. 0: no floor. */
  readonly floorBytes: number;
  readonly counters: NamespaceCounters;
}

/** Counters from the store's start. */
export interface StoreCounters {
  hits: number;
  misses: number;
  staleHits: number;
  sets: number;
  setsRefused: number;
  touches: number;
  invalidatedKeys: number;
  invalidatedTags: number;
  invalidatedPrefixes: number;
  invalidatedAll: number;
  evictedCapacity: number;
  evictedExpired: number;
  evictedFenced: number;
  leasesGranted: number;
  leasesHeld: number;
  leasesShared: number;
  leasesFilled: number;
  leasesLost: number;
  leasesExpired: number;
  leasesReleased: number;
  /** Leases that ended with their holder. */
  leasesAbandoned: number;
  /** Gaps of subscribers that a log overran. */
  overruns: number;
  /** Fences, tombstones and answers that a bound removed, and leases and waits that it refused, all in the safe direction. */
  tagFencesPruned: number;
  prefixFencesMerged: number;
  tombstonesPruned: number;
  requestIdsPruned: number;
  /** Mutations of namespaces for which no record was free. */
  namespacesShared: number;
  leasesRefused: number;
  /** Leases that ended because the shard was full and another holder had fewer. */
  leasesDisplaced: number;
}

/** What a server does with the engine that has its entries. Numbers without a word are counters. */
export interface EngineObservation {
  /** Gauge: shards by what keeps them from being used; "ready": nothing does. */
  readonly shards: Readonly<Record<"ready" | "syncing" | "held" | "adrift", number>>;
  /** Gauge: operations without an answer. */
  readonly operationsOut: number;
  /** Calls by how they ended. "lost": their connection ended first. */
  readonly calls: Readonly<Record<"answered" | "refused" | "lost", number>>;
  /** Epochs of the store that were announced: one at the start, and one for each time that shards have begun again. */
  readonly epochs: number;
  /** Mutations that were answered while a majority knew of another epoch. */
  readonly unacknowledged: number;
}

/** What every backend of a server says at once, whether its entries are in this process or in an engine. */
export interface StoreView {
  /** Undefined: its entries are in this process. */
  readonly engine?: EngineObservation;
  readonly epoch: bigint;
  /** The epochs that it continues, the latest first. None: it began empty. */
  readonly predecessors: readonly Predecessor[];
  readonly shardCount: number;
  /** A holder of leases that end by time alone, which are counted together. */
  createHolder(): LeaseHolder;
  /**
   * The holder of a new stream: the one with the token `predecessor`, when a stream of it is open; otherwise a new one.
   * `predecessor` 0n: a new one.
   */
  openHolder(predecessor: bigint): LeaseHolder;
  /**
   * A stream of the holder is gone. With its last one all its leases end, and its tokens store nothing any more. Its
   * waits are to be cancelled before.
   */
  closeHolder(holder: LeaseHolder): void;
  /**
   * Subscribes from `cursor`, or from now when it is empty. When the cursor cannot be resumed, the first read is a gap.
   * `wake` is called when there is something to read, once until the next read; it must not call the store. Throws
   * FIELD_INVALID for bytes that are no cursor.
   */
  subscribe(selectors: readonly Selector[], cursor: Uint8Array, wake: () => void): Subscriber;
  /**
   * Ends leases and waits that are due, and sweeps at most `maxEntries` entries: those that are expired or covered by a
   * fence are removed. True when there is more to do.
   */
  maintain(maxEntries: number): boolean;
  shards(): readonly ShardStats[];
  /** Every namespace that has a record, and then the rest together. Reads numbers that are kept anyway. */
  namespaces(): readonly NamespaceUsage[];
  /** The current values at each read. */
  readonly counters: Readonly<StoreCounters>;
}

/**
 * If a callback (`settle` or `wake`) throws, the others still run. Then the store call throws that error, or an
 * AggregateError for several. Its effect stands. A caller that passes a callback should contain its errors there.
 */
export interface Store extends StoreView {
  /** Tells it from a `RemoteStore`: it answers at once. */
  readonly remote?: undefined;
  /** The shard of a key, by a hash that is seeded at each start, so that nobody can aim at one shard. */
  shardOf(namespace: string, key: string): number;
  /**
   * With `memory`, the value may lie in it, and is good as long as the memory is. Without, the reader may keep it.
   */
  get(command: GetCommand, memory?: ValueMemory): GetResult;
  /** What is there of a key, also when no read may see it. It is no read: nothing is counted, kept or removed for it. */
  inspect(namespace: string, key: string): InspectResult;
  /**
   * A page of the keys of a namespace. It looks at a bounded number of entries, of all namespaces, and holds the lock of
   * a shard for a few of them at a time. A key with an entry from the first page to the last, also one that is set again
   * meanwhile, is listed at least once. It is no read: nothing is counted, kept or removed for it.
   */
  listKeys(command: ListKeysCommand): ListKeysResult;
  set(command: SetCommand): SetResult;
  invalidate(command: InvalidateCommand): InvalidateResult;
  touch(command: TouchCommand): TouchResult;
  /** Counts as a Set, or as a refused one. */
  increment(command: IncrementCommand): IncrementResult;
  /**
   * Without `settle`, or with `waitMs` 0, the answer is immediate. Otherwise the call waits while another caller has
   * the lease: `settle` is called exactly once, unless cancelled, from inside the store call that decides the wait, or
   * soon after when another thread decides it.
   */
  lease(
    command: LeaseCommand,
    settle?: (result: LeaseResult) => void,
    memory?: ValueMemory,
  ): LeaseResult | LeaseWait;
  /** Ends a lease without a Set; the next waiter gets one. `released` is false when the lease had ended already. */
  release(
    namespace: string,
    key: string,
    token: bigint,
  ): { readonly asOf: Stamp; readonly released: boolean };
  /**
   * Sets the bounds of all namespaces in the place of former ones. In a store of several threads, call it in each.
   * Throws FIELD_INVALID as `checkNamespaceBounds`, and then changes nothing.
   */
  boundNamespaces(bounds: readonly NamespaceBounds[]): void;
}
