/** The leases of a shard as records in shared memory. The rules of leases are in `leases.ts`. */

import type { FingerprintOf } from "../hashing/fingerprint.ts";
import { RecordMap, recordMapBytes } from "../shm/record-map.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";
import { DueHeap, dueHeapBytes } from "./due-heap.ts";
import { LeaseHolders, leaseHoldersBytes } from "./lease-holders.ts";
import { LeaseNames, leaseNamesBytes } from "./lease-names.ts";
import { LeaseNamespaces, leaseNamespacesBytes } from "./lease-namespaces.ts";

import { RecordRing } from "./record-ring.ts";
import { type LeaseLimits, type NewWaiter, WaiterRecords, waiterRecordsBytes } from "./waiter-records.ts";
import { WALK_STATE_BYTES, WalkState } from "./walk-state.ts";

/** 8-byte cells of a lease. */
const CELL = {
  token: 0,
  issuedAtRevision: 1,
  expiresAtMs: 2,
  namespace: 3,
  key: 4,
  firstWaiter: 5,
  waiterCount: 6,
  holder: 7,
  /** In the list of its holder. */
  previous: 8,
} as const;
const CELLS = 10;

export interface LeaseName {
  readonly namespace: string;
  readonly key: string;
}

interface Grant {
  readonly token: bigint;
  readonly issuedAtRevision: number;
  readonly expiresAtMs: number;
  /** The id of who has it. */
  readonly holder: number;
}

const sizesOf = (limits: LeaseLimits) => ({
  map: recordMapBytes(limits.leasesMax, CELLS),
  due: dueHeapBytes(limits.leasesMax),
  names: leaseNamesBytes(limits.leasesMax),
  namespaces: leaseNamespacesBytes(limits.leasesMax),
  holders: leaseHoldersBytes(limits.leasesMax),
  walk: WALK_STATE_BYTES,
  waiters: waiterRecordsBytes(limits),
});

export function leaseRecordsBytes(limits: LeaseLimits): number {
  return Object.values(sizesOf(limits)).reduce((sum, bytes) => sum + alignedBytes(bytes), 0);
}

/** A lease is identified by its slot, at least 1, from its insertion to its removal. */
export class LeaseRecords {
  readonly #limits: LeaseLimits;
  readonly #fingerprintOf: FingerprintOf;
  readonly #map: RecordMap;
  readonly #names: LeaseNames;
  readonly #ring: RecordRing;
  /** In the order of their ends. For reading: the records keep it. */
  readonly due: DueHeap;
  /** For reading, as the following are, but for what ends a holder or voids leases. */
  readonly holders: LeaseHolders;
  readonly namespaces: LeaseNamespaces;
  readonly walk: WalkState;
  /** Only `addWaiter` and `removeWaiter` change the lists. */
  readonly waiters: WaiterRecords;

  constructor(region: Region, limits: LeaseLimits, fingerprintOf: FingerprintOf) {
    if (region.bytes < leaseRecordsBytes(limits))
      throw new RangeError("the region is too small for the leases");
    const { leasesMax } = limits;
    const sizes = sizesOf(limits);
    const cut = createCutter(region.buffer, region.begin);
    this.#limits = limits;
    this.#fingerprintOf = fingerprintOf;
    this.#map = new RecordMap(cut(sizes.map), leasesMax, CELLS);
    this.#ring = new RecordRing(this.#map, CELL.previous);
    this.due = new DueHeap(cut(sizes.due), leasesMax, (slot) => this.expiresAtMs(slot));
    this.#names = new LeaseNames(cut(sizes.names), leasesMax);
    this.namespaces = new LeaseNamespaces(cut(sizes.namespaces), leasesMax, fingerprintOf, this.#names);
    this.holders = new LeaseHolders(cut(sizes.holders), leasesMax);
    this.walk = new WalkState(cut(sizes.walk));
    this.waiters = new WaiterRecords(cut(sizes.waiters), limits);
  }

  get count(): number {
    return this.#map.count;
  }

  /** The slot, or 0. */
  find(namespace: string, key: string): number {
    return this.#map.count === 0 ? 0 : this.#map.find(this.#fingerprintOf(namespace, key));
  }

  /** Adds a lease for a key that has none. Returns its slot, or 0 when there is no room. */
  insert(namespace: string, key: string, grant: Grant): number {
    if (this.#map.count >= this.#limits.leasesMax) return 0;
    const keyName = this.#names.write(key);
    if (keyName === 0) return 0;
    const namespaceSlot = this.namespaces.add(namespace, this.namespaces.find(namespace));
    if (namespaceSlot === 0) {
      this.#names.free(keyName);
      return 0;
    }
    const slot = this.#map.insert(this.#fingerprintOf(namespace, key));
    this.#map.setNumber(slot, CELL.namespace, namespaceSlot);
    this.#map.setNumber(slot, CELL.key, keyName);
    this.#hold(slot, grant.holder);
    this.#write(slot, grant);
    this.due.add(slot);
    return slot;
  }

  /** Makes it a new lease, the newest one, which keeps its waiters. */
  grant(slot: number, grant: Grant): void {
    this.#pass(slot);
    this.#map.moveToNewest(slot);
    this.#release(slot);
    this.#hold(slot, grant.holder);
    this.#write(slot, grant);
    this.due.moved(slot);
  }

  /** Removes a lease without waiters. */
  remove(slot: number): void {
    this.#pass(slot);
    this.#release(slot);
    this.due.remove(slot);
    this.#names.free(this.#map.number(slot, CELL.key));
    this.namespaces.take(this.namespaceOf(slot));
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

  name(slot: number): LeaseName {
    return { namespace: this.namespaces.name(this.namespaceOf(slot)), key: this.key(slot) };
  }

  key(slot: number): string {
    return this.#names.read(this.#map.number(slot, CELL.key));
  }

  /** Its slot in `namespaces`. */
  namespaceOf(slot: number): number {
    return this.#map.number(slot, CELL.namespace);
  }

  /** Its slot in `holders`. */
  holderOf(slot: number): number {
    return this.#map.number(slot, CELL.holder);
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

  /** The slot of the waiter that came first, or 0. */
  firstWaiter(slot: number): number {
    return this.#map.number(slot, CELL.firstWaiter);
  }

  waiterCount(slot: number): number {
    return this.#map.number(slot, CELL.waiterCount);
  }

  /** Returns the slot of the waiter, or 0 when there is no room for it. */
  addWaiter(waiter: NewWaiter): number {
    const { lease } = waiter;
    if (this.waiterCount(lease) >= this.#limits.waitersMax) return 0;
    const first = this.firstWaiter(lease);
    const slot = this.waiters.append(first, waiter);
    if (slot === 0) return 0;
    if (first === 0) this.#map.setNumber(lease, CELL.firstWaiter, slot);
    this.#map.setNumber(lease, CELL.waiterCount, this.waiterCount(lease) + 1);
    return slot;
  }

  removeWaiter(waiter: number): void {
    const lease = this.waiters.lease(waiter);
    this.#map.setNumber(lease, CELL.firstWaiter, this.waiters.remove(this.firstWaiter(lease), waiter));
    this.#map.setNumber(lease, CELL.waiterCount, this.waiterCount(lease) - 1);
  }

  /** The walk does not stand at a lease that leaves its place. */
  #pass(slot: number): void {
    if (this.walk.at === slot) this.walk.at = this.newer(slot);
  }

  #write(slot: number, { token, issuedAtRevision, expiresAtMs }: Grant): void {
    this.#map.setBigint(slot, CELL.token, token);
    this.#map.setNumber(slot, CELL.issuedAtRevision, issuedAtRevision);
    this.#map.setNumber(slot, CELL.expiresAtMs, expiresAtMs);
  }

  #hold(slot: number, id: number): void {
    const holder = this.holders.add(id);
    this.#map.setNumber(slot, CELL.holder, holder);
    this.holders.setFirstLease(holder, this.#ring.append(this.holders.firstLease(holder), slot));
  }

  #release(slot: number): void {
    const holder = this.holderOf(slot);
    this.holders.setFirstLease(holder, this.#ring.remove(this.holders.firstLease(holder), slot));
    this.holders.take(holder);
  }
}
