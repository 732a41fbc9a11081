/**
 * The namespaces that have leases in a shard, and the invalidations by prefix that some of their leases have not been
 * compared with yet. In shared memory, under the shard's lock.
 *
 * A lease that was granted before such an invalidation, and whose key it covers, is void. It is found to be so when its
 * key is asked for or set, or by the walk of `lease-walk.ts`, after which the invalidation is forgotten. A namespace has
 * few of them at a time: one more voids all its leases from before it, and concerns no other namespace.
 */
import type { FingerprintOf } from "../hashing/fingerprint.ts";
import { RecordMap, recordMapBytes } from "../shm/record-map.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";
import { SlotPool, slotPoolBytes } from "../shm/slot-pool.ts";
import type { LeaseNames } from "./lease-names.ts";

/** `voidBefore`: leases granted before this revision are void. `newest`: the revision of the latest invalidation. */
const CELL = { name: 0, count: 1, voidBefore: 2, newest: 3, firstFence: 4 } as const;
const CELLS = 5;

/** A fence: the next one, the length of its prefix, the prefix's fingerprint, and then its revision. */
const FENCE_BYTES = 32;
const FENCE_WORDS = FENCE_BYTES / 4;
const FENCE_CELLS = FENCE_BYTES / 8;
const WORD = { next: 0, prefixLength: 1, fingerprint: 2 } as const;
const FENCE_CELL = { revision: 3 } as const;
const FINGERPRINT_WORDS = 4;

/** Of one namespace at a time. Each is compared with the key of every lease from before it that is asked for. */
const NAMESPACE_FENCES_MAX = 8;
const FENCES_MAX = 1_024;

export function leaseNamespacesBytes(leasesMax: number): number {
  return (
    alignedBytes(recordMapBytes(leasesMax, CELLS)) + alignedBytes(slotPoolBytes(FENCES_MAX, FENCE_BYTES))
  );
}

/** A namespace is identified by its slot, at least 1, while it has leases. */
export class LeaseNamespaces {
  readonly #fingerprintOf: FingerprintOf;
  readonly #names: LeaseNames;
  readonly #map: RecordMap;
  readonly #pool: SlotPool;
  readonly #words: Uint32Array;
  readonly #cells: Float64Array;

  constructor(region: Region, leasesMax: number, fingerprintOf: FingerprintOf, names: LeaseNames) {
    const cut = createCutter(region.buffer, region.begin);
    this.#fingerprintOf = fingerprintOf;
    this.#names = names;
    this.#map = new RecordMap(cut(recordMapBytes(leasesMax, CELLS)), leasesMax, CELLS);
    const fenceBytes = slotPoolBytes(FENCES_MAX, FENCE_BYTES);
    const fences = cut(fenceBytes);
    this.#pool = new SlotPool(fences, FENCES_MAX, FENCE_BYTES);
    this.#words = new Uint32Array(fences.buffer, fences.begin, fenceBytes / 4);
    this.#cells = new Float64Array(fences.buffer, fences.begin, fenceBytes / 8);
  }

  /** The slot of the namespace, or 0. */
  find(namespace: string): number {
    return this.#map.count === 0 ? 0 : this.#map.find(this.#fingerprintOf(namespace, ""));
  }

  /** How many leases it has. */
  count(slot: number): number {
    return slot === 0 ? 0 : this.#map.number(slot, CELL.count);
  }

  name(slot: number): string {
    return this.#names.read(this.#map.number(slot, CELL.name));
  }

  /** Counts one more lease of the namespace. `found`: what `find` returned. Returns 0 when there is no room for its name. */
  add(namespace: string, found: number): number {
    let slot = found;
    if (slot === 0) {
      const name = this.#names.write(namespace);
      if (name === 0) return 0;
      slot = this.#map.insert(this.#fingerprintOf(namespace, ""));
      this.#map.setNumber(slot, CELL.name, name);
    }
    this.#map.setNumber(slot, CELL.count, this.#map.number(slot, CELL.count) + 1);
    return slot;
  }

  /** Counts one lease less. The namespace is forgotten with its last one. */
  take(slot: number): void {
    const count = this.#map.number(slot, CELL.count) - 1;
    this.#map.setNumber(slot, CELL.count, count);
    if (count > 0) return;
    this.#freeFences(slot);
    this.#names.free(this.#map.number(slot, CELL.name));
    this.#map.remove(slot);
  }

  /**
   * Voids the leases of a namespace that were granted before `revision` and whose keys begin with a prefix. False: the
   * namespace has none. Every lease from before `walkedRevision` was compared with the invalidations up to it.
   */
  void(namespace: string, prefix: string, revision: number, walkedRevision: number): boolean {
    const slot = this.find(namespace);
    if (slot === 0) return false;
    this.#dropWalked(slot, walkedRevision);
    this.#map.setNumber(slot, CELL.newest, revision);
    const isFull = this.#fenceCount(slot) === NAMESPACE_FENCES_MAX;
    const fence = prefix === "" || isFull ? 0 : this.#pool.take();
    if (fence === 0) {
      this.#freeFences(slot);
      this.#map.setNumber(slot, CELL.voidBefore, revision);
      return true;
    }
    const at = fence * FENCE_WORDS;
    this.#words[at + WORD.next] = this.#map.number(slot, CELL.firstFence);
    this.#words[at + WORD.prefixLength] = prefix.length;
    this.#words.set(this.#fingerprintOf("", prefix), at + WORD.fingerprint);
    this.#cells[fence * FENCE_CELLS + FENCE_CELL.revision] = revision;
    this.#map.setNumber(slot, CELL.firstFence, fence);
    return true;
  }

  /** Some invalidation came after a lease that was granted at this revision. */
  mayBeVoid(slot: number, issuedAtRevision: number): boolean {
    return issuedAtRevision < this.#map.number(slot, CELL.newest);
  }

  /** Whether a lease that was granted at this revision is void. Reads `key` only where that depends on it. */
  isVoid(slot: number, issuedAtRevision: number, key: () => string): boolean {
    if (issuedAtRevision < this.#map.number(slot, CELL.voidBefore)) return true;
    let fence = this.#map.number(slot, CELL.firstFence);
    if (fence === 0) return false;
    const text = key();
    // The newest is the first.
    for (; fence !== 0 && issuedAtRevision < this.#revision(fence); fence = this.#word(fence, WORD.next)) {
      if (this.#covers(fence, text)) return true;
    }
    return false;
  }

  #covers(fence: number, key: string): boolean {
    const length = this.#word(fence, WORD.prefixLength);
    if (key.length < length) return false;
    const fingerprint = this.#fingerprintOf("", key.slice(0, length));
    for (let word = 0; word < FINGERPRINT_WORDS; word++) {
      if (fingerprint[word] !== this.#word(fence, WORD.fingerprint + word)) return false;
    }
    return true;
  }

  #fenceCount(slot: number): number {
    let count = 0;
    for (let fence = this.#map.number(slot, CELL.firstFence); fence !== 0; count++) {
      fence = this.#word(fence, WORD.next);
    }
    return count;
  }

  /** Drops the fences up to a revision: every lease from before them was compared with them. */
  #dropWalked(slot: number, revision: number): void {
    let last = 0;
    let fence = this.#map.number(slot, CELL.firstFence);
    for (; fence !== 0 && this.#revision(fence) > revision; fence = this.#word(fence, WORD.next))
      last = fence;
    if (last === 0) this.#map.setNumber(slot, CELL.firstFence, 0);
    else this.#words[last * FENCE_WORDS + WORD.next] = 0;
    while (fence !== 0) {
      const next = this.#word(fence, WORD.next);
      this.#pool.give(fence);
      fence = next;
    }
  }

  #freeFences(slot: number): void {
    this.#dropWalked(slot, Infinity);
  }

  #revision(fence: number): number {
    return this.#cells[fence * FENCE_CELLS + FENCE_CELL.revision] ?? 0;
  }

  #word(fence: number, which: number): number {
    return this.#words[fence * FENCE_WORDS + which] ?? 0;
  }
}
