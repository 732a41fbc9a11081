/** The leases of a shard as records in shared memory. The rules of leases are in `leases.ts`. */

import type { FingerprintOf } from "../hashing/fingerprint.ts";
import { RecordMap, recordMapBytes } from "../shm/record-map.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";
import { LeaseKeys, type LeaseName, leaseKeysBytes } from "./lease-keys.ts";
import { type LeaseLimits, type NewWaiter, WaiterRecords, waiterRecordsBytes } from "./waiter-records.ts";

/** 8-byte cells of a lease. */
const CELL = {
  token: 0,
  issuedAtRevision: 1,
  expiresAtMs: 2,
  dueMs: 3,
  text: 4,
  firstWaiter: 5,
  waiterCount: 6,
} as const;
const CELLS = 7;

/** One number of all leases together: `nextDueMs`. */
const SHARED_BYTES = 8;

export function leaseRecordsBytes(limits: LeaseLimits): number {
  return [
    SHARED_BYTES,
    recordMapBytes(limits.leasesMax, CELLS),
    leaseKeysBytes(limits.leasesMax),
    waiterRecordsBytes(limits),
  ].reduce((sum, bytes) => sum + alignedBytes(bytes), 0);
}

/** A lease is identified by its slot, at least 1, from its insertion to its removal. */
export class LeaseRecords {
  readonly #limits: LeaseLimits;
  readonly #fingerprintOf: FingerprintOf;
  readonly #shared: Float64Array;
  readonly #map: RecordMap;
  readonly #text: LeaseKeys;
  /** For reading. Only `addWaiter` and `removeWaiter` change the lists. */
  readonly waiters: WaiterRecords;

  constructor(region: Region, limits: LeaseLimits, fingerprintOf: FingerprintOf) {
    if (region.bytes < leaseRecordsBytes(limits))
      throw new RangeError("the region is too small for the leases");
    const cut = createCutter(region.buffer, region.begin);
    this.#limits = limits;
    this.#fingerprintOf = fingerprintOf;
    this.#shared = new Float64Array(region.buffer, cut(SHARED_BYTES).begin, 1);
    this.#map = new RecordMap(cut(recordMapBytes(limits.leasesMax, CELLS)), limits.leasesMax, CELLS);
    this.#text = new LeaseKeys(cut(leaseKeysBytes(limits.leasesMax)), limits.leasesMax);
    this.waiters = new WaiterRecords(cut(waiterRecordsBytes(limits)), limits);
  }

  get count(): number {
    return this.#map.count;
  }

  /** No lease and no wait is due before this time; 0 when there is none. */
  get nextDueMs(): number {
    return this.#shared[0] ?? 0;
  }

  set nextDueMs(dueMs: number) {
    this.#shared[0] = dueMs;
  }

  /** The slot, or 0. */
  find(namespace: string, key: string): number {
    return this.#map.count === 0 ? 0 : this.#map.find(this.#fingerprintOf(namespace, key));
  }

  /** Adds a lease for a key that has none, to be granted next. Returns its slot, or 0 when there is no room. */
  insert(namespace: string, key: string): number {
    if (this.#map.count >= this.#limits.leasesMax) return 0;
    const text = this.#text.write(namespace, key);
    if (text === 0) return 0;
    const slot = this.#map.insert(this.#fingerprintOf(namespace, key));
    this.#map.setNumber(slot, CELL.text, text);
    this.#map.setNumber(slot, CELL.dueMs, Infinity);
    return slot;
  }

  /** Removes the lease and all its waiters. */
  remove(slot: number): void {
    while (this.firstWaiter(slot) !== 0) this.removeWaiter(this.firstWaiter(slot));
    this.#text.free(this.#map.number(slot, CELL.text));
    this.#map.remove(slot);
  }

  /** The slot of the lease that was granted first, or 0. */
  oldest(): number {
    return this.#map.oldest();
  }

  /** The slot of the lease that was granted next, or 0. */
  newer(slot: number): number {
    return this.#map.newer(slot);
  }

  /** Makes it a new lease, the newest one, which keeps its waiters. */
  grant(slot: number, token: bigint, issuedAtRevision: number, expiresAtMs: number): void {
    this.#map.setBigint(slot, CELL.token, token);
    this.#map.setNumber(slot, CELL.issuedAtRevision, issuedAtRevision);
    this.#map.setNumber(slot, CELL.expiresAtMs, expiresAtMs);
    this.#map.moveToNewest(slot);
    this.#noteDue(slot, expiresAtMs);
  }

  name(slot: number): LeaseName {
    return this.#text.read(this.#map.number(slot, CELL.text));
  }

  /** The slots of the leases of a namespace whose keys begin with a prefix, in the order of their grants. */
  matching(namespace: string, prefix: string): number[] {
    const slots: number[] = [];
    if (this.#map.count === 0) return slots;
    const matches = this.#text.matcher(namespace, prefix);
    for (let slot = this.#map.oldest(); slot !== 0; slot = this.#map.newer(slot)) {
      if (matches(this.#map.number(slot, CELL.text))) slots.push(slot);
    }
    return slots;
  }

  token(slot: number): bigint {
    return this.#map.bigint(slot, CELL.token);
  }

  issuedAtRevision(slot: number): number {
    return this.#map.number(slot, CELL.issuedAtRevision);
  }

  expiresAtMs(slot: number): number {
    return this.#map.number(slot, CELL.expiresAtMs);
  }

  /** Neither the lease nor one of its waits is due before this time. */
  dueMs(slot: number): number {
    return this.#map.number(slot, CELL.dueMs);
  }

  /** Computes `dueMs` anew, exactly. */
  updateDue(slot: number): void {
    let dueMs = this.expiresAtMs(slot);
    let waiter = this.firstWaiter(slot);
    for (let left = this.waiterCount(slot); left > 0; left--) {
      dueMs = Math.min(dueMs, this.waiters.deadlineMs(waiter));
      waiter = this.waiters.next(waiter);
    }
    this.#map.setNumber(slot, CELL.dueMs, dueMs);
  }

  /** The slot of the waiter that came first, or 0. */
  firstWaiter(slot: number): number {
    return this.#map.number(slot, CELL.firstWaiter);
  }

  waiterCount(slot: number): number {
    return this.#map.number(slot, CELL.waiterCount);
  }

  /** Returns the slot of the waiter, or 0 when there is no room for it. */
  addWaiter(waiter: NewWaiter): number {
    const { lease, deadlineMs } = waiter;
    if (this.waiterCount(lease) >= this.#limits.waitersMax) return 0;
    const first = this.firstWaiter(lease);
    const slot = this.waiters.append(first, waiter);
    if (slot === 0) return 0;
    if (first === 0) this.#map.setNumber(lease, CELL.firstWaiter, slot);
    this.#map.setNumber(lease, CELL.waiterCount, this.waiterCount(lease) + 1);
    this.#noteDue(lease, deadlineMs);
    return slot;
  }

  removeWaiter(waiter: number): void {
    const lease = this.waiters.lease(waiter);
    this.#map.setNumber(lease, CELL.firstWaiter, this.waiters.remove(this.firstWaiter(lease), waiter));
    this.#map.setNumber(lease, CELL.waiterCount, this.waiterCount(lease) - 1);
  }

  #noteDue(slot: number, dueMs: number): void {
    if (dueMs < this.dueMs(slot)) this.#map.setNumber(slot, CELL.dueMs, dueMs);
    if (this.nextDueMs === 0 || dueMs < this.nextDueMs) this.nextDueMs = dueMs;
  }
}
