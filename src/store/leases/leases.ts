/**
 * The leases of one shard: which caller may fill a key, and which callers wait for it.
 *
 * Leases are those of Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013, section 3.2.1. A key with a lease has
 * no fresh entry: every Set that stores one ends the lease. A lease ends in exactly one way: filled, lost, expired or
 * released.
 *
 * Leases and waiters are in memory that the threads share, under the shard's lock. Any thread may decide the result of
 * a wait there. The waiter's own thread calls it back, later and without the lock.
 */
import type { CallbackErrors } from "../../common/callback-errors.ts";
import type { Rng } from "../../common/random.ts";
import type { EntryView, LeaseCommand, LeaseResult, LeaseWait, Stamp } from "../api/store.ts";
import { SINGLE_THREAD, type StoreThreads } from "../api/threads.ts";
import type { FingerprintOf } from "../hashing/fingerprint.ts";
import type { CounterRow } from "../shm/counters.ts";
import type { Region } from "../shm/region.ts";
import type { LeaseName } from "./lease-keys.ts";
import { LeaseRecords, leaseRecordsBytes } from "./lease-records.ts";
import { type Settle, WaiterCallbacks, type WaitsSettled } from "./waiter-callbacks.ts";
import type { LeaseLimits } from "./waiter-records.ts";

/** The `retryAfterMs` of a lease that is refused because there is no room for it. */
const REFUSED_RETRY_MS = 100;

export const LEASES_BYTES = leaseRecordsBytes;

/** What leases ask their shard. */
interface LeaseShard {
  stamp(): Stamp;
  /** The entry that may be served while the key is being filled. */
  staleView(namespace: string, key: string, nowMs: number): EntryView | undefined;
}

/** Lets one thread at a time into the shard. */
interface LeaseGuard {
  /** Returns the time of what is done inside, at `nowMs` or a little later. */
  enter(nowMs: number): number;
  leave(): void;
}

const NO_GUARD: LeaseGuard = { enter: (nowMs) => nowMs, leave() {} };

interface LeasesOptions {
  readonly region: Region;
  readonly limits: LeaseLimits;
  readonly shard: LeaseShard;
  readonly fingerprintOf: FingerprintOf;
  readonly rng: Rng;
  readonly counters: CounterRow;
  /** Default: one thread. */
  readonly threads?: StoreThreads;
  /**
   * For `cancel` and `deliver`, which are called without the lock. Every other method is called with it. Default: no
   * lock.
   */
  readonly guard?: LeaseGuard;
}

export class Leases {
  readonly #shard: LeaseShard;
  readonly #rng: Rng;
  readonly #counters: CounterRow;
  readonly #thread: number;
  readonly #guard: LeaseGuard;
  readonly #records: LeaseRecords;
  readonly #callbacks: WaiterCallbacks;

  constructor(options: LeasesOptions) {
    const { region, limits, fingerprintOf, threads = SINGLE_THREAD, guard = NO_GUARD } = options;
    this.#shard = options.shard;
    this.#rng = options.rng;
    this.#counters = options.counters;
    this.#thread = threads.self;
    this.#guard = guard;
    this.#records = new LeaseRecords(region, limits, fingerprintOf);
    this.#callbacks = new WaiterCallbacks(threads);
  }

  get count(): number {
    return this.#records.count;
  }

  /** The revision at which the oldest lease was granted; `Infinity` when there is none. */
  oldestRevision(): number {
    const oldest = this.#records.oldest();
    return oldest === 0 ? Infinity : this.#records.issuedAtRevision(oldest);
  }

  /** The lease of a key that has no fresh entry. */
  ask(command: LeaseCommand, nowMs: number, settle: Settle | undefined): LeaseResult | LeaseWait {
    const { namespace, key, waitMs, leaseMs } = command;
    const held = this.#records.find(namespace, key);
    if (held === 0) {
      const lease = this.#records.insert(namespace, key);
      if (lease !== 0) return this.#grant(lease, namespace, key, leaseMs, nowMs);
      return this.#refuse(namespace, key, REFUSED_RETRY_MS, nowMs);
    }
    const leftMs = this.#records.expiresAtMs(held) - nowMs;
    if (settle === undefined || waitMs === 0) {
      this.#counters.count("leasesHeld");
      return this.#held(namespace, key, leftMs, nowMs);
    }
    const wait = this.#callbacks.begin(settle);
    const deadlineMs = nowMs + waitMs;
    const waiter = this.#records.addWaiter({ lease: held, thread: this.#thread, wait, deadlineMs, leaseMs });
    if (waiter !== 0) return { kind: "waiting", cancel: () => this.#cancel(waiter, wait) };
    this.#callbacks.cancel(wait);
    return this.#refuse(namespace, key, leftMs, nowMs);
  }

  /**
   * The shard's revision when the lease was granted; `undefined` when it has ended. The loaded value may be older than
   * any invalidation after that revision.
   */
  issuedAtRevision(namespace: string, key: string, token: bigint): number | undefined {
    const lease = this.#find(namespace, key, token);
    return lease === 0 ? undefined : this.#records.issuedAtRevision(lease);
  }

  /** The key has a fresh entry, from a Set with `token` or with none. Its lease ends, and every waiter gets a hit. */
  fill(namespace: string, key: string, token: bigint | undefined, view: () => EntryView): void {
    const records = this.#records;
    const lease = records.find(namespace, key);
    if (lease === 0) return;
    this.#counters.count(records.token(lease) === token ? "leasesFilled" : "leasesLost");
    const waiters = records.waiterCount(lease);
    if (waiters > 0) {
      const result: LeaseResult = { kind: "hit", asOf: this.#shard.stamp(), entry: view() };
      for (let left = waiters; left > 0; left--) {
        this.#endWait(records.firstWaiter(lease), namespace, key, result);
      }
      this.#counters.count("leasesShared", waiters);
    }
    records.remove(lease);
  }

  /** Ends the key's lease, if there is one: its Set would be refused. The next waiter gets a new one. */
  void(namespace: string, key: string, nowMs: number): void {
    const lease = this.#records.find(namespace, key);
    if (lease === 0) return;
    this.#counters.count("leasesLost");
    this.#promote(lease, nowMs);
  }

  /** As `void`, for every key with this prefix. */
  voidPrefix(namespace: string, prefix: string, nowMs: number): void {
    for (const lease of this.#records.matching(namespace, prefix)) {
      this.#counters.count("leasesLost");
      this.#promote(lease, nowMs);
    }
  }

  release(namespace: string, key: string, token: bigint, nowMs: number): boolean {
    const lease = this.#find(namespace, key, token);
    if (lease === 0) return false;
    this.#counters.count("leasesReleased");
    this.#promote(lease, nowMs);
    return true;
  }

  /** Ends the waits and leases that are due. Must come before anything else at a new time. */
  endDue(nowMs: number): void {
    const records = this.#records;
    if (records.nextDueMs === 0 || nowMs < records.nextDueMs) return;
    let nextDueMs = Infinity;
    for (let lease = records.oldest(); lease !== 0; ) {
      // A lease that is granted anew moves to the end of the list, and is visited once more, without effect.
      const next = records.newer(lease);
      if (nowMs < records.dueMs(lease) || this.#endDueOf(lease, nowMs)) {
        nextDueMs = Math.min(nextDueMs, records.dueMs(lease));
      }
      lease = next;
    }
    records.nextDueMs = nextDueMs === Infinity ? 0 : nextDueMs;
  }

  /** Another thread has decided waits of this one, which `deliver` then calls back. Needs no lock. */
  settled(message: WaitsSettled): void {
    this.#callbacks.receive(message);
  }

  /** There is something for `deliver` to do. */
  get hasDecided(): boolean {
    return this.#callbacks.hasDecided;
  }

  /**
   * Calls back the waiters of what was decided, without the lock. Their `settle` may call the store. Each is called,
   * even if another one throws; returns what they threw.
   */
  deliver(nowMs: number): CallbackErrors {
    const errors: unknown[] = [];
    for (let waits = this.#callbacks.next(); waits !== undefined; waits = this.#callbacks.next()) {
      const { namespace, key, result } = waits;
      // A lease granted to a cancelled wait goes to the next waiter.
      if (!this.#callbacks.deliver(waits, errors) && result.kind === "granted") {
        this.#giveBack(namespace, key, result.token, nowMs);
      }
    }
    return errors;
  }

  #find(namespace: string, key: string, token: bigint): number {
    const lease = this.#records.find(namespace, key);
    return lease !== 0 && this.#records.token(lease) === token ? lease : 0;
  }

  #grant(lease: number, namespace: string, key: string, leaseMs: number, nowMs: number): LeaseResult {
    const asOf = this.#shard.stamp();
    const token = this.#rng.uint64();
    this.#records.grant(lease, token, asOf.revision, nowMs + leaseMs);
    this.#counters.count("leasesGranted");
    const stale = this.#shard.staleView(namespace, key, nowMs);
    return { kind: "granted", asOf, token, leaseMs, stale };
  }

  #held(namespace: string, key: string, retryAfterMs: number, nowMs: number): LeaseResult {
    const stale = this.#shard.staleView(namespace, key, nowMs);
    return { kind: "held", asOf: this.#shard.stamp(), retryAfterMs: Math.max(1, retryAfterMs), stale };
  }

  #refuse(namespace: string, key: string, retryAfterMs: number, nowMs: number): LeaseResult {
    this.#counters.count("leasesRefused");
    return this.#held(namespace, key, retryAfterMs, nowMs);
  }

  /** Grants the key to the first waiter. Without waiters it removes the lease and returns false. */
  #promote(lease: number, nowMs: number): boolean {
    const next = this.#records.firstWaiter(lease);
    if (next === 0) {
      this.#records.remove(lease);
      return false;
    }
    // The name is decoded only here: many leases may end at once, and most have no waiter.
    const { namespace, key } = this.#records.name(lease);
    const leaseMs = this.#records.waiters.leaseMs(next);
    this.#endWait(next, namespace, key, this.#grant(lease, namespace, key, leaseMs, nowMs));
    return true;
  }

  /** False when the lease has ended and nobody has it now. */
  #endDueOf(lease: number, nowMs: number): boolean {
    const records = this.#records;
    const leftMs = records.expiresAtMs(lease) - nowMs;
    let name: LeaseName | undefined;
    let held: LeaseResult | undefined;
    let waiter = records.firstWaiter(lease);
    for (let left = records.waiterCount(lease); left > 0; left--) {
      const next = records.waiters.next(waiter);
      if (nowMs >= records.waiters.deadlineMs(waiter)) {
        this.#counters.count("leasesHeld");
        name ??= records.name(lease);
        held ??= this.#held(name.namespace, name.key, leftMs, nowMs);
        this.#endWait(waiter, name.namespace, name.key, held);
      }
      waiter = next;
    }
    if (leftMs <= 0) {
      this.#counters.count("leasesExpired");
      if (!this.#promote(lease, nowMs)) return false;
    }
    records.updateDue(lease);
    return true;
  }

  #endWait(waiter: number, namespace: string, key: string, result: LeaseResult): void {
    const { waiters } = this.#records;
    const thread = waiters.thread(waiter);
    const wait = waiters.wait(waiter);
    this.#records.removeWaiter(waiter);
    this.#callbacks.decide(thread, wait, namespace, key, result);
  }

  #cancel(waiter: number, wait: number): void {
    if (!this.#callbacks.cancel(wait)) return;
    this.#guard.enter(0);
    try {
      // When it is not there any more, its result is decided, and will find no callback.
      if (this.#records.waiters.holds(waiter, this.#thread, wait)) this.#records.removeWaiter(waiter);
    } finally {
      this.#guard.leave();
    }
  }

  #giveBack(namespace: string, key: string, token: bigint, nowMs: number): void {
    const lockedMs = this.#guard.enter(nowMs);
    try {
      this.endDue(lockedMs);
      this.release(namespace, key, token, lockedMs);
    } finally {
      this.#guard.leave();
    }
  }
}
