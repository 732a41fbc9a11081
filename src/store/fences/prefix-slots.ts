/**
 * Fences of prefixes as records in shared memory: numbers, and a text. In a region, under the shard's lock. Each thread
 * remembers what it has decoded.
 */
import { NAMESPACE_LIMIT_BYTES } from "../../common/name-limits.ts";
import { Cells, cellsBytes } from "../shm/cells.ts";
import type { MemoryPart } from "../shm/memory-part.ts";
import type { Region } from "../shm/region.ts";
import { SlotPool, slotPoolBytes } from "../shm/slot-pool.ts";
import type { PrefixFence } from "./prefix-text.ts";

/** A longer prefix does not fit. */
export const PREFIX_MAX_BYTES = 1_024;

/** Cells of a fence before its text. The first belongs to the pool while the slot is free. */
const GENERATION_CELL = 1;
/** 0: the slot is free. */
const REVISION_CELL = 2;
const AT_MS_CELL = 3;
const SOFT_CELL = 4;
const NAMESPACE_BYTES_CELL = 5;
const PREFIX_BYTES_CELL = 6;
const HEAD_BYTES = cellsBytes(7);
const SLOT_BYTES = HEAD_BYTES + Math.ceil((NAMESPACE_LIMIT_BYTES + PREFIX_MAX_BYTES) / 8) * 8;
const SLOT_CELLS = SLOT_BYTES / cellsBytes(1);

export function prefixSlotsBytes(maxCount: number): number {
  return slotPoolBytes(maxCount, SLOT_BYTES);
}

/** A fence is identified by its slot, at least 1. */
export class PrefixSlots {
  readonly #pool: SlotPool;
  readonly #cells: Cells;
  readonly #text: Buffer;
  /** By slot. */
  readonly #decoded: { readonly generation: number; readonly fence: PrefixFence }[] = [];

  constructor(region: Region, maxCount: number) {
    this.#pool = new SlotPool(region, maxCount, SLOT_BYTES);
    this.#cells = new Cells(region);
    this.#text = Buffer.from(region.buffer, region.begin, region.bytes);
  }

  get freeCount(): number {
    return this.#pool.freeCount;
  }

  get touched(): number {
    return this.#pool.touched;
  }

  parts(): MemoryPart[] {
    return this.#pool.parts();
  }

  /** Takes a free slot for a fence. There must be one. */
  add(fence: PrefixFence): number {
    const slot = this.#pool.take();
    const begin = slot * SLOT_BYTES + HEAD_BYTES;
    const namespaceBytes = fence.namespace === "" ? 0 : this.#text.write(fence.namespace, begin);
    this.#write(slot, fence);
    this.#set(slot, NAMESPACE_BYTES_CELL, namespaceBytes);
    this.#set(slot, PREFIX_BYTES_CELL, this.#text.write(fence.prefix, begin + namespaceBytes));
    return slot;
  }

  /** Replaces a fence by one of the same namespace whose prefix is the beginning of its prefix. */
  shorten(slot: number, fence: PrefixFence): void {
    this.#write(slot, fence);
    this.#set(slot, PREFIX_BYTES_CELL, Buffer.byteLength(fence.prefix));
  }

  remove(slot: number): void {
    this.#set(slot, REVISION_CELL, 0);
    this.#pool.give(slot);
  }

  fence(slot: number): PrefixFence {
    const generation = this.#number(slot, GENERATION_CELL);
    const known = this.#decoded[slot];
    if (known?.generation === generation) return known.fence;
    const begin = slot * SLOT_BYTES + HEAD_BYTES;
    const prefixBegin = begin + this.#number(slot, NAMESPACE_BYTES_CELL);
    const fence = {
      namespace: this.#text.toString("utf8", begin, prefixBegin),
      prefix: this.#text.toString("utf8", prefixBegin, prefixBegin + this.#number(slot, PREFIX_BYTES_CELL)),
      soft: this.isSoft(slot),
      revision: this.revision(slot),
      atMs: this.atMs(slot),
    };
    this.#decoded[slot] = { generation, fence };
    return fence;
  }

  /** 0: the slot is free. */
  revision(slot: number): number {
    return this.#number(slot, REVISION_CELL);
  }

  atMs(slot: number): number {
    return this.#number(slot, AT_MS_CELL);
  }

  isSoft(slot: number): boolean {
    return this.#number(slot, SOFT_CELL) === 1;
  }

  /** All but its text. */
  #write(slot: number, fence: PrefixFence): void {
    const generation = this.#number(slot, GENERATION_CELL) + 1;
    this.#set(slot, GENERATION_CELL, generation);
    this.#set(slot, REVISION_CELL, fence.revision);
    this.#set(slot, AT_MS_CELL, fence.atMs);
    this.#set(slot, SOFT_CELL, fence.soft ? 1 : 0);
    this.#decoded[slot] = { generation, fence };
  }

  #number(slot: number, cell: number): number {
    return this.#cells.get(slot * SLOT_CELLS + cell);
  }

  #set(slot: number, cell: number, value: number): void {
    this.#cells.set(slot * SLOT_CELLS + cell, value);
  }
}
