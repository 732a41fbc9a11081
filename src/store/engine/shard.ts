/**
 * One shard: its lock and revision, and the operations on its keys.
 *
 * A mutation increments the revision first: the entries, fences and events that it makes have the same one.
 */
import { NO_BYTES } from "../../common/bytes.ts";
import type { CallbackErrors } from "../../common/callback-errors.ts";
import type { Clock, Moment } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";
import type {
  EntryView,
  GetCommand,
  GetResult,
  IncrementCommand,
  IncrementResult,
  InspectedState,
  InspectResult,
  LeaseCommand,
  LeaseResult,
  LeaseWait,
  ListKeysCommand,
  NamespaceUsage,
  SetCommand,
  SetResult,
  ShardStats,
  Stamp,
  TouchCommand,
  TouchResult,
  Writer,
} from "../api/store.ts";
import type { CreateTable, NewTableEntry, TableEntry } from "../api/table.ts";
import type { StoreMessage, StoreThreads } from "../api/threads.ts";
import type { NamespaceCounter } from "../api/usage.ts";
import type { ValueMemory } from "../api/value-arena.ts";
import type { EventLog } from "../events/event-log.ts";
import type { Lineage } from "../events/lineage.ts";
import { Fences } from "../fences/fences.ts";
import type { FingerprintOf } from "../hashing/fingerprint.ts";
import type { KeyHash } from "../hashing/shard-hash.ts";
import { Leases } from "../leases/leases.ts";
import type { NamespaceRules } from "../namespaces/namespace-bounds.ts";
import { NamespaceTable } from "../namespaces/namespace-table.ts";
import { COUNTER, type CounterRow } from "../shm/counters.ts";
import { type Lock, NO_LOCK, SharedLock } from "../shm/lock.ts";
import type { MemoryPart } from "../shm/memory-part.ts";
import { ShardClock } from "../shm/shard-clock.ts";
import { type EntryState, endOf, ShardEntries, toEntryView } from "./entries.ts";
import { Increments } from "./increments.ts";
import { Invalidations } from "./invalidations.ts";
import { type ListedSlice, listSlice } from "./key-listing.ts";
import { INCREMENT_ANSWERS, SET_ANSWERS } from "./request-answers.ts";
import { RequestIds } from "./request-ids.ts";
import { SetConditions } from "./set-conditions.ts";
import { ShardEvents } from "./shard-events.ts";
import type { ShardLimits, ShardRegions } from "./shard-memory.ts";
import type { StoreOptions } from "./store-options.ts";

/** What the shards of a store share. */
interface ShardContext {
  readonly lineage: Lineage;
  readonly limits: ShardLimits;
  readonly hashOf: KeyHash;
  /** Of the hash of tags. */
  readonly tagSeed: bigint;
  readonly fingerprintOf: FingerprintOf;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly counters: CounterRow;
  /** How many there are. */
  readonly shards: number;
  readonly threads: StoreThreads;
}

/** Parts of memory that one option bounds. `undefined`: none does. */
export interface BoundedParts {
  readonly bound: keyof StoreOptions | undefined;
  readonly parts: readonly MemoryPart[];
}

/** What a shard has for itself. */
interface ShardParts {
  readonly regions: ShardRegions;
  readonly createTable: CreateTable;
}

/**
 * All methods but `settled`, `deliverDecided` and `takeEmitted` are called between `enter` and `leave`. A method with a
 * time may end leases and waits that are due at that time; `deliverDecided` then calls the waiters.
 */
export class Shard {
  readonly invalidations: Invalidations;
  readonly #lock: Lock;
  readonly #clock: ShardClock;
  readonly #counters: CounterRow;
  readonly #namespaces: NamespaceTable;
  readonly #events: ShardEvents;
  readonly #fences: Fences;
  readonly #entries: ShardEntries;
  readonly #leases: Leases;
  readonly #conditions: SetConditions;
  readonly #increments: Increments;
  readonly #requestIds: RequestIds;
  readonly #hashOf: KeyHash;

  constructor(index: number, context: ShardContext, { regions, createTable }: ShardParts) {
    const { limits, counters, fingerprintOf, rng, threads } = context;
    this.#lock = threads.count === 1 ? NO_LOCK : new SharedLock(regions.lock);
    this.#clock = new ShardClock(index, regions.clock, context.clock);
    this.#counters = counters;
    this.#hashOf = context.hashOf;
    this.#events = new ShardEvents(regions.log, index, limits.log, this.#clock);
    const namespaces = new NamespaceTable(regions.namespaces, limits.namespacesMax, {
      fingerprintOf,
      shared: () => counters.count(COUNTER.namespacesShared),
      shards: context.shards,
    });
    const fences = new Fences({
      region: regions.fences,
      limits,
      fingerprintOf,
      namespaces,
      counters,
      seed: context.tagSeed,
    });
    this.#namespaces = namespaces;
    this.#fences = fences;
    this.#entries = new ShardEntries({
      createTable,
      limits,
      regions,
      fingerprintOf,
      fences,
      namespaces,
      counters,
    });
    this.#requestIds = new RequestIds(regions.requestIds, limits.requestIdsMax, {
      shard: index,
      fingerprintOf,
      namespaces,
      pruned: () => counters.count(COUNTER.requestIdsPruned),
    });
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
      guard: { enter: () => this.enter(), leave: () => this.leave() },
    });
    this.#conditions = new SetConditions(context.lineage, index, this.#leases, fences);
    this.#increments = new Increments({
      entries: this.#entries,
      conditions: this.#conditions,
      stamp: () => this.stamp,
      bump: () => {
        this.#clock.bump();
        return this.revision;
      },
      count: (record, counter) => this.#count(record, counter),
      put: (entry, hash, former, { writer }, nowMs) =>
        this.#put(entry, hash, former, writer, undefined, nowMs),
    });
    this.invalidations = new Invalidations({
      isFirst: index === 0,
      clock: this.#clock,
      namespaces,
      entries: this.#entries,
      fences,
      leases: this.#leases,
      events: this.#events,
    });
  }

  /** Keeps the other threads out until `leave`. */
  acquire(): void {
    this.#lock.acquire();
  }

  /** As `acquire`. Returns the time of the operation. `begun`: see `ShardClock.advance`. */
  enter(begun?: Moment): number {
    this.#lock.acquire();
    return this.#clock.advance(begun);
  }

  leave(): void {
    this.#lock.release();
  }

  get log(): EventLog {
    return this.#events.log;
  }

  get revision(): number {
    return this.#clock.revision;
  }

  get stamp(): Stamp {
    return this.#clock.stamp;
  }

  get(command: GetCommand, hash: number, nowMs: number, arena: ValueMemory | undefined): GetResult {
    const { namespace, key } = command;
    const record = this.#namespaces.find(namespace);
    const found = this.#entries.find(record, namespace, key, hash, nowMs);
    if (found === undefined || (found.state !== "fresh" && !command.allowStale)) {
      this.#count(record, COUNTER.misses);
      return { kind: "miss", asOf: this.stamp };
    }
    const { entry } = found;
    if (found.state === "fresh") this.#count(record, COUNTER.hits);
    else this.#count(record, COUNTER.staleHits);
    if (command.ifVersion === entry.version && this.#conditions.isEpochOf(entry.version, command.ifEpoch)) {
      return { kind: "notModified", asOf: this.stamp, entry: toEntryView(found, NO_BYTES, nowMs) };
    }
    const value = this.#valueOf(entry, arena);
    return { kind: "hit", asOf: this.stamp, entry: toEntryView(found, value, nowMs) };
  }

  inspect(namespace: string, key: string, hash: number, nowMs: number): InspectResult {
    const record = this.#namespaces.find(namespace);
    const found = this.#entries.peek(record, namespace, key, hash, nowMs);
    const { tags, version } = found?.entry ?? { tags: NO_TAGS, version: 0 };
    const fences = this.#entries.fencesAbout(record, namespace, key, tags, version);
    if (found === undefined) return { asOf: this.stamp, entry: undefined, fences };
    const { entry, state } = found;
    const view = toEntryView(found, entry.value, nowMs);
    return { asOf: this.stamp, entry: { state: INSPECTED[state], view }, fences };
  }

  /** The keys of the namespace among the next entries: see key-listing.ts. */
  listKeys(command: ListKeysCommand, position: number, maxEntries: number, nowMs: number): ListedSlice {
    const record = this.#namespaces.find(command.namespace);
    const slice = listSlice(this.#entries, command, record, position, maxEntries, nowMs);
    return { ...slice, stamp: this.stamp };
  }

  #valueOf(entry: TableEntry, memory: ValueMemory | undefined): Uint8Array {
    return memory === undefined ? entry.value : this.#entries.table.valueIn(entry, memory);
  }

  set(command: SetCommand, hash: number, nowMs: number): SetResult {
    this.#leases.endDue(nowMs);
    const record = this.#namespaces.claim(command.namespace);
    if (command.requestId === 0n) return this.#setOnce(record, command, hash, nowMs);
    return this.#requestIds.once(record, command, nowMs, SET_ANSWERS, () =>
      this.#setOnce(record, command, hash, nowMs),
    );
  }

  increment(command: IncrementCommand, hash: number, nowMs: number): IncrementResult {
    this.#leases.endDue(nowMs);
    const record = this.#namespaces.claim(command.namespace);
    if (command.requestId === 0n) return this.#increments.run(record, command, hash, nowMs);
    return this.#requestIds.once(record, command, nowMs, INCREMENT_ANSWERS, () =>
      this.#increments.run(record, command, hash, nowMs),
    );
  }

  touch(command: TouchCommand, hash: number, nowMs: number): TouchResult {
    const { namespace, key } = command;
    this.#leases.endDue(nowMs);
    const record = this.#namespaces.find(namespace);
    const found = this.#entries.find(record, namespace, key, hash, nowMs);
    if (found?.state !== "fresh") return { asOf: this.stamp, touched: false };
    this.#clock.bump();
    const freshUntilMs = endOf(nowMs, command.ttlMs);
    this.#entries.setLifetimes(found.entry, freshUntilMs, freshUntilMs + command.staleMs);
    this.#events.emit("touched", namespace, "key", key, command.writer);
    this.#count(record, COUNTER.touches);
    return { asOf: this.stamp, touched: true };
  }

  lease(
    command: LeaseCommand,
    hash: number,
    nowMs: number,
    settle: ((result: LeaseResult) => void) | undefined,
    memory: ValueMemory | undefined,
  ): LeaseResult | LeaseWait {
    this.#leases.endDue(nowMs);
    const record = this.#namespaces.claim(command.namespace);
    const found = this.#entries.find(record, command.namespace, command.key, hash, nowMs);
    if (found?.state === "fresh") {
      this.#count(record, COUNTER.hits);
      const value = this.#valueOf(found.entry, memory);
      return { kind: "hit", asOf: this.stamp, entry: toEntryView(found, value, nowMs) };
    }
    this.#count(record, COUNTER.misses);
    return this.#leases.ask(command, nowMs, settle, found !== undefined);
  }

  release(namespace: string, key: string, token: bigint, nowMs: number): { asOf: Stamp; released: boolean } {
    this.#leases.endDue(nowMs);
    const released = this.#leases.release(namespace, key, token, nowMs);
    return { asOf: this.stamp, released };
  }

  endHolder(id: number, nowMs: number): void {
    this.#leases.endDue(nowMs);
    this.#leases.endHolder(id, nowMs);
  }

  /** Ends at most so many leases and waits. False: more of them may be due. */
  endDue(nowMs: number, most: number): boolean {
    return this.#leases.endDue(nowMs, most);
  }

  /** Returns how many entries it visited. */
  sweep(maxEntries: number, nowMs: number): number {
    return this.#entries.sweep(maxEntries, this.revision, this.#leases.oldestRevision(), nowMs);
  }

  isSweepWaiting(): boolean {
    return this.#entries.isSweepWaiting();
  }

  /** Another thread has decided waits of this one, for `deliverDecided`. Needs no lock. */
  settled(message: Extract<StoreMessage, { kind: "settled" }>): void {
    this.#leases.settled(message);
  }

  /** Waits for leases are decided, and `deliverDecided` has their waiters to call. */
  get hasDecided(): boolean {
    return this.#leases.hasDecided;
  }

  /**
   * Calls back the waiters of this thread, and sends the results of others to their threads. Returns what callbacks
   * threw.
   */
  deliverDecided(): CallbackErrors {
    return this.#leases.deliver(this.#clock.nowMs);
  }

  /** This thread has emitted events since the last call. */
  takeEmitted(): boolean {
    return this.#events.takeEmitted();
  }

  /** Sets the bounds of all namespaces. */
  boundNamespaces(rules: NamespaceRules): void {
    this.#namespaces.bound(rules);
  }

  /** The parts of its memory, but for the table, by the option that bounds them. Leases are left out: they end with a process. */
  parts(): BoundedParts[] {
    const { tags, prefixes, counts } = this.#fences.parts();
    return [
      { bound: undefined, parts: [...this.#clock.parts(), ...this.#entries.sweepParts()] },
      { bound: "namespacesMax", parts: this.#namespaces.parts() },
      { bound: "tagFencesMax", parts: tags },
      { bound: "prefixFencesMax", parts: prefixes },
      { bound: "budgetBytes", parts: counts },
      { bound: "tombstonesMax", parts: this.#entries.tombstones.parts() },
      { bound: "requestIdsMax", parts: this.#requestIds.parts() },
      { bound: "logMaxBytes", parts: this.log.parts() },
    ];
  }

  /** Goes on with memory that another process has left. `passedMs`: since its last operation there. */
  resume(passedMs: number): void {
    this.#clock.resume(passedMs);
    this.#namespaces.restart();
    this.log.trim();
  }

  /** The counts of tags are for another budget: counts anew. */
  recountTags(): void {
    this.#entries.recountTags();
  }

  /** Calls `visit` with what each namespace of the shard has and did. */
  eachNamespace(visit: (usage: NamespaceUsage) => void): void {
    this.#namespaces.each(visit);
  }

  stats(): ShardStats {
    const { entryCount, bytes, budgetBytes } = this.#entries.table;
    const logEvents = this.log.end - this.log.start;
    return { revision: this.revision, entries: entryCount, bytes, budgetBytes, logEvents };
  }

  #count(record: number, counter: NamespaceCounter): void {
    this.#counters.count(counter);
    this.#namespaces.add(record, counter);
  }

  #setOnce(record: number, command: SetCommand, hash: number, nowMs: number): SetResult {
    const { namespace, key, condition, sourceVersion } = command;
    const found = this.#entries.find(record, namespace, key, hash, nowMs);
    const former = found?.entry;
    const refusal = this.#conditions.refusal(command, {
      record,
      entry: former,
      state: found?.state ?? "dead",
      sourceVersion: this.#entries.knownSourceVersion(namespace, key, former, nowMs),
    });
    if (refusal !== undefined) {
      this.#count(record, COUNTER.setsRefused);
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
      record,
      namespace,
      key,
      value: command.value,
      version: this.revision,
      sourceVersion,
      freshUntilMs,
      staleUntilMs: freshUntilMs + command.staleMs,
      setAtMs: nowMs,
      absent: command.absent,
      tags: command.tags,
      contentType: command.contentType,
      contentEncoding: command.contentEncoding,
    };
    const token = condition.kind === "lease" ? condition.token : undefined;
    this.#put(entry, hash, former, command.writer, token, nowMs);
    return { kind: "stored", asOf: this.stamp, version: this.revision };
  }

  /** Stores an entry in the place of `former`, tells it, and ends the lease of its key. */
  #put(
    entry: NewTableEntry,
    hash: number,
    former: TableEntry | undefined,
    writer: Writer,
    token: bigint | undefined,
    nowMs: number,
  ): void {
    this.#entries.put(entry, hash, former, nowMs);
    this.#count(entry.record, COUNTER.sets);
    this.#events.emit("set", entry.namespace, "key", entry.key, writer);
    if (this.#leases.count > 0) this.#fillLease(entry, hash, token, nowMs);
  }

  /** Ends the lease of an entry that was just put, if there is one. `token`: that of the Set, if it has one. */
  #fillLease(entry: NewTableEntry, hash: number, token: bigint | undefined, nowMs: number): void {
    const { record, namespace, key } = entry;
    this.#leases.fill(namespace, key, token, () => {
      const stored = this.#entries.find(record, namespace, key, hash, nowMs);
      // An entry that is larger than the budget was evicted at once. The waiters still get a copy of its value.
      return stored === undefined
        ? toEntryView(
            { entry: { ...entry, valueBytes: entry.value.length, staled: false }, state: "fresh" },
            new Uint8Array(entry.value),
            nowMs,
          )
        : toEntryView(stored, stored.entry.value, nowMs);
    });
  }

  #staleView(namespace: string, key: string, nowMs: number): EntryView | undefined {
    const record = this.#namespaces.find(namespace);
    const found = this.#entries.find(record, namespace, key, this.#hashOf(namespace, key), nowMs);
    return found && toEntryView(found, found.entry.value, nowMs);
  }
}

const INSPECTED = {
  fresh: "fresh",
  pastTtl: "expired",
  staled: "staled",
  dead: "gone",
} as const satisfies Record<EntryState, InspectedState>;

const NO_TAGS: readonly string[] = [];
