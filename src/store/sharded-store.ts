/** The store: finds the shard of each key, spreads what concerns all shards, and wakes the subscribers. */
import type { Clock } from "../clock.ts";
import type { Rng } from "../random.ts";
import { CounterRow, countersBytes, totalsOf } from "./counters.ts";
import { type HashedKey, Shard, type ShardLimits } from "./shard.ts";
import { createKeyHash, type KeyHash, shardOfHash } from "./shard-hash.ts";
import { createRegion } from "./shared/region.ts";
import type {
  GetCommand,
  GetResult,
  InvalidateCommand,
  InvalidateResult,
  LeaseCommand,
  LeaseResult,
  LeaseWait,
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
} from "./store.ts";
import { type EventSource, LogSubscriber } from "./subscriber.ts";
import type { CreateTable } from "./table.ts";

export interface ShardedStoreOptions {
  readonly shards: number;
  readonly limits: ShardLimits;
  readonly createTable: CreateTable;
  readonly clock: Clock;
  readonly rng: Rng;
}

export class ShardedStore implements Store {
  readonly epoch: bigint;
  readonly counters: Readonly<StoreCounters>;
  readonly #row: CounterRow;
  readonly #clock: Clock;
  readonly #hashOf: KeyHash;
  readonly #shards: readonly Shard[];
  readonly #events: EventSource;
  /** The shard to begin the next sweep with. */
  #firstSwept = 0;

  constructor(options: ShardedStoreOptions) {
    const { clock, rng, limits, createTable } = options;
    this.epoch = rng.uint64();
    this.#clock = clock;
    this.#hashOf = createKeyHash(rng);
    const countersRegion = createRegion(countersBytes(1));
    this.counters = totalsOf(countersRegion, 1);
    this.#row = new CounterRow(countersRegion, 0);
    const context = { epoch: this.epoch, limits, createTable, rng, counters: this.#row };
    this.#shards = Array.from(
      { length: options.shards },
      (_, index) => new Shard(index, context, this.#hashOf),
    );
    this.#events = {
      epoch: this.epoch,
      logs: this.#shards.map((shard) => shard.log),
      revisionOf: (shard) => this.#shards[shard]?.revision ?? 0,
      sleepers: new Set(),
      overran: () => this.#row.count("overruns"),
    };
  }

  get shardCount(): number {
    return this.#shards.length;
  }

  shardOf(namespace: string, key: string): number {
    return shardOfHash(this.#hashOf(namespace, key), this.#shards.length);
  }

  get(command: GetCommand): GetResult {
    const hash = this.#hashOf(command.namespace, command.key);
    return this.#shardAt(hash).get(command, hash, this.#clock.nowMs());
  }

  set(command: SetCommand): SetResult {
    const hash = this.#hashOf(command.namespace, command.key);
    const shard = this.#shardAt(hash);
    const nowMs = this.#clock.nowMs();
    const result = shard.set(command, hash, nowMs);
    this.#settle(shard, nowMs);
    return result;
  }

  invalidate(command: InvalidateCommand): InvalidateResult {
    const nowMs = this.#clock.nowMs();
    const { namespace, target } = command;
    switch (target.kind) {
      case "keys":
        return this.#invalidateKeys(command, new Set(target.keys), nowMs);
      case "tags": {
        const tags = new Set(target.tags);
        this.#row.count("invalidatedTags", tags.size);
        return this.#onEveryShard(nowMs, (shard) => shard.invalidateTags(command, tags, nowMs));
      }
      case "prefix":
        this.#row.count("invalidatedPrefixes");
        return this.#onEveryShard(nowMs, (shard) => shard.invalidatePrefix(command, target.prefix, nowMs));
      case "all":
        this.#row.count("invalidatedAll");
        return this.#onEveryShard(nowMs, (shard) => shard.invalidatePrefix(command, undefined, nowMs));
      default:
        throw new Error(`no such target in ${namespace}: ${target satisfies never}`);
    }
  }

  touch(command: TouchCommand): TouchResult {
    const hash = this.#hashOf(command.namespace, command.key);
    const shard = this.#shardAt(hash);
    const nowMs = this.#clock.nowMs();
    const result = shard.touch(command, hash, nowMs);
    this.#settle(shard, nowMs);
    return result;
  }

  lease(command: LeaseCommand, settle?: (result: LeaseResult) => void): LeaseResult | LeaseWait {
    const hash = this.#hashOf(command.namespace, command.key);
    const shard = this.#shardAt(hash);
    const nowMs = this.#clock.nowMs();
    const result = shard.lease(command, hash, nowMs, settle);
    this.#settle(shard, nowMs);
    return result;
  }

  release(namespace: string, key: string, token: bigint): { asOf: Stamp; released: boolean } {
    const shard = this.#shardAt(this.#hashOf(namespace, key));
    const nowMs = this.#clock.nowMs();
    const result = shard.release(namespace, key, token, nowMs);
    this.#settle(shard, nowMs);
    return result;
  }

  subscribe(selectors: readonly Selector[], cursor: Uint8Array, wake: () => void): Subscriber {
    return new LogSubscriber(this.#events, selectors, cursor, wake);
  }

  maintain(maxEntries: number): boolean {
    const nowMs = this.#clock.nowMs();
    for (const shard of this.#shards) shard.endDue(nowMs);
    let left = maxEntries;
    for (let turn = 0; turn < this.#shards.length && left > 0; turn++) {
      left -= this.#shards[this.#firstSwept]?.sweep(left, nowMs) ?? 0;
      this.#firstSwept = (this.#firstSwept + 1) % this.#shards.length;
    }
    for (const shard of this.#shards) shard.flush(nowMs);
    return this.#shards.some((shard) => shard.isSweepWaiting());
  }

  shards(): readonly ShardStats[] {
    return this.#shards.map((shard) => shard.stats());
  }

  #shardAt(hash: number): Shard {
    const shard = this.#shards[shardOfHash(hash, this.#shards.length)];
    if (shard === undefined) throw new RangeError("a hash has 32 bits");
    return shard;
  }

  #invalidateKeys(command: InvalidateCommand, keys: ReadonlySet<string>, nowMs: number): InvalidateResult {
    const byShard = new Map<number, HashedKey[]>();
    for (const key of keys) {
      const hash = this.#hashOf(command.namespace, key);
      const shard = shardOfHash(hash, this.#shards.length);
      const hashed = byShard.get(shard);
      if (hashed === undefined) byShard.set(shard, [{ key, hash }]);
      else hashed.push({ key, hash });
    }
    this.#row.count("invalidatedKeys", keys.size);
    const stamps: Stamp[] = [];
    let removed = 0;
    this.#shards.forEach((shard, index) => {
      const hashed = byShard.get(index);
      if (hashed === undefined) return;
      removed += shard.invalidateKeys(command, hashed, nowMs);
      stamps.push(shard.stamp());
    });
    this.#settleAll(nowMs);
    return { stamps, removed };
  }

  #onEveryShard(nowMs: number, invalidate: (shard: Shard) => void): InvalidateResult {
    const stamps = this.#shards.map((shard) => {
      invalidate(shard);
      return shard.stamp();
    });
    this.#settleAll(nowMs);
    return { stamps, removed: 0 };
  }

  #settleAll(nowMs: number): void {
    for (const shard of this.#shards) shard.flush(nowMs);
    this.#wake();
  }

  #settle(shard: Shard, nowMs: number): void {
    shard.flush(nowMs);
    this.#wake();
  }

  /** Who is not behind sleeps on: it would not read, and only a read has it woken again. */
  #wake(): void {
    const { sleepers } = this.#events;
    for (const sleeper of [...sleepers]) {
      if (!sleeper.behind()) continue;
      sleepers.delete(sleeper);
      sleeper.wake();
    }
  }
}
