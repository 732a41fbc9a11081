/**
 * A simple model of the store, to compare the real one with. It never drops anything, has no bounds, and answers every
 * question from the list of all commands so far.
 *
 * Its tokens are small numbers. Values are compared by their bytes. The real store may drop a source version earlier or
 * later (see `mayRefuse`), so the model accepts both answers there.
 */
import type {
  EntryView,
  EventKind,
  EventTarget,
  GetCommand,
  GetResult,
  IncrementCommand,
  IncrementRefusal,
  IncrementResult,
  InvalidateCommand,
  InvalidateResult,
  LeaseCommand,
  LeaseResult,
  NotStoredReason,
  SetCommand,
  SetResult,
  Stamp,
  StoreEvent,
  TouchCommand,
  TouchResult,
} from "../../src/store/api/store.ts";

interface NaiveEntry {
  readonly namespace: string;
  readonly key: string;
  readonly set: SetCommand;
  readonly value: Uint8Array;
  readonly version: number;
  readonly setAtMs: number;
  freshUntilMs: number;
  staleUntilMs: number;
  staled: boolean;
}

interface NaiveFence {
  readonly shard: number;
  readonly revision: number;
  readonly atMs: number;
  readonly soft: boolean;
  readonly covers: (namespace: string, key: string, tags: readonly string[]) => boolean;
}

/** A source version of a key, and how long it is remembered. */
interface Saying {
  readonly sourceVersion: bigint;
  readonly atLeastUntilMs: number;
  readonly atMostUntilMs: number;
}

interface NaiveWaiter {
  readonly id: number;
  readonly deadlineMs: number;
  readonly leaseMs: number;
}

interface NaiveLease {
  readonly namespace: string;
  readonly key: string;
  readonly token: bigint;
  readonly revision: number;
  readonly expiresAtMs: number;
  readonly waiters: NaiveWaiter[];
}

interface NaiveRequest<Result> {
  readonly id: string;
  readonly atMs: number;
  readonly untilMs: number;
  readonly result: Result;
}

const INT64_MAX = 2n ** 63n - 1n;

export class NaiveStore {
  nowMs: number;
  readonly events: StoreEvent[] = [];
  /** The answers to the waiters, by their ids. */
  readonly settled = new Map<number, LeaseResult>();
  leases: NaiveLease[] = [];
  #epoch: bigint;
  /** The epochs before this one, and the revisions at which they ended, by shard. */
  readonly #ended = new Map<bigint, readonly number[]>();
  readonly #shardOf: (namespace: string, key: string) => number;
  readonly #revisions: number[];
  #entries: NaiveEntry[] = [];
  readonly #fences: NaiveFence[] = [];
  readonly #sayings = new Map<string, Saying[]>();
  readonly #requests: NaiveRequest<SetResult>[] = [];
  readonly #increments: NaiveRequest<IncrementResult>[] = [];
  #tokens = 0n;

  constructor(
    epoch: bigint,
    shards: number,
    shardOf: (namespace: string, key: string) => number,
    nowMs: number,
  ) {
    this.#epoch = epoch;
    this.#shardOf = shardOf;
    this.#revisions = new Array(shards).fill(0);
    this.nowMs = nowMs;
  }

  get(command: GetCommand): GetResult {
    const { namespace, key } = command;
    const asOf = this.#asOf(namespace, key);
    const entry = this.#entry(namespace, key);
    if (entry === undefined || (this.#isStale(entry) && !command.allowStale)) return { kind: "miss", asOf };
    const isSameEpoch = this.#isOf(command.ifEpoch, asOf.shard, entry.version);
    if (command.ifVersion === entry.version && isSameEpoch) {
      return { kind: "notModified", asOf, entry: { ...this.#view(entry), value: new Uint8Array() } };
    }
    return { kind: "hit", asOf, entry: this.#view(entry) };
  }

  /** A new life of the same state: leases are void, and all else goes on. */
  continueAs(epoch: bigint): void {
    this.#ended.set(this.#epoch, [...this.#revisions]);
    this.#epoch = epoch;
    this.leases = [];
  }

  #isOf(epoch: bigint, shard: number, version: number): boolean {
    return epoch === 0n || epoch === this.#epoch || version <= (this.#ended.get(epoch)?.[shard] ?? -1);
  }

  /** For the last entry that was set, gone or not. Reading it here must not record that it is gone. */
  versionOf(namespace: string, key: string): number | undefined {
    return this.#entries.find((one) => one.namespace === namespace && one.key === key)?.version;
  }

  /** Whether the real store may refuse this Set for its source version. It may have dropped the later version. */
  mayRefuse(command: SetCommand): boolean {
    const { namespace, key, sourceVersion } = command;
    const sayings = this.#sayingsOf(namespace, key);
    const known = sayings.some((saying) => saying.atMostUntilMs > this.nowMs);
    return known && sourceVersion > 0n && sayings.some((saying) => saying.sourceVersion > sourceVersion);
  }

  set(command: SetCommand, realRefuses: boolean): SetResult {
    const { namespace, key, requestId } = command;
    const id = `${namespace} ${key} ${requestId}`;
    const former = this.#requests.findLast((request) => request.id === id && request.untilMs > this.nowMs);
    if (requestId !== 0n && former !== undefined) return former.result;
    const result = this.#setOnce(command, realRefuses);
    this.#requests.push({ id, atMs: this.nowMs, untilMs: this.nowMs + 60_000, result });
    return result;
  }

  increment(command: IncrementCommand): IncrementResult {
    const { namespace, key, requestId } = command;
    const id = `${namespace} ${key} ${requestId}`;
    const former = this.#increments.findLast((one) => one.id === id && one.untilMs > this.nowMs);
    if (requestId !== 0n && former !== undefined) {
      const { result } = former;
      if (result.kind !== "incremented" || result.ttlRemainingMs === 0) return result;
      const ttlRemainingMs = Math.max(1, result.ttlRemainingMs - (this.nowMs - former.atMs));
      return { ...result, ttlRemainingMs };
    }
    const result = this.#incrementOnce(command);
    this.#increments.push({ id, atMs: this.nowMs, untilMs: this.nowMs + 60_000, result });
    return result;
  }

  /** A Get, a sum and a Set, between which nothing comes. */
  #incrementOnce(command: IncrementCommand): IncrementResult {
    const { namespace, key, condition, delta, initial } = command;
    const read = this.#entry(namespace, key);
    const fresh = read === undefined || this.#isStale(read) ? undefined : read;
    const refused = (reason: IncrementRefusal): IncrementResult => ({
      kind: "notIncremented",
      asOf: this.#asOf(namespace, key),
      reason,
    });
    if (condition.kind === "ifAbsent" && fresh !== undefined) return refused("exists");
    if (condition.kind === "ifPresent" && fresh === undefined) return refused("absent");
    if (condition.kind === "ifVersion") {
      const isSameEpoch = this.#isOf(condition.epoch, this.#shardOf(namespace, key), condition.version);
      if (fresh?.version !== condition.version || !isSameEpoch) return refused("versionMismatch");
    }
    const text = fresh === undefined ? String(initial) : Buffer.from(fresh.value).toString("latin1");
    const isPlain = !fresh?.set.absent && (fresh?.set.contentEncoding ?? "") === "";
    if (!isPlain || !/^(?:0|-?[1-9][0-9]*)$/.test(text)) return refused("notACounter");
    const value = BigInt(text);
    if (value > INT64_MAX || value < -INT64_MAX - 1n) return refused("notACounter");
    const sum = value + delta;
    if (sum > INT64_MAX || sum < -INT64_MAX - 1n) return refused("overflow");
    const result = this.#setOnce(
      {
        ...command,
        value: new TextEncoder().encode(String(sum)),
        condition: { kind: "always" },
        sourceVersion: fresh?.set.sourceVersion ?? 0n,
        tags: fresh?.set.tags ?? [],
        contentType: fresh?.set.contentType ?? "",
        contentEncoding: "",
        absent: false,
      },
      false,
      fresh,
    );
    if (result.kind !== "stored") throw new Error("an unconditional Set was refused");
    const { freshUntilMs = 0 } = this.#entry(namespace, key) ?? {};
    return {
      kind: "incremented",
      asOf: result.asOf,
      value: sum,
      version: result.version,
      ttlRemainingMs: freshUntilMs === Infinity ? 0 : freshUntilMs - this.nowMs,
      created: fresh === undefined,
    };
  }

  touch(command: TouchCommand): TouchResult {
    const { namespace, key } = command;
    const entry = this.#entry(namespace, key);
    if (entry === undefined || this.#isStale(entry)) {
      return { asOf: this.#asOf(namespace, key), touched: false };
    }
    const shard = this.#shardOf(namespace, key);
    this.#bump(shard);
    entry.freshUntilMs = command.ttlMs === 0 ? Infinity : this.nowMs + command.ttlMs;
    entry.staleUntilMs = entry.freshUntilMs + command.staleMs;
    this.#emit(shard, "touched", namespace, "key", key, command);
    return { asOf: this.#asOf(namespace, key), touched: true };
  }

  invalidate(command: InvalidateCommand): InvalidateResult {
    const { namespace, target, soft } = command;
    const shards = this.#revisions.map((_, shard) => shard);
    const kind = soft ? "staled" : "invalidated";
    if (target.kind === "keys") {
      const keys = [...new Set(target.keys)];
      const touched = shards.filter((shard) => keys.some((key) => this.#shardOf(namespace, key) === shard));
      for (const shard of touched) this.#bump(shard);
      let removed = 0;
      for (const key of keys) {
        if (soft ? this.#stale(namespace, key) : this.#remove(namespace, key, command.sourceVersion))
          removed++;
        this.#endLease(namespace, key);
        this.#emit(this.#shardOf(namespace, key), kind, namespace, "key", key, command);
      }
      return { stamps: touched.map((shard) => this.#stamp(shard)), removed };
    }
    for (const shard of shards) {
      this.#bump(shard);
      const fence = { shard, revision: this.#stamp(shard).revision, atMs: this.nowMs, soft };
      if (target.kind === "tags") {
        for (const tag of new Set(target.tags)) {
          this.#fences.push({ ...fence, covers: (its, _, tags) => its === namespace && tags.includes(tag) });
          this.#emit(shard, kind, namespace, "tag", tag, command);
        }
      } else {
        const prefix = target.kind === "prefix" ? target.prefix : "";
        const covers = (its: string, key: string): boolean => its === namespace && key.startsWith(prefix);
        this.#fences.push({ ...fence, covers });
        for (const lease of this.leases.filter((one) => this.#shardOf(one.namespace, one.key) === shard)) {
          if (covers(lease.namespace, lease.key)) this.#endLease(lease.namespace, lease.key);
        }
        this.#emit(shard, kind, namespace, target.kind, prefix, command);
      }
    }
    return { stamps: shards.map((shard) => this.#stamp(shard)), removed: 0 };
  }

  /** `undefined`: the call waits. Its answer will be in `settled`, under `waiterId`. */
  lease(command: LeaseCommand, waiterId: number): LeaseResult | undefined {
    const { namespace, key } = command;
    const entry = this.#entry(namespace, key);
    if (entry !== undefined && !this.#isStale(entry)) {
      return { kind: "hit", asOf: this.#asOf(namespace, key), entry: this.#view(entry) };
    }
    const lease = this.leases.find((one) => one.namespace === namespace && one.key === key);
    if (lease === undefined) return this.#grant(namespace, key, command.leaseMs, []);
    if (command.waitMs === 0) return this.#held(namespace, key, lease.expiresAtMs);
    const deadlineMs = this.nowMs + command.waitMs;
    lease.waiters.push({ id: waiterId, deadlineMs, leaseMs: command.leaseMs });
    return undefined;
  }

  cancel(waiterId: number): void {
    for (const { waiters } of this.leases) {
      const index = waiters.findIndex((waiter) => waiter.id === waiterId);
      if (index >= 0) waiters.splice(index, 1);
    }
  }

  release(namespace: string, key: string, token: bigint): { asOf: Stamp; released: boolean } {
    const released = this.leases.some((lease) => lease.key === key && lease.token === token);
    if (released) this.#endLease(namespace, key);
    return { asOf: this.#asOf(namespace, key), released };
  }

  advance(byMs: number): void {
    this.nowMs += byMs;
    for (const lease of [...this.leases]) {
      for (const waiter of lease.waiters.filter((one) => one.deadlineMs <= this.nowMs)) {
        this.cancel(waiter.id);
        this.settled.set(waiter.id, this.#held(lease.namespace, lease.key, lease.expiresAtMs));
      }
      if (lease.expiresAtMs <= this.nowMs) this.#endLease(lease.namespace, lease.key);
    }
  }

  /** `kept`: the entry whose lifetimes it has. Default: it has those of the command. */
  #setOnce(command: SetCommand, realRefuses: boolean, kept?: NaiveEntry): SetResult {
    const { namespace, key, condition, sourceVersion } = command;
    const reason = this.#refusal(command) ?? (realRefuses ? this.#sourceRefusal(command) : undefined);
    if (reason !== undefined) {
      const lease = this.leases.find((one) => one.namespace === namespace && one.key === key);
      if (condition.kind === "lease" && lease?.token === condition.token) this.#endLease(namespace, key);
      return { kind: "notStored", asOf: this.#asOf(namespace, key), reason };
    }
    const former = this.#entry(namespace, key);
    if (sourceVersion > 0n) this.#sayings.delete(`${namespace} ${key}`);
    else if (former !== undefined)
      this.#say(namespace, key, former.set.sourceVersion, this.nowMs, this.nowMs);
    const shard = this.#shardOf(namespace, key);
    this.#bump(shard);
    const { revision } = this.#stamp(shard);
    const freshUntilMs = kept?.freshUntilMs ?? (command.ttlMs === 0 ? Infinity : this.nowMs + command.ttlMs);
    const entry: NaiveEntry = {
      namespace,
      key,
      set: command,
      value: command.value.slice(),
      version: revision,
      setAtMs: this.nowMs,
      freshUntilMs,
      staleUntilMs: kept?.staleUntilMs ?? freshUntilMs + command.staleMs,
      staled: false,
    };
    this.#drop(namespace, key);
    this.#entries.push(entry);
    this.#emit(shard, "set", namespace, "key", key, command);
    const lease = this.leases.find((one) => one.namespace === namespace && one.key === key);
    this.leases = this.leases.filter((one) => one !== lease);
    for (const { id } of lease?.waiters ?? []) {
      this.settled.set(id, { kind: "hit", asOf: this.#stamp(shard), entry: this.#view(entry) });
    }
    return { kind: "stored", asOf: this.#stamp(shard), version: revision };
  }

  #refusal(command: SetCommand): NotStoredReason | undefined {
    const { namespace, key, condition, sourceVersion, tags } = command;
    const entry = this.#entry(namespace, key);
    const isFresh = entry !== undefined && !this.#isStale(entry);
    if (condition.kind === "ifAbsent" && isFresh) return "exists";
    if (condition.kind === "ifPresent" && !isFresh) return "absent";
    if (condition.kind === "ifVersion") {
      const isSameEpoch = this.#isOf(condition.epoch, this.#shardOf(namespace, key), condition.version);
      const isValid = entry !== undefined && !this.#isSoftlyInvalidated(entry);
      if (!isValid || entry.version !== condition.version || !isSameEpoch) return "versionMismatch";
    }
    if (condition.kind === "lease") {
      const lease = this.leases.find((one) => one.namespace === namespace && one.key === key);
      if (lease?.token !== condition.token) return "leaseLost";
      const shard = this.#shardOf(namespace, key);
      const isBehindFence = this.#fences.some(
        (fence) =>
          fence.shard === shard && fence.revision > lease.revision && fence.covers(namespace, key, tags),
      );
      if (isBehindFence) return "leaseLost";
    }
    const mustKnow = this.#sayingsOf(namespace, key).some(
      (saying) => saying.atLeastUntilMs > this.nowMs && saying.sourceVersion > sourceVersion,
    );
    return sourceVersion > 0n && mustKnow ? "olderSourceVersion" : undefined;
  }

  #sourceRefusal(command: SetCommand): NotStoredReason | undefined {
    return this.mayRefuse(command) ? "olderSourceVersion" : undefined;
  }

  /** The known source versions of a key, including that of its entry. */
  #sayingsOf(namespace: string, key: string): Saying[] {
    const entry = this.#entry(namespace, key);
    const sayings = this.#sayings.get(`${namespace} ${key}`) ?? [];
    if (entry === undefined) return sayings;
    const { sourceVersion } = entry.set;
    return [...sayings, { sourceVersion, atLeastUntilMs: Infinity, atMostUntilMs: Infinity }];
  }

  #say(namespace: string, key: string, sourceVersion: bigint, fromMs: number, toMs: number): void {
    if (sourceVersion === 0n) return;
    const id = `${namespace} ${key}`;
    const saying = { sourceVersion, atLeastUntilMs: fromMs + 60_000, atMostUntilMs: toMs + 60_000 };
    this.#sayings.set(id, [...(this.#sayings.get(id) ?? []), saying]);
  }

  #stale(namespace: string, key: string): boolean {
    const entry = this.#entry(namespace, key);
    if (entry === undefined) return false;
    const wasFresh = !this.#isStale(entry);
    entry.staled = true;
    return wasFresh;
  }

  #remove(namespace: string, key: string, sourceVersion: bigint): boolean {
    const entry = this.#entry(namespace, key);
    this.#say(namespace, key, sourceVersion, this.nowMs, this.nowMs);
    if (entry === undefined) return false;
    if (sourceVersion > 0n && entry.set.sourceVersion >= sourceVersion) return false;
    this.#say(namespace, key, entry.set.sourceVersion, this.nowMs, this.nowMs);
    this.#drop(namespace, key);
    return true;
  }

  #drop(namespace: string, key: string): void {
    this.#entries = this.#entries.filter((entry) => entry.namespace !== namespace || entry.key !== key);
  }

  /** The entry, unless it is gone. The source version of a gone entry is recorded. */
  #entry(namespace: string, key: string): NaiveEntry | undefined {
    const entry = this.#entries.find((one) => one.namespace === namespace && one.key === key);
    if (entry === undefined) return undefined;
    const fencedAtMs = this.#fencesOver(entry)
      .filter((fence) => !fence.soft)
      .map((fence) => fence.atMs);
    if (fencedAtMs.length === 0 && this.nowMs < entry.staleUntilMs) return entry;
    this.#drop(namespace, key);
    const fromMs = Math.min(entry.staleUntilMs, ...fencedAtMs);
    const toMs = fencedAtMs.length === 0 ? fromMs : Math.min(entry.staleUntilMs, Math.max(...fencedAtMs));
    this.#say(namespace, key, entry.set.sourceVersion, fromMs, toMs);
    return undefined;
  }

  #fencesOver(entry: NaiveEntry): NaiveFence[] {
    const shard = this.#shardOf(entry.namespace, entry.key);
    return this.#fences.filter(
      (fence) =>
        fence.shard === shard &&
        fence.revision > entry.version &&
        fence.covers(entry.namespace, entry.key, entry.set.tags),
    );
  }

  #isSoftlyInvalidated(entry: NaiveEntry): boolean {
    return entry.staled || this.#fencesOver(entry).length > 0;
  }

  #isStale(entry: NaiveEntry): boolean {
    return this.nowMs >= entry.freshUntilMs || this.#isSoftlyInvalidated(entry);
  }

  #view(entry: NaiveEntry): EntryView {
    const stale = this.#isStale(entry);
    const staleFromMs = stale ? this.nowMs : entry.freshUntilMs;
    return {
      value: entry.value,
      version: entry.version,
      sourceVersion: entry.set.sourceVersion,
      ttlRemainingMs: stale || entry.freshUntilMs === Infinity ? 0 : entry.freshUntilMs - this.nowMs,
      staleRemainingMs: entry.staleUntilMs === Infinity ? 0 : entry.staleUntilMs - staleFromMs,
      stale,
      ageMs: this.nowMs - entry.setAtMs,
      absent: entry.set.absent,
      tags: entry.set.tags,
      contentType: entry.set.contentType,
      contentEncoding: entry.set.contentEncoding,
    };
  }

  #grant(namespace: string, key: string, leaseMs: number, waiters: NaiveWaiter[]): LeaseResult {
    const asOf = this.#asOf(namespace, key);
    const expiresAtMs = this.nowMs + leaseMs;
    this.#tokens++;
    const token = this.#tokens;
    this.leases.push({ namespace, key, token, revision: asOf.revision, expiresAtMs, waiters });
    return { kind: "granted", asOf, token, leaseMs, stale: this.#viewOf(namespace, key) };
  }

  #held(namespace: string, key: string, expiresAtMs: number): LeaseResult {
    const asOf = this.#asOf(namespace, key);
    const retryAfterMs = Math.max(1, expiresAtMs - this.nowMs);
    return { kind: "held", asOf, retryAfterMs, stale: this.#viewOf(namespace, key) };
  }

  #viewOf(namespace: string, key: string): EntryView | undefined {
    const entry = this.#entry(namespace, key);
    return entry === undefined ? undefined : this.#view(entry);
  }

  #endLease(namespace: string, key: string): void {
    const lease = this.leases.find((one) => one.namespace === namespace && one.key === key);
    if (lease === undefined) return;
    this.leases = this.leases.filter((one) => one !== lease);
    const [next, ...others] = lease.waiters;
    if (next !== undefined) this.settled.set(next.id, this.#grant(namespace, key, next.leaseMs, others));
  }

  #asOf(namespace: string, key: string): Stamp {
    return this.#stamp(this.#shardOf(namespace, key));
  }

  #stamp(shard: number): Stamp {
    return { shard, revision: this.#revisions[shard] ?? 0 };
  }

  #bump(shard: number): void {
    this.#revisions[shard] = (this.#revisions[shard] ?? 0) + 1;
  }

  #emit(
    shard: number,
    kind: EventKind,
    namespace: string,
    target: EventTarget,
    name: string,
    { writer }: Pick<SetCommand, "writer">,
  ): void {
    this.events.push({ ...this.#stamp(shard), kind, namespace, target, name, ...writer });
  }
}
