/**
 * The leases of one shard: who may fill a key, who waits for it, and who is next.
 *
 * (Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013, section 3.2.1.) A key with a lease has no
 * fresh entry, since whatever stores one ends the lease. Every lease ends in exactly one way: filled, lost,
 * expired or released.
 */
import type { Rng } from "../random.ts";
import type { CounterRow } from "./counters.ts";
import { toEntryId } from "./entry-id.ts";
import type { EntryView, LeaseCommand, LeaseResult, LeaseWait, Stamp } from "./store.ts";

/** What a `leaseMs` of 0 stands for. */
export const leaseDefaultMs = 5_000;
/** When to ask again after a refusal for want of room. */
export const refusedRetryMs = 100;

export interface LeaseLimits {
  readonly leasesMax: number;
  /** Of one key. */
  readonly waitersMax: number;
}

/** What leases need to know of their shard. */
export interface LeaseShard {
  stamp(): Stamp;
  /** The entry that may be served while the key is being filled. */
  staleView(namespace: string, key: string): EntryView | undefined;
}

export interface Lease {
  readonly namespace: string;
  readonly key: string;
  readonly token: bigint;
  /** The shard's revision at the grant: what was invalidated after it may not be in the loaded value. */
  readonly issuedAtRevision: number;
}

type Settle = (result: LeaseResult) => void;

interface Waiter {
  readonly namespace: string;
  readonly key: string;
  readonly settle: Settle;
  readonly deadlineMs: number;
  readonly leaseMs: number;
  cancelled: boolean;
}

interface HeldLease extends Lease {
  readonly expiresAtMs: number;
  /** First come, first promoted. */
  readonly waiters: Waiter[];
}

export class Leases {
  readonly #limits: LeaseLimits;
  readonly #shard: LeaseShard;
  readonly #rng: Rng;
  readonly #counters: CounterRow;
  /** In the order of the grants, so that the first has the oldest revision. */
  readonly #byId = new Map<string, HeldLease>();
  /** No lease or wait is due before. */
  #nextDueMs = Infinity;
  /** Decided, and told to the waiters only when the shard is in order again: see `flush`. */
  #settled: { readonly waiter: Waiter; readonly result: LeaseResult }[] = [];

  constructor(limits: LeaseLimits, shard: LeaseShard, rng: Rng, counters: CounterRow) {
    this.#limits = limits;
    this.#shard = shard;
    this.#rng = rng;
    this.#counters = counters;
  }

  get count(): number {
    return this.#byId.size;
  }

  /** No live lease was granted before this revision; `Infinity` when there is none. */
  oldestRevision(): number {
    for (const lease of this.#byId.values()) return lease.issuedAtRevision;
    return Infinity;
  }

  /** The lease of a key that has no fresh entry. */
  ask(command: LeaseCommand, nowMs: number, settle: Settle | undefined): LeaseResult | LeaseWait {
    const { namespace, key, waitMs } = command;
    const leaseMs = command.leaseMs === 0 ? leaseDefaultMs : command.leaseMs;
    const held = this.#byId.get(toEntryId(namespace, key));
    if (held === undefined) {
      if (this.#byId.size < this.#limits.leasesMax) return this.#grant(namespace, key, leaseMs, nowMs, []);
      return this.#refuse(namespace, key, refusedRetryMs);
    }
    const leftMs = held.expiresAtMs - nowMs;
    if (settle === undefined || waitMs === 0) {
      this.#counters.count("leasesHeld");
      return this.#held(namespace, key, leftMs);
    }
    if (held.waiters.length >= this.#limits.waitersMax) return this.#refuse(namespace, key, leftMs);
    const waiter: Waiter = {
      namespace,
      key,
      settle,
      deadlineMs: nowMs + waitMs,
      leaseMs,
      cancelled: false,
    };
    held.waiters.push(waiter);
    this.#nextDueMs = Math.min(this.#nextDueMs, waiter.deadlineMs);
    return { kind: "waiting", cancel: () => this.#cancel(waiter) };
  }

  /** The lease with this token, when it is still the key's. */
  find(namespace: string, key: string, token: bigint): Lease | undefined {
    const lease = this.#byId.get(toEntryId(namespace, key));
    return lease?.token === token ? lease : undefined;
  }

  /** The key has a fresh entry, set with `token` or without: its lease ends and every waiter has a hit. */
  fill(namespace: string, key: string, token: bigint | undefined, view: () => EntryView): void {
    if (this.#byId.size === 0) return;
    const id = toEntryId(namespace, key);
    const lease = this.#byId.get(id);
    if (lease === undefined) return;
    this.#byId.delete(id);
    if (lease.token === token) this.#counters.count("leasesFilled");
    else this.#counters.count("leasesLost");
    if (lease.waiters.length === 0) return;
    const result: LeaseResult = { kind: "hit", asOf: this.#shard.stamp(), entry: view() };
    for (const waiter of lease.waiters) this.#settled.push({ waiter, result });
    this.#counters.count("leasesShared", lease.waiters.length);
  }

  /** The key's lease, if there is one, is worth nothing any more: the next waiter is promoted. */
  void(namespace: string, key: string, nowMs: number): void {
    if (this.#byId.size === 0) return;
    const lease = this.#byId.get(toEntryId(namespace, key));
    if (lease === undefined) return;
    this.#counters.count("leasesLost");
    this.#promote(lease, nowMs);
  }

  /** As `void`, for every key with this prefix. */
  voidPrefix(namespace: string, prefix: string, nowMs: number): void {
    const matching = [...this.#byId.values()].filter(
      (lease) => lease.namespace === namespace && lease.key.startsWith(prefix),
    );
    this.#counters.count("leasesLost", matching.length);
    for (const lease of matching) this.#promote(lease, nowMs);
  }

  release(namespace: string, key: string, token: bigint, nowMs: number): boolean {
    const lease = this.#byId.get(toEntryId(namespace, key));
    if (lease?.token !== token) return false;
    this.#counters.count("leasesReleased");
    this.#promote(lease, nowMs);
    return true;
  }

  /** Ends the waits and leases that are due. Must come before anything else at a new time. */
  endDue(nowMs: number): void {
    if (nowMs < this.#nextDueMs) return;
    this.#nextDueMs = Infinity;
    // A promoted lease is met again at the end, with its own times.
    for (const lease of this.#byId.values()) {
      this.#endWaits(lease, nowMs);
      if (nowMs < lease.expiresAtMs) {
        this.#nextDueMs = lease.waiters.reduce(
          (earliest, waiter) => Math.min(earliest, waiter.deadlineMs),
          Math.min(this.#nextDueMs, lease.expiresAtMs),
        );
        continue;
      }
      this.#counters.count("leasesExpired");
      this.#promote(lease, nowMs);
    }
  }

  /** Tells the waiters what was decided. Their `settle` may call the store. */
  flush(nowMs: number): void {
    for (let next = this.#settled.shift(); next !== undefined; next = this.#settled.shift()) {
      const { waiter, result } = next;
      if (!waiter.cancelled) waiter.settle(result);
      // Nobody would use this lease.
      else if (result.kind === "granted") this.release(waiter.namespace, waiter.key, result.token, nowMs);
    }
  }

  #grant(namespace: string, key: string, leaseMs: number, nowMs: number, waiters: Waiter[]): LeaseResult {
    const asOf = this.#shard.stamp();
    const token = this.#rng.uint64();
    const expiresAtMs = nowMs + leaseMs;
    const id = toEntryId(namespace, key);
    this.#byId.set(id, { namespace, key, token, issuedAtRevision: asOf.revision, expiresAtMs, waiters });
    this.#nextDueMs = Math.min(this.#nextDueMs, expiresAtMs);
    this.#counters.count("leasesGranted");
    return { kind: "granted", asOf, token, leaseMs, stale: this.#shard.staleView(namespace, key) };
  }

  #held(namespace: string, key: string, retryAfterMs: number): LeaseResult {
    return {
      kind: "held",
      asOf: this.#shard.stamp(),
      retryAfterMs: Math.max(1, retryAfterMs),
      stale: this.#shard.staleView(namespace, key),
    };
  }

  #refuse(namespace: string, key: string, retryAfterMs: number): LeaseResult {
    this.#counters.count("leasesRefused");
    return this.#held(namespace, key, retryAfterMs);
  }

  #promote(lease: HeldLease, nowMs: number): void {
    this.#byId.delete(toEntryId(lease.namespace, lease.key));
    const [next, ...others] = lease.waiters;
    if (next === undefined) return;
    const result = this.#grant(lease.namespace, lease.key, next.leaseMs, nowMs, others);
    this.#settled.push({ waiter: next, result });
  }

  #endWaits(lease: HeldLease, nowMs: number): void {
    for (let index = 0; index < lease.waiters.length; index++) {
      const waiter = lease.waiters[index];
      if (waiter === undefined || nowMs < waiter.deadlineMs) continue;
      lease.waiters.splice(index--, 1);
      this.#counters.count("leasesHeld");
      const result = this.#held(lease.namespace, lease.key, lease.expiresAtMs - nowMs);
      this.#settled.push({ waiter, result });
    }
  }

  #cancel(waiter: Waiter): void {
    waiter.cancelled = true;
    const waiters = this.#byId.get(toEntryId(waiter.namespace, waiter.key))?.waiters;
    const index = waiters?.indexOf(waiter) ?? -1;
    if (index >= 0) waiters?.splice(index, 1);
  }
}
