/**
 * What ends leases and waits beside their callers: time, the end of their holder, and invalidations by prefix.
 *
 * Each call does a bounded part of it. What is not done yet shows nowhere: a lease that is over is ended when its key is
 * asked for or set.
 */
import type { LeaseResult } from "../api/store.ts";
import { COUNTER, type CounterRow } from "../shm/counters.ts";
import type { LeaseGrants } from "./lease-grants.ts";
import type { LeaseRecords } from "./lease-records.ts";

type LeaseEnd = "leasesExpired" | "leasesAbandoned" | "leasesLost";

export class LeaseEnds {
  readonly #records: LeaseRecords;
  readonly #grants: LeaseGrants;
  readonly #counters: CounterRow;

  constructor(records: LeaseRecords, grants: LeaseGrants, counters: CounterRow) {
    this.#records = records;
    this.#grants = grants;
    this.#counters = counters;
  }

  /** The slot of the key's lease, or 0. One that is over goes to the next waiter first. */
  current(namespace: string, key: string, nowMs: number): number {
    const lease = this.#records.find(namespace, key);
    if (lease === 0) return 0;
    const end = this.#endOf(lease, nowMs);
    if (end === undefined) return lease;
    return this.#end(lease, end, nowMs) ? lease : 0;
  }

  /** Ends waits and leases, and visits leases, `most` of them together. False: there may be more to do. */
  advance(nowMs: number, most: number): boolean {
    let left = this.#endWaits(nowMs, most);
    const { due, holders } = this.#records;
    for (; left > 0 && due.nextDueMs() <= nowMs; left--) this.#end(due.first(), "leasesExpired", nowMs);
    for (let holder = holders.ended(); left > 0 && holder !== 0; holder = holders.ended()) {
      this.#end(holders.firstLease(holder), "leasesAbandoned", nowMs);
      left--;
    }
    return this.#walk(nowMs, left) > 0;
  }

  /** Returns what is left of `most`. */
  #endWaits(nowMs: number, most: number): number {
    const records = this.#records;
    const { waiters } = records;
    let left = most;
    let told: { readonly lease: number; readonly held: LeaseResult } | undefined;
    for (; left > 0 && waiters.due.nextDueMs() <= nowMs; left--) {
      const waiter = waiters.due.first();
      const lease = waiters.lease(waiter);
      const { namespace, key } = records.name(lease);
      if (told?.lease === lease) this.#counters.count(COUNTER.leasesHeld);
      else {
        const leftMs = records.expiresAtMs(lease) - nowMs;
        told = { lease, held: this.#grants.held(namespace, key, leftMs, nowMs) };
      }
      this.#grants.endWait(waiter, namespace, key, told.held);
    }
    return left;
  }

  /** Compares leases with the invalidations by prefix. Returns what is left of `most`. */
  #walk(nowMs: number, most: number): number {
    const records = this.#records;
    const { walk } = records;
    let left = most;
    while (walk.upTo !== 0 && left > 0) {
      const lease = walk.at;
      if (lease === 0 || records.issuedAtRevision(lease) >= walk.upTo) {
        walk.finish(records.oldest());
        continue;
      }
      walk.at = records.newer(lease);
      left--;
      if (this.#isVoid(lease)) this.#end(lease, "leasesLost", nowMs);
    }
    return left;
  }

  #endOf(lease: number, nowMs: number): LeaseEnd | undefined {
    const records = this.#records;
    if (records.expiresAtMs(lease) <= nowMs) return "leasesExpired";
    if (records.holders.hasEnded(records.holderOf(lease))) return "leasesAbandoned";
    return this.#isVoid(lease) ? "leasesLost" : undefined;
  }

  #isVoid(lease: number): boolean {
    const records = this.#records;
    const namespace = records.namespaceOf(lease);
    const revision = records.issuedAtRevision(lease);
    if (!records.namespaces.mayBeVoid(namespace, revision)) return false;
    return records.namespaces.isVoid(namespace, revision, () => records.key(lease));
  }

  #end(lease: number, end: LeaseEnd, nowMs: number): boolean {
    this.#counters.count(COUNTER[end]);
    return this.#grants.promote(lease, nowMs);
  }
}
