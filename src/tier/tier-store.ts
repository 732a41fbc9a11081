/** A store whose entries are in the engine: what a server on the shared tier runs its operations on. */
import type { Pending, ReleaseResult, RemoteStore, Settle } from "../store/api/backend.ts";
import type {
  EngineObservation,
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
  ListKeysCommand,
  ListKeysResult,
  NamespaceUsage,
  Predecessor,
  Selector,
  SetCommand,
  SetResult,
  ShardStats,
  Stamp,
  StoreCounters,
  Subscriber,
  TouchCommand,
  TouchResult,
  Writer,
} from "../store/api/store.ts";
import { createKeyHash, type KeyHash, shardOfHash } from "../store/hashing/shard-hash.ts";
import { TierCounters } from "./counters.ts";
import { type AskShard, listKeys } from "./key-listing.ts";
import { LeaseHolders } from "./lease-holders.ts";
import { Leases } from "./leases.ts";
import { entryName } from "./library/keys.ts";
import {
  getOperation,
  incrementOperation,
  inspectOperation,
  invalidateKeysOperation,
  invalidatePrefixOperation,
  invalidateTagsOperation,
  setOperation,
  touchOperation,
} from "./library/operations.ts";
import {
  type ResultContext,
  readGet,
  readIncrement,
  readInspect,
  readInvalidate,
  readSet,
  readTouch,
} from "./library/results.ts";
import type { TierOptions } from "./options.ts";
import { ShardGroup } from "./shard-group.ts";
import { Sweeper } from "./sweeper.ts";

/** Keys of an Invalidate that one call takes. */
const CALL_MAX_KEYS = 1_024;

interface On {
  readonly namespace: string;
  readonly key: string;
}

export class TierStore implements RemoteStore {
  readonly remote = true;
  readonly predecessors: readonly Predecessor[] = [];
  readonly #options: TierOptions;
  readonly #group: ShardGroup;
  readonly #counters = new TierCounters();
  readonly #holders: LeaseHolders;
  readonly #leases: Leases;
  readonly #sweeper: Sweeper;
  #knownHash: { readonly seed: bigint; readonly hashOf: KeyHash } | undefined;

  constructor(options: TierOptions) {
    this.#options = options;
    const { clock, rng } = options;
    this.#holders = new LeaseHolders(rng);
    this.#leases = new Leases({
      epoch: () => this.epoch,
      clock,
      rng,
      holders: this.#holders,
      counters: this.#counters,
      run: (on, bytes, read, settle, traceparent) =>
        this.#runKeyed(on, bytes, false, read, settle, traceparent),
    });
    this.#sweeper = new Sweeper({
      clock,
      boundary: options.boundary,
      fraction: () => rng.fraction(),
      nodes: () => this.#group.nodes(),
      epochOf: (shard) => this.#group.mirror.epochOf(shard),
      run: (shard, bytes, keys) => this.#askShard(shard, bytes, keys, false),
      failed: (cause) => options.telemetry.logger.warn({ err: cause }, "a sweep of the tier has failed"),
    });
    this.#group = new ShardGroup(options, {
      recorded: (record) => this.#leases.recorded(record),
      overran: () => this.#counters.count("overruns"),
    });
  }

  /** Begins to look for the engine, and never ends to. Resolves with true when every shard can be used, with false before if given up. */
  start(givenUp?: AbortSignal): Promise<boolean> {
    return this.#group.start(givenUp);
  }

  /** Frees what fences cover, as the store does by itself now and then. */
  sweep(): Promise<void> {
    return this.#sweeper.sweep();
  }

  close(): void {
    this.#group.close();
  }

  /** What keeps the store from serving. Undefined: nothing does. */
  problem(): string | undefined {
    return this.#group.problem();
  }

  get epoch(): bigint {
    return this.#group.mirror.epoch;
  }

  get shardCount(): number {
    return this.#group.mirror.shardCount;
  }

  get engine(): EngineObservation {
    return this.#group.observe();
  }

  get counters(): Readonly<StoreCounters> {
    return this.#counters.values;
  }

  get(command: GetCommand, settle: Settle<GetResult>, traceparent = ""): Pending {
    const { namespace, key, allowStale } = command;
    const shard = this.#shardOf(command);
    const bytes = getOperation(command, allowStale);
    const keys = [entryName(namespace, key)];
    return this.#group.run(
      shard,
      { bytes, keys, isRead: true, traceparent, entry: { allowStale } },
      (result, context) => readGet(result, context, this.#knownVersion(command, shard)),
      (result) => {
        if (!(result instanceof Error)) this.#countRead(result);
        settle(result);
      },
    );
  }

  inspect(namespace: string, key: string, settle: Settle<InspectResult>): Pending {
    const on = { namespace, key };
    return this.#runKeyed(on, inspectOperation(on), true, readInspect, settle);
  }

  listKeys(command: ListKeysCommand, settle: Settle<ListKeysResult>): Pending {
    let isCancelled = false;
    const settleOnce = (result: ListKeysResult | Error) => {
      if (!isCancelled) settle(result);
    };
    const ask: AskShard = (shard, bytes, keys) => this.#askShard(shard, bytes, keys);
    listKeys(command, () => this.epoch, this.#group.nodes(), ask).then(settleOnce, settleOnce);
    return {
      cancel() {
        isCancelled = true;
      },
    };
  }

  set(command: SetCommand, settle: Settle<SetResult>): Pending {
    const shard = this.#shardOf(command);
    const bytes = setOperation(command, (epoch) => this.#group.shardEpochOf(epoch, shard));
    return this.#mutate(command, bytes, readSet, settle, (result) => this.#countSet(command, result));
  }

  touch(command: TouchCommand, settle: Settle<TouchResult>): Pending {
    return this.#mutate(command, touchOperation(command), readTouch, settle, ({ touched }) => {
      if (touched) this.#counters.count("touches");
    });
  }

  increment(command: IncrementCommand, settle: Settle<IncrementResult>): Pending {
    const shard = this.#shardOf(command);
    const bytes = incrementOperation(command, (epoch) => this.#group.shardEpochOf(epoch, shard));
    return this.#mutate(command, bytes, readIncrement, settle, ({ kind }) => {
      this.#counters.count(kind === "incremented" ? "sets" : "setsRefused");
    });
  }

  lease(command: LeaseCommand, settle: Settle<LeaseResult>, traceparent = ""): Pending {
    return this.#leases.ask(command, settle, traceparent);
  }

  release(namespace: string, key: string, token: bigint, settle: Settle<ReleaseResult>): Pending {
    return this.#leases.release(namespace, key, token, settle);
  }

  invalidate(command: InvalidateCommand, settle: Settle<InvalidateResult>): Pending {
    const { target } = command;
    switch (target.kind) {
      case "keys":
        this.#counters.count("invalidatedKeys", target.keys.length);
        return this.#invalidateShards(this.#keysByShard(command, target.keys), command, settle);
      case "tags": {
        const tags = [...new Set(target.tags)];
        this.#counters.count("invalidatedTags", tags.length);
        return this.#invalidateAll(invalidateTagsOperation(command, tags), command, settle);
      }
      case "prefix":
        this.#counters.count("invalidatedPrefixes");
        return this.#invalidateAll(invalidatePrefixOperation(command, target.prefix), command, settle);
      case "all":
        this.#counters.count("invalidatedAll");
        return this.#invalidateAll(invalidatePrefixOperation(command, undefined), command, settle);
      default:
        return target satisfies never;
    }
  }

  barrier(settle: Settle<void>): Pending {
    return this.#group.barrier.ask(settle);
  }

  createHolder(): LeaseHolder {
    return this.#holders.unlisted();
  }

  openHolder(predecessor: bigint): LeaseHolder {
    return this.#holders.open(predecessor);
  }

  closeHolder(holder: LeaseHolder): void {
    this.#leases.abandon(this.#holders.close(holder));
  }

  subscribe(selectors: readonly Selector[], cursor: Uint8Array, wake: () => void): Subscriber {
    return this.#group.mirror.subscribe(selectors, cursor, wake);
  }

  maintain(): boolean {
    const nowMs = this.#options.clock.nowMs();
    this.#leases.expire(nowMs);
    this.#holders.expire(nowMs);
    this.#group.expire(nowMs);
    this.#sweeper.tick(nowMs);
    return false;
  }

  shards(): readonly ShardStats[] {
    const { mirror } = this.#group;
    return Array.from({ length: mirror.shardCount }, (_, shard) => ({
      revision: mirror.announcedOf(shard).revision,
      entries: this.#group.entriesOf(shard),
      bytes: 0,
      budgetBytes: 0,
      logEvents: mirror.logEventsOf(shard),
    }));
  }

  /** What a namespace has in the engine, no server knows. */
  namespaces(): readonly NamespaceUsage[] {
    return [];
  }

  #shardOf({ namespace, key }: On): number {
    const seed = this.#group.seed;
    if (this.#knownHash?.seed !== seed) this.#knownHash = { seed, hashOf: createKeyHash(seed) };
    return shardOfHash(this.#knownHash.hashOf(namespace, key), this.shardCount);
  }

  #mutate<Result>(
    command: On & { readonly writer: Writer },
    bytes: Buffer,
    read: (bytes: Buffer, context: ResultContext) => Result,
    settle: Settle<Result>,
    count: (result: Result) => void,
  ): Pending {
    const settled = (result: Result | Error) => {
      if (!(result instanceof Error)) count(result);
      settle(result);
    };
    return this.#runKeyed(command, bytes, false, read, settled, command.writer.traceparent);
  }

  #runKeyed<Result>(
    on: On,
    bytes: Buffer,
    isRead: boolean,
    read: (bytes: Buffer, context: ResultContext) => Result,
    settle: Settle<Result>,
    traceparent = "",
  ): Pending {
    const keys = [entryName(on.namespace, on.key)];
    return this.#group.run(this.#shardOf(on), { bytes, keys, isRead, traceparent }, read, settle);
  }

  /** The version that the caller has, if it is one of the shard's current epoch. */
  #knownVersion({ ifVersion, ifEpoch }: GetCommand, shard: number): number {
    if (ifVersion === 0 || ifEpoch === 0n) return ifVersion;
    const { mirror } = this.#group;
    return this.#group.shardEpochOf(ifEpoch, shard) === mirror.epochOf(shard) ? ifVersion : 0;
  }

  #keysByShard(command: InvalidateCommand, keys: readonly string[]): [number, Buffer, readonly string[]][] {
    const byShard = new Map<number, string[]>();
    for (const key of new Set(keys)) {
      const shard = this.#shardOf({ namespace: command.namespace, key });
      const known = byShard.get(shard);
      if (known === undefined) byShard.set(shard, [key]);
      else known.push(key);
    }
    const calls: [number, Buffer, readonly string[]][] = [];
    for (const [shard, all] of byShard) {
      for (let at = 0; at < all.length; at += CALL_MAX_KEYS) {
        const some = all.slice(at, at + CALL_MAX_KEYS);
        const names = some.map((key) => entryName(command.namespace, key));
        calls.push([shard, invalidateKeysOperation(command, some), names]);
      }
    }
    return calls;
  }

  #invalidateAll(bytes: Buffer, command: InvalidateCommand, settle: Settle<InvalidateResult>): Pending {
    const calls = Array.from({ length: this.shardCount }, (_, shard): [number, Buffer, readonly string[]] => [
      shard,
      bytes,
      [],
    ]);
    return this.#invalidateShards(calls, command, settle, 0);
  }

  /** Every shard is asked, whatever another one answers. `countedFrom`: 0 when what is removed is not counted. */
  #invalidateShards(
    calls: readonly [number, Buffer, readonly string[]][],
    { writer: { traceparent } }: InvalidateCommand,
    settle: Settle<InvalidateResult>,
    counted: 0 | 1 = 1,
  ): Pending {
    const { mirror } = this.#group;
    const answers = new Map<number, { readonly epoch: bigint; readonly asOf: Stamp }>();
    // A shard that has begun again since it answered has nothing of before: nor, where it stands now, what was invalidated.
    const stamps = (): Stamp[] =>
      [...answers].map(([shard, { epoch, asOf }]) => {
        const now = mirror.announcedOf(shard);
        return now.epoch === epoch ? asOf : { shard, revision: now.revision };
      });
    let removed = 0;
    let left = calls.length;
    let failure: Error | undefined;
    const answered = (result: ReturnType<typeof readInvalidate> | Error): void => {
      left -= 1;
      if (result instanceof Error) failure ??= result;
      else {
        const { asOf } = result;
        answers.set(asOf.shard, { epoch: mirror.announcedOf(asOf.shard).epoch, asOf });
        removed += counted * result.removed;
      }
      if (left === 0) settle(failure ?? { stamps: stamps(), removed });
    };
    const pending = calls.map(([shard, bytes, keys]) =>
      this.#group.run(shard, { bytes, keys, isRead: false, traceparent }, readInvalidate, answered),
    );
    return {
      cancel() {
        for (const one of pending) one.cancel();
      },
    };
  }

  #askShard(shard: number, bytes: Buffer, keys: readonly string[], isRead = true): ReturnType<AskShard> {
    return new Promise((resolve, reject) => {
      const read = (result: Buffer, { nowMs }: ResultContext) => ({ result, nowMs });
      this.#group.run(shard, { bytes, keys, isRead, traceparent: "" }, read, (answer) => {
        if (answer instanceof Error) reject(answer);
        else resolve(answer);
      });
    });
  }

  #countRead(result: GetResult): void {
    if (result.kind === "miss") this.#counters.count("misses");
    else this.#counters.count(result.entry.stale ? "staleHits" : "hits");
  }

  #countSet({ condition }: SetCommand, result: SetResult): void {
    this.#counters.count(result.kind === "stored" ? "sets" : "setsRefused");
    if (condition.kind !== "lease") return;
    this.#holders.forget(condition.token);
    this.#counters.count(result.kind === "stored" ? "leasesFilled" : "leasesLost");
  }
}
