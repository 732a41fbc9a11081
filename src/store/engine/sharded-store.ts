/**
 * One thread's view of a store: it finds the shard of a key, takes the shard's lock, runs what concerns all shards on
 * each, and calls the waiters and subscribers. All state is in memory that other threads may share.
 */
import { type CallbackErrors, joinErrors, NO_ERRORS, throwErrors } from "../../common/callback-errors.ts";
import { type Clock, type Moment, momentOf } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";
import type {
  GetCommand,
  GetResult,
  IncrementCommand,
  IncrementResult,
  InspectResult,
  InvalidateCommand,
  InvalidateResult,
  LeaseCommand,
  LeaseHolder,
  LeaseResult,
  LeaseWait,
  ListKeysCommand,
  ListKeysResult,
  NamespaceBounds,
  NamespaceUsage,
  Predecessor,
  Selector,
  SetCommand,
  SetResult,
  ShardStats,
  Stamp,
  Store,
  StoreCounters,
  Subscriber,
  TouchCommand,
  TouchResult,
} from "../api/store.ts";
import type { CreateTable } from "../api/table.ts";
import type { StoreMessage, StoreThreads } from "../api/threads.ts";
import type { ValueMemory } from "../api/value-arena.ts";
import { DecodedEvents } from "../events/decoded-events.ts";
import { Lineage } from "../events/lineage.ts";
import { SharedReads } from "../events/shared-reads.ts";
import { type EventSource, LogSubscriber } from "../events/subscriber.ts";
import { ThreadWakeups } from "../events/thread-wakeups.ts";
import { WaitList } from "../events/wait-list.ts";
import { createFingerprint } from "../hashing/fingerprint.ts";
import { createKeyHash, type KeyHash, shardOfHash } from "../hashing/shard-hash.ts";
import { HolderList } from "../leases/holder-list.ts";
import { checkNamespaceBounds, NamespaceRules } from "../namespaces/namespace-bounds.ts";
import { COUNTER, CounterRow, totalsOf } from "../shm/counters.ts";
import type { HashedKey } from "./invalidations.ts";
import { listPage } from "./key-listing.ts";
import { NamespaceSums } from "./namespace-sums.ts";
import { Shard } from "./shard.ts";
import { cutShardState, type ShardLimits } from "./shard-memory.ts";
import { cutCommon, type StoreMemory } from "./store-memory.ts";

/** How many leases and waits of a shard one turn of maintenance ends, well within a millisecond. */
const ENDED_PER_TURN_MAX = 128;

interface ShardedStoreOptions {
  readonly memory: StoreMemory;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly threads: StoreThreads;
  /** Makes the tables of the engine. `buffer`: the memory of the shard's table, if the engine has any. */
  readonly createTableIn: (buffer: SharedArrayBuffer | undefined) => CreateTable;
}

/** A store that may share its memory with other threads. */
export interface AttachedStore extends Store {
  /** Handles a message from the same store in another thread. */
  receive(message: StoreMessage): void;
}

export class ShardedStore implements AttachedStore {
  readonly epoch: bigint;
  readonly predecessors: readonly Predecessor[];
  readonly counters: Readonly<StoreCounters>;
  readonly #limits: ShardLimits;
  readonly #clock: Clock;
  #rules = new NamespaceRules([]);
  readonly #row: CounterRow;
  readonly #hashOf: KeyHash;
  readonly #shards: readonly Shard[];
  readonly #events: EventSource;
  readonly #waitList: WaitList;
  readonly #threadWakeups: ThreadWakeups;
  readonly #holders: HolderList;
  /** The index of the shard that is swept next. */
  #firstSwept = 0;

  constructor({ memory, clock, rng, threads, createTableIn }: ShardedStoreOptions) {
    const common = cutCommon(memory);
    this.epoch = memory.epoch;
    this.predecessors = memory.predecessors;
    const lineage = new Lineage(memory.epoch, memory.predecessors);
    this.#limits = memory.limits;
    this.#clock = clock;
    this.counters = totalsOf(common.counters, memory.threads);
    this.#row = new CounterRow(common.counters, threads.self);
    this.#hashOf = createKeyHash(memory.seeds.hash);
    this.#threadWakeups = new ThreadWakeups(common.threadWakeups, threads);
    this.#holders = new HolderList(common.leaseHolders, rng, threads.count);
    const decoded = new DecodedEvents();
    this.#waitList = new WaitList(this.#threadWakeups, () => decoded.clear());
    const context = {
      lineage,
      limits: memory.limits,
      hashOf: this.#hashOf,
      tagSeed: memory.seeds.hash,
      fingerprintOf: createFingerprint(memory.seeds.names),
      clock,
      rng,
      counters: this.#row,
      shards: memory.shards.length,
      threads,
    };
    this.#shards = memory.shards.map(
      ({ state, table }, index) =>
        new Shard(index, context, {
          regions: cutShardState(state, memory.limits),
          createTable: createTableIn(table),
        }),
    );
    this.#events = {
      lineage,
      logs: this.#shards.map((shard) => shard.log),
      acquire: (shard) => this.#shards[shard]?.acquire(),
      release: (shard) => this.#shards[shard]?.leave(),
      revisionOf: (shard) => this.#shards[shard]?.revision ?? 0,
      waitList: this.#waitList,
      reads: new SharedReads(),
      decoded,
      overran: () => this.#row.count(COUNTER.overruns),
    };
    if (memory.namespaces.length > 0) this.boundNamespaces(memory.namespaces);
  }

  get shardCount(): number {
    return this.#shards.length;
  }

  /** The shards themselves, for who copies their memory. */
  get shardsInMemory(): readonly Shard[] {
    return this.#shards;
  }

  shardOf(namespace: string, key: string): number {
    return shardOfHash(this.#hashOf(namespace, key), this.#shards.length);
  }

  get(command: GetCommand, arena?: ValueMemory): GetResult {
    const hash = this.#hashOf(command.namespace, command.key);
    const shard = this.#shardAt(hash);
    const nowMs = shard.enter();
    try {
      return shard.get(command, hash, nowMs, arena);
    } finally {
      shard.leave();
    }
  }

  inspect(namespace: string, key: string): InspectResult {
    const hash = this.#hashOf(namespace, key);
    const shard = this.#shardAt(hash);
    const nowMs = shard.enter();
    try {
      return shard.inspect(namespace, key, hash, nowMs);
    } finally {
      shard.leave();
    }
  }

  listKeys(command: ListKeysCommand): ListKeysResult {
    return listPage(command, this.#shards.length, (index, position, maxEntries) => {
      const shard = this.#shards[index];
      if (shard === undefined) throw new RangeError("there is no such shard");
      return this.#locked(shard, (_, nowMs) => shard.listKeys(command, position, maxEntries, nowMs));
    });
  }

  set(command: SetCommand): SetResult {
    const hash = this.#hashOf(command.namespace, command.key);
    return this.#mutate(this.#shardAt(hash), (shard, nowMs) => shard.set(command, hash, nowMs));
  }

  invalidate(command: InvalidateCommand): InvalidateResult {
    const { namespace, target } = command;
    switch (target.kind) {
      case "keys":
        return this.#invalidateKeys(command, new Set(target.keys));
      case "tags": {
        const tags = new Set(target.tags);
        this.#row.count(COUNTER.invalidatedTags, tags.size);
        return this.#onEveryShard((shard, nowMs) => shard.invalidations.tags(command, tags, nowMs));
      }
      case "prefix":
        this.#row.count(COUNTER.invalidatedPrefixes);
        return this.#onEveryShard((shard, nowMs) =>
          shard.invalidations.prefix(command, target.prefix, nowMs),
        );
      case "all":
        this.#row.count(COUNTER.invalidatedAll);
        return this.#onEveryShard((shard, nowMs) => shard.invalidations.prefix(command, undefined, nowMs));
      default:
        throw new Error(`no such target in ${namespace}: ${target satisfies never}`);
    }
  }

  touch(command: TouchCommand): TouchResult {
    const hash = this.#hashOf(command.namespace, command.key);
    return this.#mutate(this.#shardAt(hash), (shard, nowMs) => shard.touch(command, hash, nowMs));
  }

  increment(command: IncrementCommand): IncrementResult {
    const hash = this.#hashOf(command.namespace, command.key);
    return this.#mutate(this.#shardAt(hash), (shard, nowMs) => shard.increment(command, hash, nowMs));
  }

  lease(
    command: LeaseCommand,
    settle?: (result: LeaseResult) => void,
    memory?: ValueMemory,
  ): LeaseResult | LeaseWait {
    const hash = this.#hashOf(command.namespace, command.key);
    return this.#mutate(this.#shardAt(hash), (shard, nowMs) =>
      shard.lease(command, hash, nowMs, settle, memory),
    );
  }

  release(namespace: string, key: string, token: bigint): { asOf: Stamp; released: boolean } {
    const shard = this.#shardAt(this.#hashOf(namespace, key));
    return this.#mutate(shard, (_, nowMs) => shard.release(namespace, key, token, nowMs));
  }

  createHolder(): LeaseHolder {
    return this.#holders.unlisted();
  }

  openHolder(predecessor: bigint): LeaseHolder {
    return this.#holders.open(predecessor);
  }

  closeHolder(holder: LeaseHolder): void {
    if (!this.#holders.close(holder)) return;
    this.#mutateEach(this.#shards, (shard, nowMs) => shard.endHolder(holder.id, nowMs));
  }

  subscribe(selectors: readonly Selector[], cursor: Uint8Array, wake: () => void): Subscriber {
    return new LogSubscriber(this.#events, selectors, cursor, wake);
  }

  maintain(maxEntries: number): boolean {
    let errors = NO_ERRORS;
    let isAllEnded = true;
    for (const shard of this.#shards) {
      isAllEnded = this.#locked(shard, (_, nowMs) => shard.endDue(nowMs, ENDED_PER_TURN_MAX)) && isAllEnded;
      errors = joinErrors(errors, this.#callBack(shard));
    }
    let left = maxEntries;
    for (let turn = 0; turn < this.#shards.length && left > 0; turn++) {
      const shard = this.#shards[this.#firstSwept];
      if (shard !== undefined) left -= this.#locked(shard, (_, nowMs) => shard.sweep(left, nowMs));
      this.#firstSwept = (this.#firstSwept + 1) % this.#shards.length;
    }
    throwErrors(errors);
    return !isAllEnded || this.#shards.some((shard) => this.#locked(shard, () => shard.isSweepWaiting()));
  }

  shards(): readonly ShardStats[] {
    return this.#shards.map((shard) => this.#locked(shard, () => shard.stats()));
  }

  namespaces(): readonly NamespaceUsage[] {
    const sums = new NamespaceSums();
    for (const shard of this.#shards) {
      this.#locked(shard, () => shard.eachNamespace((usage) => sums.add(usage)));
    }
    return sums.usages(this.#rules);
  }

  boundNamespaces(bounds: readonly NamespaceBounds[]): void {
    const { budgetBytes, namespacesMax } = this.#limits;
    checkNamespaceBounds(bounds, { budgetBytes: budgetBytes * this.shardCount, namespacesMax });
    this.#rules = new NamespaceRules(bounds);
    for (const shard of this.#shards) this.#locked(shard, () => shard.boundNamespaces(this.#rules));
  }

  receive(message: StoreMessage): void {
    switch (message.kind) {
      case "wake":
        throwErrors(this.#waitList.wokenByThread());
        return;
      case "settled": {
        const shard = this.#shardAt(this.#hashOf(message.namespace, message.key));
        shard.settled(message);
        throwErrors(this.#callBack(shard));
        return;
      }
      default:
        message satisfies never;
    }
  }

  #shardAt(hash: number): Shard {
    const shard = this.#shards[shardOfHash(hash, this.#shards.length)];
    if (shard === undefined) throw new RangeError("a hash has 32 bits");
    return shard;
  }

  /** Runs an operation with the lock of its shard. */
  #locked<Result>(shard: Shard, run: (shard: Shard, nowMs: number) => Result, begun?: Moment): Result {
    const nowMs = shard.enter(begun);
    try {
      return run(shard, nowMs);
    } finally {
      shard.leave();
    }
  }

  /**
   * As `#locked`, and then calls the waiters and subscribers whom it concerns. Throws what callbacks threw, at the end.
   */
  #mutate<Result>(shard: Shard, run: (shard: Shard, nowMs: number) => Result): Result {
    const result = this.#locked(shard, run);
    throwErrors(this.#callBack(shard));
    return result;
  }

  /** As `#mutate`, over several shards: every one is done, and its callbacks called, whatever callbacks throw. */
  #mutateEach<Result>(
    shards: readonly Shard[],
    run: (shard: Shard, nowMs: number) => Result,
  ): readonly Result[] {
    const begun = momentOf(this.#clock);
    const results = shards.map((shard) => this.#locked(shard, run, begun));
    let errors = NO_ERRORS;
    for (const shard of shards) errors = joinErrors(errors, this.#callBack(shard));
    throwErrors(errors);
    return results;
  }

  /** Calls the waiters and the subscribers whom the last mutation concerns. Returns what callbacks threw. */
  #callBack(shard: Shard): CallbackErrors {
    const errors = shard.hasDecided ? shard.deliverDecided() : NO_ERRORS;
    // Wake subscribers even if a lease callback throws.
    if (!shard.takeEmitted()) return errors;
    const wakeErrors = this.#waitList.wake();
    this.#threadWakeups.notifyOthers();
    return joinErrors(errors, wakeErrors);
  }

  #invalidateKeys(command: InvalidateCommand, keys: ReadonlySet<string>): InvalidateResult {
    const byShard = new Map<Shard, HashedKey[]>();
    for (const key of keys) {
      const hash = this.#hashOf(command.namespace, key);
      const shard = this.#shardAt(hash);
      const hashed = byShard.get(shard);
      if (hashed === undefined) byShard.set(shard, [{ key, hash }]);
      else hashed.push({ key, hash });
    }
    this.#row.count(COUNTER.invalidatedKeys, keys.size);
    let removed = 0;
    const touched = this.#shards.filter((shard) => byShard.has(shard));
    const stamps = this.#mutateEach(touched, (shard, nowMs) => {
      removed += shard.invalidations.keys(command, byShard.get(shard) ?? [], nowMs);
      return shard.stamp;
    });
    return { stamps, removed };
  }

  #onEveryShard(invalidate: (shard: Shard, nowMs: number) => void): InvalidateResult {
    const stamps = this.#mutateEach(this.#shards, (shard, nowMs) => {
      invalidate(shard, nowMs);
      return shard.stamp;
    });
    return { stamps, removed: 0 };
  }
}
