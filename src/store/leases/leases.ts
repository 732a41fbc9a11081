/**
 * The leases of one shard: which caller may fill a key, and which callers wait for it.
 *
 * Leases are those of Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013, section 3.2.1. A key with a lease has
 * no fresh entry: every Set that stores one ends the lease. A lease ends in exactly one way: filled, lost, expired,
 * released, abandoned by its holder, or displaced.
 *
 * Leases and waiters are in memory that the threads share, under the shard's lock. Any thread may decide the result of
 * a wait there. The waiter's own thread calls it back, later and without the lock.
 */
import type { CallbackErrors } from "../../common/callback-errors.ts";
import type { Rng } from "../../common/random.ts";
import type { EntryView, LeaseCommand, LeaseResult, LeaseWait } from "../api/store.ts";
import { SINGLE_THREAD, type StoreThreads } from "../api/threads.ts";
import type { FingerprintOf } from "../hashing/fingerprint.ts";
import { COUNTER, type CounterRow } from "../shm/counters.ts";
import type { Region } from "../shm/region.ts";
import { LeaseEnds } from "./lease-ends.ts";
import { LeaseGrants, type LeaseShard, NO_HOLDER } from "./lease-grants.ts";
import { LeaseRecords, leaseRecordsBytes } from "./lease-records.ts";
import { type Settle, WaiterCallbacks, type WaitsSettled } from "./waiter-callbacks.ts";
import type { LeaseLimits } from "./waiter-records.ts";

/** How many leases and waits a call ends or visits beside its own. */
const ENDED_PER_CALL_MAX = 32;

export const LEASES_BYTES = leaseRecordsBytes;

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
  readonly #counters: CounterRow;
  readonly #thread: number;
  readonly #guard: LeaseGuard;
  readonly #records: LeaseRecords;
  readonly #callbacks: WaiterCallbacks;
  readonly #grants: LeaseGrants;
  readonly #ends: LeaseEnds;
  /** The time of the operation under way. */
  #nowMs = 0;

  constructor(options: LeasesOptions) {
    const { region, limits, shard, fingerprintOf, rng, counters } = options;
    const { threads = SINGLE_THREAD, guard = NO_GUARD } = options;
    this.#shard = shard;
    this.#counters = counters;
    this.#thread = threads.self;
    this.#guard = guard;
    const records = new LeaseRecords(region, limits, fingerprintOf);
    const callbacks = new WaiterCallbacks(threads);
    this.#records = records;
    this.#callbacks = callbacks;
    this.#grants = new LeaseGrants({ records, callbacks, limits, shard, rng, counters });
    this.#ends = new LeaseEnds(records, this.#grants, counters);
  }

  get count(): number {
    return this.#records.count;
  }

  /** The revision at which the oldest lease was granted; `Infinity` when there is none. */
  oldestRevision(): number {
    const oldest = this.#records.oldest();
    return oldest === 0 ? Infinity : this.#records.issuedAtRevision(oldest);
  }

  /** The lease of a key that has no fresh entry. `hasStale`: it may have a stale one. */
  ask(
    command: LeaseCommand,
    nowMs: number,
    settle: Settle | undefined,
    hasStale = true,
  ): LeaseResult | LeaseWait {
    const { namespace, key, waitMs, leaseMs, holder = NO_HOLDER } = command;
    const held = this.#ends.current(namespace, key, nowMs);
    if (held === 0) return this.#grants.grantNew(command, nowMs, hasStale);
    const leftMs = this.#records.expiresAtMs(held) - nowMs;
    if (settle === undefined || waitMs === 0)
      return this.#grants.held(namespace, key, leftMs, nowMs, hasStale);
    const wait = this.#callbacks.begin(settle);
    const deadlineMs = nowMs + waitMs;
    const thread = this.#thread;
    const waiter = this.#records.addWaiter({ lease: held, thread, wait, deadlineMs, leaseMs, holder });
    if (waiter !== 0) return { kind: "waiting", cancel: () => this.#cancel(waiter, wait) };
    this.#callbacks.cancel(wait);
    return this.#grants.refuse(namespace, key, leftMs, nowMs, hasStale);
  }

  /**
   * The shard's revision when the lease was granted; `undefined` when it has ended. The loaded value may be older than
   * any invalidation after that revision.
   */
  issuedAtRevision(namespace: string, key: string, token: bigint): number | undefined {
    const lease = this.#find(namespace, key, token, this.#nowMs);
    return lease === 0 ? undefined : this.#records.issuedAtRevision(lease);
  }

  /** The key has a fresh entry, from a Set with `token` or with none. Its lease ends, and every waiter gets a hit. */
  fill(namespace: string, key: string, token: bigint | undefined, view: () => EntryView): void {
    const records = this.#records;
    const lease = records.find(namespace, key);
    if (lease === 0) return;
    this.#counters.count(records.token(lease) === token ? COUNTER.leasesFilled : COUNTER.leasesLost);
    const waiters = records.waiterCount(lease);
    if (waiters > 0) {
      const result: LeaseResult = { kind: "hit", asOf: this.#shard.stamp(), entry: view() };
      this.#grants.endWaits(lease, { namespace, key }, result);
      this.#counters.count(COUNTER.leasesShared, waiters);
    }
    records.remove(lease);
  }

  /** Ends the key's lease, if there is one: its Set would be refused. The next waiter gets a new one. */
  void(namespace: string, key: string, nowMs: number): void {
    const lease = this.#records.find(namespace, key);
    if (lease === 0) return;
    this.#counters.count(COUNTER.leasesLost);
    this.#grants.promote(lease, nowMs);
  }

  /**
   * As `void`, for every key with this prefix, at a new revision of the shard. Where there are many leases, waiters get a
   * new one soon, and not at once.
   */
  voidPrefix(namespace: string, prefix: string, nowMs: number): void {
    const { namespaces, walk } = this.#records;
    const { revision } = this.#shard.stamp();
    if (!namespaces.void(namespace, prefix, revision, walk.walkedRevision)) return;
    walk.want(revision, this.#records.oldest());
    this.#ends.advance(nowMs, ENDED_PER_CALL_MAX);
  }

  release(namespace: string, key: string, token: bigint, nowMs: number): boolean {
    const lease = this.#find(namespace, key, token, nowMs);
    if (lease === 0) return false;
    this.#counters.count(COUNTER.leasesReleased);
    this.#grants.promote(lease, nowMs);
    return true;
  }

  /** The holder with this id is gone, and so are its leases. It asks for no more. */
  endHolder(id: number, nowMs: number): void {
    this.#records.holders.end(id);
    this.#ends.advance(nowMs, ENDED_PER_CALL_MAX);
  }

  /**
   * Ends waits and leases that are due, at most `most`. False: there may be more of them. Must come before anything else
   * at a new time.
   */
  endDue(nowMs: number, most = ENDED_PER_CALL_MAX): boolean {
    this.#nowMs = nowMs;
    return this.#records.count === 0 || this.#ends.advance(nowMs, most);
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

  #find(namespace: string, key: string, token: bigint, nowMs: number): number {
    const lease = this.#ends.current(namespace, key, nowMs);
    return lease !== 0 && this.#records.token(lease) === token ? lease : 0;
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
