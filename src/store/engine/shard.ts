/**
 * One shard: its revision, and every operation on its keys in terms of entries, leases, request ids and events.
 *
 * A mutation bumps the revision first, so that what it stores, fences and emits carries the same one.
 */
import { NO_BYTES } from "../../common/bytes.ts";
import type { CallbackErrors } from "../../common/callback-errors.ts";
import type { Rng } from "../../common/random.ts";
import type {
  EntryView,
  EventKind,
  EventTarget,
  GetCommand,
  GetResult,
  InvalidateCommand,
  LeaseCommand,
  LeaseResult,
  LeaseWait,
  SetCommand,
  SetResult,
  ShardStats,
  Stamp,
  TouchCommand,
  TouchResult,
  Writer,
} from "../api/store.ts";
import type { CreateTable, NewTableEntry } from "../api/table.ts";
import type { StoreMessage, StoreThreads } from "../api/threads.ts";
import type { ValueArena } from "../api/value-arena.ts";
import { EventLog } from "../events/event-log.ts";
import type { FingerprintOf } from "../hashing/fingerprint.ts";
import type { KeyHash } from "../hashing/shard-hash.ts";
import { Leases } from "../leases/leases.ts";
import type { CounterRow } from "../shm/counters.ts";
import { type Lock, NO_LOCK, SharedLock } from "../shm/lock.ts";
import { ShardClock } from "../shm/shard-clock.ts";
import { ShardEntries, toEntryView } from "./entries.ts";
import { RequestIds } from "./request-ids.ts";
import { SetConditions } from "./set-conditions.ts";
import type { ShardLimits, ShardRegions } from "./shard-memory.ts";

/** What the shards of a store share. */
interface ShardContext {
  readonly epoch: bigint;
  readonly limits: ShardLimits;
  readonly hashOf: KeyHash;
  readonly fingerprintOf: FingerprintOf;
  readonly rng: Rng;
  readonly counters: CounterRow;
  readonly threads: StoreThreads;
}

/** What a shard has for itself. */
interface ShardParts {
  readonly regions: ShardRegions;
  readonly createTable: CreateTable;
}

/** A key of the shard with its hash, which the caller has at hand. */
export interface HashedKey {
  readonly key: string;
  readonly hash: number;
}

/**
 * Everything but `settled`, `deliverDecided` and `takeEmitted` is called between `enter` and `leave`. Every method that takes
 * the time may end leases and waits that are due at it; `deliverDecided` calls the waiters.
 */
export class Shard {
  readonly log: EventLog;
  readonly #lock: Lock;
  readonly #clock: ShardClock;
  readonly #counters: CounterRow;
  readonly #entries: ShardEntries;
  readonly #leases: Leases;
  readonly #conditions: SetConditions;
  readonly #requestIds: RequestIds;
  readonly #hashOf: KeyHash;
  #emitted = false;

  constructor(index: number, context: ShardContext, { regions, createTable }: ShardParts) {
    const { limits, counters, fingerprintOf, rng, threads } = context;
    this.#lock = threads.count === 1 ? NO_LOCK : new SharedLock(regions.lock);
    this.#clock = new ShardClock(index, regions.clock);
    this.#counters = counters;
    this.#hashOf = context.hashOf;
    this.log = new EventLog(regions.log, index, limits.log);
    this.#entries = new ShardEntries({ createTable, limits, regions, fingerprintOf, counters });
    this.#requestIds = new RequestIds(regions.requestIds, fingerprintOf, limits.requestIdsMax, index);
    this.#leases = new Leases({
      region: regions.leases,
      limits,
      shard: {
        stamp: () => this.stamp,
        staleView: (namespace, key, nowMs) => this.#staleView(namespace, key, nowMs),
      },
      fingerprintOf,
      rng,
      counters,
      threads,
      guard: this,
    });
    this.#conditions = new SetConditions(context.epoch, this.#leases, this.#entries.tagFences);
  }

  /** Takes the shard for this thread. Returns the time of what it does there, at `nowMs` or a little later. */
  enter(nowMs: number): number {
    this.#lock.acquire();
    return this.#clock.advance(nowMs);
  }

  leave(): void {
    this.#lock.release();
  }

  get revision(): number {
    return this.#clock.revision;
  }

  get stamp(): Stamp {
    return this.#clock.stamp;
  }

  get(command: GetCommand, hash: number, nowMs: number, arena: ValueArena | undefined): GetResult {
    const found = this.#entries.find(command.namespace, command.key, hash, nowMs);
    if (found === undefined || (found.state !== "fresh" && !command.allowStale)) {
      this.#counters.count("misses");
      return { kind: "miss", asOf: this.stamp };
    }
    const { entry } = found;
    this.#counters.count(found.state === "fresh" ? "hits" : "staleHits");
    if (command.ifVersion === entry.version && this.#conditions.isEpoch(command.ifEpoch)) {
      return { kind: "notModified", asOf: this.stamp, entry: toEntryView(found, NO_BYTES, nowMs) };
    }
    const value = arena === undefined ? entry.value : this.#entries.table.valueIn(entry, arena);
    return { kind: "hit", asOf: this.stamp, entry: toEntryView(found, value, nowMs) };
  }

  set(command: SetCommand, hash: number, nowMs: number): SetResult {
    const { namespace, key, requestId } = command;
    this.#leases.endDue(nowMs);
    if (requestId === 0n) return this.#setOnce(command, hash, nowMs);
    return this.#requestIds.once(namespace, key, requestId, nowMs, () => this.#setOnce(command, hash, nowMs));
  }

  touch(command: TouchCommand, hash: number, nowMs: number): TouchResult {
    const { namespace, key } = command;
    this.#leases.endDue(nowMs);
    const found = this.#entries.find(namespace, key, hash, nowMs);
    if (found?.state !== "fresh") return { asOf: this.stamp, touched: false };
    this.#clock.bump();
    const freshUntilMs = endOf(nowMs, command.ttlMs);
    this.#entries.setLifetimes(found.entry, freshUntilMs, freshUntilMs + command.staleMs);
    this.#emit("touched", namespace, "key", key, command.writer);
    this.#counters.count("touches");
    return { asOf: this.stamp, touched: true };
  }

  /** All these keys at one revision. Returns how many entries this made gone or stale. */
  invalidateKeys(command: InvalidateCommand, keys: readonly HashedKey[], nowMs: number): number {
    const { namespace, soft } = command;
    this.#leases.endDue(nowMs);
    this.#clock.bump();
    let removed = 0;
    for (const { key, hash } of keys) {
      const did = soft
        ? this.#stale(namespace, key, hash, nowMs)
        : this.#remove(namespace, key, hash, command.sourceVersion, nowMs);
      if (did) removed++;
      this.#leases.void(namespace, key, nowMs);
      this.#emit(soft ? "staled" : "invalidated", namespace, "key", key, command.writer);
    }
    return removed;
  }

  invalidateTags(command: InvalidateCommand, tags: Iterable<string>, nowMs: number): void {
    const { namespace, soft, writer } = command;
    this.#leases.endDue(nowMs);
    this.#clock.bump();
    for (const tag of tags) {
      this.#entries.tagFences.raise(namespace, tag, soft, this.revision, nowMs);
      this.#emit(soft ? "staled" : "invalidated", namespace, "tag", tag, writer);
    }
  }

  /** Every key with this prefix; every key of the namespace when it is `undefined`. */
  invalidatePrefix(command: InvalidateCommand, prefix: string | undefined, nowMs: number): void {
    const { namespace, soft, writer } = command;
    this.#leases.endDue(nowMs);
    this.#clock.bump();
    const name = prefix ?? "";
    this.#entries.prefixFences.raise(namespace, name, soft, this.revision, nowMs);
    this.#leases.voidPrefix(namespace, name, nowMs);
    const target = prefix === undefined ? "all" : "prefix";
    this.#emit(soft ? "staled" : "invalidated", namespace, target, name, writer);
  }

  lease(
    command: LeaseCommand,
    hash: number,
    nowMs: number,
    settle: ((result: LeaseResult) => void) | undefined,
  ): LeaseResult | LeaseWait {
    this.#leases.endDue(nowMs);
    const found = this.#entries.find(command.namespace, command.key, hash, nowMs);
    if (found?.state === "fresh") {
      this.#counters.count("hits");
      return { kind: "hit", asOf: this.stamp, entry: toEntryView(found, found.entry.value, nowMs) };
    }
    this.#counters.count("misses");
    return this.#leases.ask(command, nowMs, settle);
  }

  release(namespace: string, key: string, token: bigint, nowMs: number): { asOf: Stamp; released: boolean } {
    this.#leases.endDue(nowMs);
    const released = this.#leases.release(namespace, key, token, nowMs);
    return { asOf: this.stamp, released };
  }

  endDue(nowMs: number): void {
    this.#leases.endDue(nowMs);
  }

  /** Returns how many entries it visited. */
  sweep(maxEntries: number, nowMs: number): number {
    return this.#entries.sweep(maxEntries, this.revision, this.#leases.oldestRevision(), nowMs);
  }

  isSweepWaiting(): boolean {
    return this.#entries.isSweepWaiting();
  }

  /** Another thread has decided a wait of this one: for `deliverDecided`. Needs no lock. */
  settled(message: Extract<StoreMessage, { kind: "settled" }>): void {
    this.#leases.settled(message);
  }

  /** Waits for leases are decided, and `deliverDecided` has their waiters to call. */
  get hasDecided(): boolean {
    return this.#leases.hasDecided;
  }

  /** Calls back the waiters of this thread, and sends the results of others to their threads. Returns what callbacks threw. */
  deliverDecided(nowMs: number): CallbackErrors {
    return this.#leases.deliver(nowMs);
  }

  /** Whether this thread has appended events since it last asked. */
  takeEmitted(): boolean {
    const emitted = this.#emitted;
    this.#emitted = false;
    return emitted;
  }

  stats(): ShardStats {
    const { entryCount, bytes, budgetBytes } = this.#entries.table;
    const logEvents = this.log.end - this.log.start;
    return { revision: this.revision, entries: entryCount, bytes, budgetBytes, logEvents };
  }

  #setOnce(command: SetCommand, hash: number, nowMs: number): SetResult {
    const { namespace, key, condition, sourceVersion } = command;
    const found = this.#entries.find(namespace, key, hash, nowMs);
    const former = found?.entry;
    const refusal = this.#conditions.refusal(command, {
      entry: former,
      state: found?.state ?? "gone",
      sourceVersion: this.#entries.knownSourceVersion(namespace, key, former, nowMs),
    });
    if (refusal !== undefined) {
      this.#counters.count("setsRefused");
      // A lease ends with its Set, stored or not.
      if (
        condition.kind === "lease" &&
        this.#leases.issuedAtRevision(namespace, key, condition.token) !== undefined
      ) {
        this.#leases.void(namespace, key, nowMs);
      }
      return { kind: "notStored", asOf: this.stamp, reason: refusal };
    }
    this.#clock.bump();
    const freshUntilMs = endOf(nowMs, command.ttlMs);
    const entry = {
      namespace,
      key,
      value: command.value,
      version: this.revision,
      sourceVersion,
      freshUntilMs,
      staleUntilMs: freshUntilMs + command.staleMs,
      absent: command.absent,
      tags: command.tags,
      contentType: command.contentType,
    };
    this.#entries.put(entry, hash, former, nowMs);
    this.#counters.count("sets");
    this.#emit("set", namespace, "key", key, command.writer);
    if (this.#leases.count > 0) {
      this.#fillLease(entry, hash, condition.kind === "lease" ? condition.token : undefined, nowMs);
    }
    return { kind: "stored", asOf: this.stamp, version: this.revision };
  }

  /** Ends the lease of an entry that was just put, if there is one. `token`: of the Set, if it came with one. */
  #fillLease(entry: NewTableEntry, hash: number, token: bigint | undefined, nowMs: number): void {
    const { namespace, key } = entry;
    this.#leases.fill(namespace, key, token, () => {
      const stored = this.#entries.find(namespace, key, hash, nowMs);
      // An entry that is larger than the budget was evicted at once. The waiters still get a copy of its value.
      return stored === undefined
        ? toEntryView(
            { entry: { ...entry, staled: false }, state: "fresh" },
            new Uint8Array(entry.value),
            nowMs,
          )
        : toEntryView(stored, stored.entry.value, nowMs);
    });
  }

  #stale(namespace: string, key: string, hash: number, nowMs: number): boolean {
    const found = this.#entries.find(namespace, key, hash, nowMs);
    if (found === undefined) return false;
    this.#entries.table.markStaled(found.entry);
    return found.state === "fresh";
  }

  #remove(namespace: string, key: string, hash: number, sourceVersion: bigint, nowMs: number): boolean {
    const entry = this.#entries.find(namespace, key, hash, nowMs)?.entry;
    this.#entries.tombstones.add(namespace, key, sourceVersion, nowMs, nowMs);
    if (entry === undefined) return false;
    if (sourceVersion !== 0n && entry.sourceVersion >= sourceVersion) return false;
    this.#entries.remove(entry, nowMs);
    return true;
  }

  #staleView(namespace: string, key: string, nowMs: number): EntryView | undefined {
    const found = this.#entries.find(namespace, key, this.#hashOf(namespace, key), nowMs);
    return found && toEntryView(found, found.entry.value, nowMs);
  }

  #emit(kind: EventKind, namespace: string, target: EventTarget, name: string, writer: Writer): void {
    const { origin, traceparent } = writer;
    const { shard, revision } = this.stamp;
    this.#emitted = true;
    this.log.append({ shard, revision, kind, namespace, target, name, origin, traceparent });
  }
}

/** When a lifetime that begins now ends. */
function endOf(nowMs: number, ttlMs: number): number {
  return ttlMs === 0 ? Infinity : nowMs + ttlMs;
}
