/**
 * How many entries have a tag, at least: counters by a hash of record and tag. Tags that share a counter only make it
 * greater. So 0 is certain: no entry has the tag, and its invalidation needs no fence for entries.
 *
 * In a region, under the shard's lock. The hash is over bytes, since an engine has tags as bytes. It need not withstand
 * anybody who wants collisions: they cost fences that would not be needed, nothing else.
 */
import { UTF8_MAX_BYTES_PER_UNIT, writeText } from "../../common/utf8.ts";
import { fixedPartOf, type MemoryPart } from "../shm/memory-part.ts";
import type { Region } from "../shm/region.ts";

/** A counter that has reached this stays there. */
const COUNT_MAX = 0xffff;
/** One counter for so many bytes of entries. */
const BYTES_PER_COUNTER = 128;
const COUNTERS_MIN = 1_024;
const FNV_PRIME = 0x0100_0193;

function countersOf(budgetBytes: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(COUNTERS_MIN, budgetBytes / BYTES_PER_COUNTER)));
}

export function tagCountsBytes(budgetBytes: number): number {
  return Uint16Array.BYTES_PER_ELEMENT * countersOf(budgetBytes);
}

export class TagCounts {
  readonly #counts: Uint16Array;
  readonly #seed: number;
  /** Holds the bytes of a tag that is text. */
  #scratch = Buffer.allocUnsafeSlow(512);

  constructor({ buffer, begin }: Region, budgetBytes: number, seed: bigint) {
    this.#counts = new Uint16Array(buffer, begin, countersOf(budgetBytes));
    this.#seed = Number(seed & 0xffff_ffffn) | 0;
  }

  parts(): MemoryPart[] {
    return [fixedPartOf(this.#counts)];
  }

  /** One entry more, or with -1 one less, has the tag in these bytes. */
  count(record: number, bytes: Uint8Array, begin: number, end: number, by: 1 | -1): void {
    const at = this.#counterOf(record, bytes, begin, end);
    const count = this.#counts[at] ?? 0;
    if (count < COUNT_MAX) this.#counts[at] = count + by;
  }

  /** One entry more has the tag. */
  countText(record: number, tag: string): void {
    const end = this.#write(tag);
    this.count(record, this.#scratch, 0, end, 1);
  }

  /** False: no entry has the tag. */
  isUsed(record: number, tag: string): boolean {
    const end = this.#write(tag);
    return this.#counts[this.#counterOf(record, this.#scratch, 0, end)] !== 0;
  }

  /** Writes a tag into the scratch buffer and returns its length. */
  #write(tag: string): number {
    const bytesMax = tag.length * UTF8_MAX_BYTES_PER_UNIT;
    if (bytesMax > this.#scratch.length) this.#scratch = Buffer.allocUnsafeSlow(bytesMax);
    return writeText(this.#scratch, 0, tag);
  }

  /** FNV-1a, and the finalizer of MurmurHash3, since the lower bits of FNV alone are poor. */
  #counterOf(record: number, bytes: Uint8Array, begin: number, end: number): number {
    let hash = this.#seed ^ Math.imul(record + 1, 0x9e37_79b1);
    for (let at = begin; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), FNV_PRIME);
    hash ^= hash >>> 16;
    hash = Math.imul(hash, 0x85eb_ca6b);
    hash ^= hash >>> 13;
    hash = Math.imul(hash, 0xc2b2_ae35);
    hash ^= hash >>> 16;
    return hash & (this.#counts.length - 1);
  }
}
