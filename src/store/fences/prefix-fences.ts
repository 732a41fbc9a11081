/**
 * Invalidations by prefix, until a sweep has removed the entries that they cover.
 *
 * A namespace has a bounded number, so that a read compares its key with few, and all together have a bound too. Beyond,
 * the two fences of a namespace with the longest common prefix become one for that prefix; if they have none in common,
 * the namespace is cleared. Too much of one namespace is invalidated, never too little, and nothing of another.
 *
 * In a region, under the shard's lock.
 */
import type { FenceView } from "../api/store.ts";
import { isShared, type NamespaceTable } from "../namespaces/namespace-table.ts";
import { OwnerLists, ownerListsBytes } from "../namespaces/owner-lists.ts";
import type { MemoryPart } from "../shm/memory-part.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";
import { clear } from "./clears.ts";
import { FenceOrder, fenceOrderBytes, NAMESPACE_FENCES_MAX } from "./fence-order.ts";
import { PREFIX_MAX_BYTES, PrefixSlots, prefixSlotsBytes } from "./prefix-slots.ts";
import { commonLength, fittingPrefix, isBefore, type PrefixFence } from "./prefix-text.ts";
import type { Cover } from "./tag-fences.ts";

export function prefixFencesBytes(maxCount: number, records: number): number {
  return (
    alignedBytes(prefixSlotsBytes(maxCount)) +
    alignedBytes(ownerListsBytes(maxCount, records)) +
    alignedBytes(fenceOrderBytes(records))
  );
}

interface PrefixFencesParts {
  readonly namespaces: NamespaceTable;
  /** Called when two fences became one, or a clear. */
  readonly merged: () => void;
}

export class PrefixFences {
  readonly #parts: PrefixFencesParts;
  readonly #maxCount: number;
  readonly #slots: PrefixSlots;
  readonly #owners: OwnerLists;
  readonly #order: FenceOrder;

  constructor(region: Region, maxCount: number, parts: PrefixFencesParts) {
    const { records } = parts.namespaces;
    const cut = createCutter(region.buffer, region.begin);
    this.#parts = parts;
    this.#maxCount = maxCount;
    this.#slots = new PrefixSlots(cut(prefixSlotsBytes(maxCount)), maxCount);
    this.#owners = new OwnerLists(cut(ownerListsBytes(maxCount, records)), maxCount, parts.namespaces);
    this.#order = new FenceOrder(cut(fenceOrderBytes(records)), records);
  }

  get count(): number {
    return this.#maxCount - this.#slots.freeCount;
  }

  parts(): MemoryPart[] {
    const { touched } = this.#slots;
    const records = this.#parts.namespaces.usedRecords;
    return [...this.#slots.parts(), ...this.#owners.parts(touched), ...this.#order.parts(records)];
  }

  countOf(record: number): number {
    return this.#owners.countOf(record);
  }

  /** `prefix` is empty only in a shared record: a namespace with a record of its own is cleared by its record. */
  raise(record: number, { namespace, prefix, soft, revision, atMs }: PrefixFence): void {
    const fence = {
      namespace: isShared(record) ? namespace : "",
      prefix: fittingPrefix(prefix, PREFIX_MAX_BYTES),
      soft,
      revision,
      atMs,
    };
    const place = this.#placeOf(record, fence);
    this.#dropCovered(record, place, fence);
    const isFull = this.countOf(record) >= NAMESPACE_FENCES_MAX;
    const isMerging = isFull || this.#slots.freeCount === 0;
    if (isFull) this.#merge(record, atMs);
    if (this.#slots.freeCount === 0 && !this.#makeRoom(record, atMs)) {
      this.#clear(record, fence);
      this.#parts.merged();
      return;
    }
    this.#insert(record, isMerging ? this.#placeOf(record, fence) : place, fence);
  }

  cover(record: number, namespace: string, key: string, version: number): Cover {
    const name = isShared(record) ? namespace : "";
    const count = this.countOf(record);
    let cover: Cover = "none";
    for (let place = 0; place < count; place++) {
      const slot = this.#order.slotAt(record, place);
      if (!this.#covers(slot, name, key, version)) continue;
      if (!this.#slots.isSoft(slot)) return "hard";
      cover = "soft";
    }
    return cover;
  }

  /** When the earliest hard fence that covers it was raised; `Infinity`: none covers it. */
  coveredAtMs(record: number, namespace: string, key: string, version: number): number {
    const name = isShared(record) ? namespace : "";
    const count = this.countOf(record);
    let earliest = Infinity;
    for (let place = 0; place < count; place++) {
      const slot = this.#order.slotAt(record, place);
      if (this.#slots.isSoft(slot) || !this.#covers(slot, name, key, version)) continue;
      earliest = Math.min(earliest, this.#slots.atMs(slot));
    }
    return earliest;
  }

  /** Those whose prefix the key has, as fences that cover something of this version or not. */
  about(record: number, namespace: string, key: string, version: number): FenceView[] {
    const name = isShared(record) ? namespace : "";
    return Array.from({ length: this.countOf(record) }, (_, place) => this.#fenceIn(record, place))
      .filter((fence) => fence.namespace === name && key.startsWith(fence.prefix))
      .map(({ prefix, soft, revision }) => ({
        kind: "prefix",
        name: prefix,
        soft,
        revision,
        covers: version < revision,
      }));
  }

  /** Drops the fences raised up to `revision`: no entry is left that they cover. */
  drop(revision: number): void {
    for (let slot = 1; slot <= this.#maxCount && this.count > 0; slot++) {
      const raisedAt = this.#slots.revision(slot);
      if (raisedAt === 0 || raisedAt > revision) continue;
      const record = this.#owners.ownerOf(slot);
      this.#remove(record, this.#order.placeOf(record, slot));
    }
  }

  #covers(slot: number, namespace: string, key: string, version: number): boolean {
    if (version >= this.#slots.revision(slot)) return false;
    const fence = this.#slots.fence(slot);
    return fence.namespace === namespace && key.startsWith(fence.prefix);
  }

  /** The place of the first fence of the record that is not before this one. */
  #placeOf(record: number, fence: PrefixFence): number {
    let low = 0;
    let high = this.countOf(record);
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBefore(this.#fenceIn(record, middle), fence)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Removes the fences of a record that a newer one makes superfluous: they are those from its place on. */
  #dropCovered(record: number, place: number, { namespace, prefix, soft }: PrefixFence): void {
    for (let at = place; at < this.countOf(record); ) {
      const fence = this.#fenceIn(record, at);
      if (fence.namespace !== namespace || !fence.prefix.startsWith(prefix)) return;
      if (fence.soft || !soft) this.#remove(record, at);
      else at++;
    }
  }

  /** Merges two fences of whoever has most. False: nobody has more than one. */
  #makeRoom(causer: number, nowMs: number): boolean {
    const payer = this.#owners.payerFor(causer);
    if (this.countOf(payer) < 2) return false;
    this.#merge(payer, nowMs);
    return true;
  }

  /** Merges the two of at least two fences whose merge covers least: those with the longest common prefix. */
  #merge(record: number, nowMs: number): void {
    const order = this.#order;
    const place = order.mostCommon(record, this.countOf(record));
    const length = order.commonAt(record, place);
    const one = this.#fenceIn(record, place - 1);
    const other = this.#fenceIn(record, place);
    const merged = {
      namespace: one.namespace,
      prefix: one.prefix.slice(0, Math.max(0, length)),
      soft: one.soft && other.soft,
      revision: Math.max(one.revision, other.revision),
      atMs: nowMs,
    };
    this.#parts.merged();
    this.#remove(record, place);
    if (length < 0 || (length === 0 && !isShared(record))) {
      this.#remove(record, place - 1);
      this.#clear(record, merged);
      return;
    }
    this.#slots.shorten(order.slotAt(record, place - 1), merged);
    order.shorten(record, this.countOf(record), place - 1, length);
  }

  #clear(record: number, { soft, revision, atMs }: PrefixFence): void {
    clear(this.#parts.namespaces, record, soft, revision, atMs);
  }

  #insert(record: number, place: number, fence: PrefixFence): void {
    const count = this.countOf(record);
    const before = place === 0 ? 0 : commonLength(fence, this.#fenceIn(record, place - 1));
    const after = place === count ? 0 : commonLength(fence, this.#fenceIn(record, place));
    const slot = this.#slots.add(fence);
    this.#order.insert(record, count, place, slot, before, after);
    this.#owners.add(slot, record);
  }

  #remove(record: number, place: number): void {
    const slot = this.#order.slotAt(record, place);
    this.#order.remove(record, this.countOf(record), place);
    this.#owners.remove(slot);
    this.#slots.remove(slot);
  }

  #fenceIn(record: number, place: number): PrefixFence {
    return this.#slots.fence(this.#order.slotAt(record, place));
  }
}
