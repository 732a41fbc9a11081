/** Short forms of the store's calls for tests: a manual clock, one namespace, and defaults for all other fields. */
import { createSeededRng } from "../../src/common/random.ts";
import type {
  EntryView,
  GetResult,
  IncrementCommand,
  IncrementResult,
  InvalidateResult,
  InvalidateTarget,
  LeaseResult,
  LeaseWait,
  SetCommand,
  SetResult,
  Store,
  StoreEvent,
  Subscriber,
  TouchResult,
} from "../../src/store/api/store.ts";
import type { ValueArena } from "../../src/store/api/value-arena.ts";
import type { StoreOptions } from "../../src/store/engine/create-store.ts";
import { ManualClock } from "./manual-clock.ts";

export type CreateStoreUnderTest = (options: Partial<StoreOptions>) => Store;

type Namespaced = { readonly namespace?: string };
type SetParts = Namespaced & Partial<Omit<SetCommand, "value">> & { readonly value?: string | Uint8Array };
type IncrementParts = Namespaced &
  Partial<Omit<IncrementCommand, "delta" | "initial">> & { readonly initial?: bigint };
type LeaseParts = Namespaced & { readonly holder?: number };
type InvalidateParts = Namespaced & { readonly soft?: boolean; readonly sourceVersion?: bigint };

export const noCursor = new Uint8Array();
const writer = { origin: "driver", traceparent: "" };

export class StoreDriver {
  readonly clock = new ManualClock();
  readonly store: Store;

  constructor(create: CreateStoreUnderTest, options: Partial<StoreOptions> = {}) {
    this.store = create({ clock: this.clock, rng: createSeededRng(1), ...options });
  }

  get(
    key: string,
    {
      arena,
      ...parts
    }: Namespaced & { ifVersion?: number; ifEpoch?: bigint; allowStale?: boolean; arena?: ValueArena } = {},
  ): GetResult {
    const command = { namespace: "n", key, ifVersion: 0, ifEpoch: 0n, allowStale: false, ...parts };
    return this.store.get(command, arena);
  }

  /** The value as text, or `undefined` for a miss. */
  read(key: string, parts: Namespaced & { allowStale?: boolean } = {}): string | undefined {
    const result = this.get(key, parts);
    return result.kind === "hit" ? textOf(result.entry) : undefined;
  }

  set(key: string, parts: SetParts = {}): SetResult {
    const { value = "v", ...others } = parts;
    return this.store.set({
      namespace: "n",
      key,
      value: typeof value === "string" ? Buffer.from(value) : value,
      ttlMs: 0,
      staleMs: 0,
      tags: [],
      contentType: "",
      contentEncoding: "",
      absent: false,
      sourceVersion: 0n,
      condition: { kind: "always" },
      requestId: 0n,
      writer,
      ...others,
    });
  }

  /** "stored", or the reason for the refusal. */
  trySet(key: string, parts: SetParts = {}): string {
    const result = this.set(key, parts);
    return result.kind === "stored" ? "stored" : result.reason;
  }

  touch(key: string, ttlMs = 0, staleMs = 0): TouchResult {
    return this.store.touch({ namespace: "n", key, ttlMs, staleMs, writer });
  }

  increment(key: string, delta = 1n, parts: IncrementParts = {}): IncrementResult {
    return this.store.increment({
      namespace: "n",
      key,
      delta,
      initial: 0n,
      ttlMs: 0,
      staleMs: 0,
      condition: { kind: "always" },
      requestId: 0n,
      writer,
      ...parts,
    });
  }

  /** The new value, or the reason for the refusal. */
  tryIncrement(key: string, delta = 1n, parts: IncrementParts = {}): bigint | string {
    const result = this.increment(key, delta, parts);
    return result.kind === "incremented" ? result.value : result.reason;
  }

  invalidate(target: InvalidateTarget, parts: InvalidateParts = {}): InvalidateResult {
    return this.store.invalidate({
      namespace: "n",
      target,
      soft: false,
      sourceVersion: 0n,
      writer,
      ...parts,
    });
  }

  invalidateKeys(keys: readonly string[], parts: InvalidateParts = {}): InvalidateResult {
    return this.invalidate({ kind: "keys", keys }, parts);
  }

  invalidateTags(tags: readonly string[], parts: InvalidateParts = {}): InvalidateResult {
    return this.invalidate({ kind: "tags", tags }, parts);
  }

  invalidatePrefix(prefix: string, parts: InvalidateParts = {}): InvalidateResult {
    return this.invalidate({ kind: "prefix", prefix }, parts);
  }

  invalidateAll(parts: InvalidateParts = {}): InvalidateResult {
    return this.invalidate({ kind: "all" }, parts);
  }

  lease(key: string, leaseMs = 1_000, parts: LeaseParts = {}): LeaseResult {
    const result = this.store.lease({ namespace: "n", key, waitMs: 0, leaseMs, ...parts });
    if (result.kind === "waiting") throw new Error("a lease without a wait waits");
    return result;
  }

  /** The token of a lease that must be granted. */
  token(key: string, leaseMs = 1_000, parts: LeaseParts = {}): bigint {
    const result = this.lease(key, leaseMs, parts);
    if (result.kind !== "granted") throw new Error(`the lease is not granted but ${result.kind}`);
    return result.token;
  }

  wait(key: string, waitMs = 10_000, leaseMs = 1_000, parts: LeaseParts = {}): Waiting {
    return new Waiting(this.store, key, waitMs, leaseMs, parts);
  }

  release(key: string, token: bigint): boolean {
    return this.store.release("n", key, token).released;
  }

  /** Lets time pass and then runs maintenance. */
  advance(byMs: number): void {
    this.clock.advance(byMs);
    this.store.maintain(0);
  }

  /** Runs maintenance until nothing is left to do. */
  sweep(): void {
    for (let slices = 0; this.store.maintain(16); slices++) {
      if (slices > 100_000) throw new Error("the sweep never ends");
    }
  }

  subscribe(
    prefixes: readonly string[] = [],
    cursor: Uint8Array = noCursor,
    wake = (): void => {},
  ): Subscriber {
    return this.store.subscribe([{ namespace: "n", prefixes }], cursor, wake);
  }

  /** Keys of different shards. */
  keysOnShards(count: number): string[] {
    const keys = new Map<number, string>();
    for (let number = 0; keys.size < count; number++) {
      const key = `key-${number}`;
      const shard = this.store.shardOf("n", key);
      if (!keys.has(shard)) keys.set(shard, key);
    }
    return [...keys.values()];
  }
}

/** A lease call that was made with a wait. */
export class Waiting {
  readonly results: LeaseResult[] = [];
  readonly #call: LeaseResult | LeaseWait;

  constructor(store: Store, key: string, waitMs: number, leaseMs: number, parts: LeaseParts) {
    const command = { namespace: "n", key, waitMs, leaseMs, ...parts };
    this.#call = store.lease(command, (result) => this.results.push(result));
  }

  get isWaiting(): boolean {
    return this.#call.kind === "waiting" && this.results.length === 0;
  }

  /** The answer, once there is one. */
  get result(): LeaseResult | undefined {
    return this.#call.kind === "waiting" ? this.results[0] : this.#call;
  }

  cancel(): void {
    if (this.#call.kind === "waiting") this.#call.cancel();
  }
}

export function textOf(entry: EntryView): string {
  return Buffer.from(entry.value).toString();
}

/** Reads a subscriber to the end. Fails at a gap. */
export function readAll(subscriber: Subscriber, maxEvents = 1_000): StoreEvent[] {
  const events: StoreEvent[] = [];
  while (subscriber.behind()) {
    const read = subscriber.read(maxEvents, 1 << 20);
    if (read?.kind === "gap") throw new Error(`there is a gap: ${read.reason}`);
    events.push(...(read?.events ?? []));
  }
  return events;
}

/** Events in few words: "set key k", "staled tag t", "invalidated all ". */
export function sayings(events: readonly StoreEvent[]): string[] {
  return events.map((event) => `${event.kind} ${event.target} ${event.name}`);
}
