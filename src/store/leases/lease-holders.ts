/**
 * Who has leases of a shard, and how many: a record for each holder with at least one, in shared memory.
 *
 * Holders are in lists by the power of two that their number of leases reaches, so one of the largest is found without a
 * search. A holder that has ended is in a list of its own until its leases have ended too.
 */
import { Cells, cellsBytes } from "../shm/cells.ts";
import { RecordMap, recordMapBytes } from "../shm/record-map.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";
import { RecordRing } from "./record-ring.ts";

const CELL = { count: 0, firstLease: 1, hasEnded: 2, previous: 3 } as const;
const CELLS = 5;

/** Lists of holders: those that have ended, and then those with 1, 2 to 3, 4 to 7 … leases. */
const ENDED_LIST = 0;
const LISTS = 33;

export function leaseHoldersBytes(leasesMax: number): number {
  return alignedBytes(cellsBytes(LISTS)) + alignedBytes(recordMapBytes(leasesMax, CELLS));
}

/** A holder is identified by its slot, at least 1, while it has leases. */
export class LeaseHolders {
  readonly #firsts: Cells;
  readonly #map: RecordMap;
  readonly #ring: RecordRing;
  readonly #words = new Uint32Array(4);

  constructor(region: Region, leasesMax: number) {
    const cut = createCutter(region.buffer, region.begin);
    this.#firsts = new Cells(cut(cellsBytes(LISTS)));
    this.#map = new RecordMap(cut(recordMapBytes(leasesMax, CELLS)), leasesMax, CELLS);
    this.#ring = new RecordRing(this.#map, CELL.previous);
  }

  /** How many leases the holder with this id has. */
  countOf(id: number): number {
    const holder = this.find(id);
    return holder === 0 ? 0 : this.#count(holder);
  }

  /** The slot of the holder with this id, or 0. */
  find(id: number): number {
    return this.#map.count === 0 ? 0 : this.#map.find(this.#fingerprintOf(id));
  }

  /** The first of the holder's leases, in the order of their grants. */
  firstLease(holder: number): number {
    return this.#map.number(holder, CELL.firstLease);
  }

  setFirstLease(holder: number, lease: number): void {
    this.#map.setNumber(holder, CELL.firstLease, lease);
  }

  hasEnded(holder: number): boolean {
    return this.#map.number(holder, CELL.hasEnded) !== 0;
  }

  /** Counts one more lease of the holder with this id. Returns its slot. */
  add(id: number): number {
    let holder = this.find(id);
    if (holder === 0) {
      holder = this.#map.insert(this.#fingerprintOf(id));
      this.#map.setNumber(holder, CELL.count, 1);
      this.#enlist(holder, listOf(1));
    } else this.#changeCount(holder, 1);
    return holder;
  }

  /** Counts one lease less. The holder is forgotten with its last one. */
  take(holder: number): void {
    if (this.#count(holder) > 1) {
      this.#changeCount(holder, -1);
      return;
    }
    this.#delist(holder, this.#listOf(holder));
    this.#map.remove(holder);
  }

  /** The holder with this id has ended, and so have its leases. */
  end(id: number): void {
    const holder = this.find(id);
    if (holder === 0 || this.hasEnded(holder)) return;
    this.#delist(holder, this.#listOf(holder));
    this.#map.setNumber(holder, CELL.hasEnded, 1);
    this.#enlist(holder, ENDED_LIST);
  }

  /** A holder that has ended and still has leases here, or 0. */
  ended(): number {
    return this.#firsts.get(ENDED_LIST);
  }

  /** A holder whose number of leases reaches a higher power of two than `count` does, the highest; 0: there is none. */
  largerThan(count: number): number {
    for (let list = LISTS - 1; list > listOf(count); list--) {
      const holder = this.#firsts.get(list);
      if (holder !== 0) return holder;
    }
    return 0;
  }

  /** Ids are numbers that the store gives out one after the other: they need no hash. */
  #fingerprintOf(id: number): Uint32Array {
    this.#words[0] = id;
    return this.#words;
  }

  #count(holder: number): number {
    return this.#map.number(holder, CELL.count);
  }

  #listOf(holder: number): number {
    return this.hasEnded(holder) ? ENDED_LIST : listOf(this.#count(holder));
  }

  #changeCount(holder: number, by: number): void {
    const before = this.#listOf(holder);
    this.#map.setNumber(holder, CELL.count, this.#count(holder) + by);
    const after = this.#listOf(holder);
    if (before === after) return;
    this.#delist(holder, before);
    this.#enlist(holder, after);
  }

  #enlist(holder: number, list: number): void {
    this.#firsts.set(list, this.#ring.append(this.#firsts.get(list), holder));
  }

  #delist(holder: number, list: number): void {
    this.#firsts.set(list, this.#ring.remove(this.#firsts.get(list), holder));
  }
}

/** 1 for one lease, 2 for 2 to 3, 3 for 4 to 7 and so on. */
function listOf(count: number): number {
  return 32 - Math.clz32(count);
}
