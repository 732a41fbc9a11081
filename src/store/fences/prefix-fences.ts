/**
 * Invalidations by prefix, until a sweep has removed the entries that they cover.
 *
 * A namespace has a bounded number, so that a read compares its key with few, and all together have a bound too. Beyond,
 * the two fences of a namespace with the longest common prefix become one for that prefix; if they have none in common,
 * the namespace is cleared. Too much of one namespace is invalidated, never too little, and nothing of another.
 *
 * In a region, under the shard's lock. Each thread remembers the prefixes that it has decoded.
 */
import { NAMESPACE_LIMIT_BYTES } from "../../common/name-limits.ts";
import type { NamespaceTable } from "../namespaces/namespace-table.ts";
import { OwnerLists, ownerListsBytes } from "../namespaces/owner-lists.ts";
import { Cells, cellsBytes } from "../shm/cells.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";
import { SlotPool, slotPoolBytes } from "../shm/slot-pool.ts";
import { clear } from "./clears.ts";
import { commonPrefix, fittingPrefix, mergeOf, type PrefixFence, type StoredFence } from "./prefix-merge.ts";
import type { Cover } from "./tag-fences.ts";

/** The most fences that a read is compared with. */
export const NAMESPACE_FENCES_MAX = 32;
/** A longer prefix is cut to this: its fence covers more. */
const PREFIX_MAX_BYTES = 1_024;

/** Cells of a fence before its text. The first belongs to the pool while the slot is free. */
const GENERATION_CELL = 1;
const REVISION_CELL = 2;
const AT_MS_CELL = 3;
const SOFT_CELL = 4;
const NAMESPACE_BYTES_CELL = 5;
const PREFIX_BYTES_CELL = 6;
const HEAD_BYTES = cellsBytes(7);
const SLOT_BYTES = HEAD_BYTES + Math.ceil((NAMESPACE_LIMIT_BYTES + PREFIX_MAX_BYTES) / 8) * 8;
const SLOT_CELLS = SLOT_BYTES / cellsBytes(1);

export function prefixFencesBytes(maxCount: number, records: number): number {
  return alignedBytes(slotPoolBytes(maxCount, SLOT_BYTES)) + alignedBytes(ownerListsBytes(maxCount, records));
}

interface PrefixFencesParts {
  readonly namespaces: NamespaceTable;
  /** Called when two fences became one, or a clear. */
  readonly merged: () => void;
}

export class PrefixFences {
  readonly #parts: PrefixFencesParts;
  readonly #maxCount: number;
  readonly #pool: SlotPool;
  readonly #cells: Cells;
  readonly #text: Buffer;
  readonly #owners: OwnerLists;
  /** By slot. */
  readonly #decoded: { readonly generation: number; readonly fence: PrefixFence }[] = [];

  constructor(region: Region, maxCount: number, parts: PrefixFencesParts) {
    const cut = createCutter(region.buffer, region.begin);
    const slots = cut(slotPoolBytes(maxCount, SLOT_BYTES));
    this.#parts = parts;
    this.#maxCount = maxCount;
    this.#pool = new SlotPool(slots, maxCount, SLOT_BYTES);
    this.#cells = new Cells(slots);
    this.#text = Buffer.from(slots.buffer, slots.begin, slots.bytes);
    const owners = cut(ownerListsBytes(maxCount, parts.namespaces.records));
    this.#owners = new OwnerLists(owners, maxCount, parts.namespaces);
  }

  get count(): number {
    return this.#maxCount - this.#pool.freeCount;
  }

  countOf(record: number): number {
    return this.#owners.countOf(record);
  }

  /** `prefix` is empty only in a shared record: a namespace with a record of its own is cleared by its record. */
  raise(record: number, fence: PrefixFence): void {
    const fitting = { ...fence, prefix: fittingPrefix(fence.prefix, PREFIX_MAX_BYTES) };
    this.#dropCovered(record, fitting);
    if (this.#owners.countOf(record) >= NAMESPACE_FENCES_MAX) this.#merge(record, fence.atMs);
    if (this.#pool.freeCount === 0 && !this.#makeRoom(record, fence.atMs)) {
      this.#clear(record, fence);
      this.#parts.merged();
      return;
    }
    this.#write(record, fitting);
  }

  cover(record: number, namespace: string, key: string, version: number): Cover {
    let cover: Cover = "none";
    for (let slot = this.#owners.oldestOf(record); slot !== 0; slot = this.#owners.newer(slot)) {
      if (!this.#covers(slot, namespace, key, version)) continue;
      if (this.#number(slot, SOFT_CELL) === 0) return "hard";
      cover = "soft";
    }
    return cover;
  }

  /** When the earliest hard fence that covers it was raised; `Infinity`: none covers it. */
  coveredAtMs(record: number, namespace: string, key: string, version: number): number {
    let earliest = Infinity;
    for (let slot = this.#owners.oldestOf(record); slot !== 0; slot = this.#owners.newer(slot)) {
      if (this.#number(slot, SOFT_CELL) === 1 || !this.#covers(slot, namespace, key, version)) continue;
      earliest = Math.min(earliest, this.#number(slot, AT_MS_CELL));
    }
    return earliest;
  }

  /** Drops the fences raised up to `revision`: no entry is left that they cover. */
  drop(revision: number): void {
    if (this.count === 0) return;
    for (let record = 0; record < this.#parts.namespaces.records; record++) {
      this.#remove(record, (slot) => this.#number(slot, REVISION_CELL) <= revision);
    }
  }

  #covers(slot: number, namespace: string, key: string, version: number): boolean {
    if (version >= this.#number(slot, REVISION_CELL)) return false;
    const fence = this.#fenceAt(slot);
    return fence.namespace === namespace && key.startsWith(fence.prefix);
  }

  /** Removes the fences of a record that a newer one makes superfluous. */
  #dropCovered(record: number, { namespace, prefix, soft }: PrefixFence): void {
    this.#remove(record, (slot) => {
      const fence = this.#fenceAt(slot);
      return fence.namespace === namespace && fence.prefix.startsWith(prefix) && (fence.soft || !soft);
    });
  }

  #remove(record: number, isOver: (slot: number) => boolean): void {
    for (let slot = this.#owners.oldestOf(record); slot !== 0; ) {
      const next = this.#owners.newer(slot);
      if (isOver(slot)) this.#free(slot);
      slot = next;
    }
  }

  /** Merges two fences of whoever has most. False: nobody has more than one. */
  #makeRoom(causer: number, nowMs: number): boolean {
    const payer = this.#owners.payerFor(causer);
    if (this.#owners.countOf(payer) < 2) return false;
    this.#merge(payer, nowMs);
    return true;
  }

  #merge(record: number, nowMs: number): void {
    const fences: StoredFence[] = [];
    for (let slot = this.#owners.oldestOf(record); slot !== 0; slot = this.#owners.newer(slot)) {
      fences.push({ slot, fence: this.#fenceAt(slot) });
    }
    const [one, other] = mergeOf(fences);
    const prefix = commonPrefix(one.fence, other.fence);
    const merged = {
      namespace: one.fence.namespace,
      prefix: prefix ?? "",
      soft: one.fence.soft && other.fence.soft,
      revision: Math.max(one.fence.revision, other.fence.revision),
      atMs: nowMs,
    };
    this.#parts.merged();
    this.#free(one.slot);
    this.#free(other.slot);
    const isOwn = this.#parts.namespaces.nameOf(record) !== undefined;
    if (prefix === undefined || (isOwn && prefix === "")) this.#clear(record, merged);
    else this.#write(record, merged);
  }

  #clear(record: number, { soft, revision, atMs }: PrefixFence): void {
    clear(this.#parts.namespaces, record, soft, revision, atMs);
  }

  #write(record: number, fence: PrefixFence): void {
    const slot = this.#pool.take();
    const begin = slot * SLOT_BYTES + HEAD_BYTES;
    const namespaceBytes = this.#text.write(fence.namespace, begin);
    const generation = this.#number(slot, GENERATION_CELL) + 1;
    this.#set(slot, GENERATION_CELL, generation);
    this.#set(slot, REVISION_CELL, fence.revision);
    this.#set(slot, AT_MS_CELL, fence.atMs);
    this.#set(slot, SOFT_CELL, fence.soft ? 1 : 0);
    this.#set(slot, NAMESPACE_BYTES_CELL, namespaceBytes);
    this.#set(slot, PREFIX_BYTES_CELL, this.#text.write(fence.prefix, begin + namespaceBytes));
    this.#decoded[slot] = { generation, fence };
    this.#owners.add(slot, record);
  }

  #free(slot: number): void {
    this.#owners.remove(slot);
    this.#pool.give(slot);
  }

  #fenceAt(slot: number): PrefixFence {
    const generation = this.#number(slot, GENERATION_CELL);
    const known = this.#decoded[slot];
    if (known?.generation === generation) return known.fence;
    const begin = slot * SLOT_BYTES + HEAD_BYTES;
    const prefixBegin = begin + this.#number(slot, NAMESPACE_BYTES_CELL);
    const fence = {
      namespace: this.#text.toString("utf8", begin, prefixBegin),
      prefix: this.#text.toString("utf8", prefixBegin, prefixBegin + this.#number(slot, PREFIX_BYTES_CELL)),
      soft: this.#number(slot, SOFT_CELL) === 1,
      revision: this.#number(slot, REVISION_CELL),
      atMs: this.#number(slot, AT_MS_CELL),
    };
    this.#decoded[slot] = { generation, fence };
    return fence;
  }

  #number(slot: number, cell: number): number {
    return this.#cells.get(slot * SLOT_CELLS + cell);
  }

  #set(slot: number, cell: number, value: number): void {
    this.#cells.set(slot * SLOT_CELLS + cell, value);
  }
}
