/**
 * Who gets a lease, and what callers and waiters are told.
 *
 * Room is bounded for each holder and each namespace: a lease beyond is refused to whoever asks for it. When the shard
 * is full, a holder with many leases loses its oldest one to a holder with few.
 */
import type { Rng } from "../../common/random.ts";
import type { EntryView, LeaseCommand, LeaseResult, Stamp } from "../api/store.ts";
import { COUNTER, type CounterRow } from "../shm/counters.ts";
import type { LeaseName, LeaseRecords } from "./lease-records.ts";
import type { WaiterCallbacks } from "./waiter-callbacks.ts";
import type { LeaseLimits } from "./waiter-records.ts";

/** The `retryAfterMs` of a lease that is refused because there is no room for it. */
const REFUSED_RETRY_MS = 100;

/** The id of the holder of whoever names none. */
export const NO_HOLDER = 0;

/** What leases ask their shard. */
export interface LeaseShard {
  stamp(): Stamp;
  /** The entry that may be served while the key is being filled. */
  staleView(namespace: string, key: string, nowMs: number): EntryView | undefined;
}

interface LeaseGrantsParts {
  readonly records: LeaseRecords;
  readonly callbacks: WaiterCallbacks;
  readonly limits: LeaseLimits;
  readonly shard: LeaseShard;
  readonly rng: Rng;
  readonly counters: CounterRow;
}

export class LeaseGrants {
  readonly #records: LeaseRecords;
  readonly #callbacks: WaiterCallbacks;
  readonly #limits: LeaseLimits;
  readonly #shard: LeaseShard;
  readonly #rng: Rng;
  readonly #counters: CounterRow;

  constructor({ records, callbacks, limits, shard, rng, counters }: LeaseGrantsParts) {
    this.#records = records;
    this.#callbacks = callbacks;
    this.#limits = limits;
    this.#shard = shard;
    this.#rng = rng;
    this.#counters = counters;
  }

  /** The lease of a key that has none, or a refusal. */
  grantNew(
    { namespace, key, leaseMs, holder = NO_HOLDER }: LeaseCommand,
    nowMs: number,
    hasStale: boolean,
  ): LeaseResult {
    const { holders, namespaces } = this.#records;
    const count = holders.countOf(holder);
    if (
      count >= this.#limits.leasesOfHolderMax ||
      namespaces.count(namespaces.find(namespace)) >= this.#limits.leasesOfNamespaceMax
    ) {
      return this.refuse(namespace, key, REFUSED_RETRY_MS, nowMs, hasStale);
    }
    const asOf = this.#shard.stamp();
    const token = this.#rng.uint64();
    const grant = { token, issuedAtRevision: asOf.revision, expiresAtMs: nowMs + leaseMs, holder };
    while (this.#records.insert(namespace, key, grant) === 0) {
      const larger = holders.largerThan(count + 1);
      if (larger === 0) return this.refuse(namespace, key, REFUSED_RETRY_MS, nowMs, hasStale);
      this.#displace(holders.firstLease(larger), nowMs);
    }
    return this.#granted(namespace, key, token, asOf, leaseMs, nowMs, hasStale);
  }

  /**
   * A lease has ended: grants the key to the first waiter that may have it. Without one it removes the lease and returns
   * false.
   */
  promote(lease: number, nowMs: number): boolean {
    const records = this.#records;
    const { waiters } = records;
    let waiter = records.firstWaiter(lease);
    if (waiter === 0) {
      records.remove(lease);
      return false;
    }
    const { namespace, key } = records.name(lease);
    for (; waiter !== 0; waiter = records.firstWaiter(lease)) {
      const holder = waiters.holder(waiter);
      if (nowMs >= waiters.deadlineMs(waiter)) {
        this.endWait(
          waiter,
          namespace,
          key,
          this.held(namespace, key, records.expiresAtMs(lease) - nowMs, nowMs),
        );
      } else if (this.#countWithout(lease, holder) >= this.#limits.leasesOfHolderMax) {
        this.endWait(waiter, namespace, key, this.refuse(namespace, key, REFUSED_RETRY_MS, nowMs));
      } else {
        const leaseMs = waiters.leaseMs(waiter);
        const asOf = this.#shard.stamp();
        const token = this.#rng.uint64();
        records.grant(lease, {
          token,
          issuedAtRevision: asOf.revision,
          expiresAtMs: nowMs + leaseMs,
          holder,
        });
        this.endWait(waiter, namespace, key, this.#granted(namespace, key, token, asOf, leaseMs, nowMs));
        return true;
      }
    }
    records.remove(lease);
    return false;
  }

  /** Another caller has the lease for so long. */
  held(namespace: string, key: string, leftMs: number, nowMs: number, hasStale = true): LeaseResult {
    this.#counters.count(COUNTER.leasesHeld);
    return this.#toHeld(namespace, key, leftMs, nowMs, hasStale);
  }

  /** There is no room for the lease, or for the wait. */
  refuse(namespace: string, key: string, retryAfterMs: number, nowMs: number, hasStale = true): LeaseResult {
    this.#counters.count(COUNTER.leasesRefused);
    return this.#toHeld(namespace, key, retryAfterMs, nowMs, hasStale);
  }

  /** Ends the waits for a lease, all with the same result. */
  endWaits(lease: number, { namespace, key }: LeaseName, result: LeaseResult): void {
    for (let left = this.#records.waiterCount(lease); left > 0; left--) {
      this.endWait(this.#records.firstWaiter(lease), namespace, key, result);
    }
  }

  endWait(waiter: number, namespace: string, key: string, result: LeaseResult): void {
    const { waiters } = this.#records;
    const thread = waiters.thread(waiter);
    const wait = waiters.wait(waiter);
    this.#records.removeWaiter(waiter);
    this.#callbacks.decide(thread, wait, namespace, key, result);
  }

  #displace(lease: number, nowMs: number): void {
    this.#counters.count(COUNTER.leasesDisplaced);
    const waiters = this.#records.waiterCount(lease);
    if (waiters > 0) {
      const name = this.#records.name(lease);
      this.#counters.count(COUNTER.leasesRefused, waiters);
      this.endWaits(lease, name, this.#toHeld(name.namespace, name.key, REFUSED_RETRY_MS, nowMs));
    }
    this.#records.remove(lease);
  }

  /** How many leases a holder has, but for this one. */
  #countWithout(lease: number, id: number): number {
    const { holders } = this.#records;
    return holders.countOf(id) - (holders.find(id) === this.#records.holderOf(lease) ? 1 : 0);
  }

  #granted(
    namespace: string,
    key: string,
    token: bigint,
    asOf: Stamp,
    leaseMs: number,
    nowMs: number,
    hasStale = true,
  ): LeaseResult {
    this.#counters.count(COUNTER.leasesGranted);
    const stale = hasStale ? this.#shard.staleView(namespace, key, nowMs) : undefined;
    return { kind: "granted", asOf, token, leaseMs, stale };
  }

  #toHeld(namespace: string, key: string, retryAfterMs: number, nowMs: number, hasStale = true): LeaseResult {
    const stale = hasStale ? this.#shard.staleView(namespace, key, nowMs) : undefined;
    return { kind: "held", asOf: this.#shard.stamp(), retryAfterMs: Math.max(1, retryAfterMs), stale };
  }
}
