/**
 * A list of prefix fences in a region, and each thread's decoded copy of it.
 *
 * A fence takes the bytes of its text and 48 more. An append does not change the bytes before it, so an earlier copy
 * only lacks the end. Any other change rewrites the list and counts the rewrite, by which other threads discard their
 * copies.
 */

import { KEY_LIMIT_BYTES, NAMESPACE_LIMIT_BYTES } from "../../common/name-limits.ts";
import { UTF8_MAX_BYTES_PER_UNIT } from "../../common/utf8.ts";
import { Cells, cellsBytes } from "../shm/cells.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";

export interface PrefixFence {
  /** `undefined`: every namespace. */
  readonly namespace: string | undefined;
  /** Empty: the whole namespace. */
  readonly prefix: string;
  readonly soft: boolean;
  readonly revision: number;
  readonly atMs: number;
}

/** Cells of the list: the number of fences, and how often the list was rewritten. */
const COUNT_CELL = 0;
const REWRITES_CELL = 1;
const OWN_BYTES = cellsBytes(2);

/** Cells of a fence before its text. */
const REVISION_CELL = 0;
const AT_MS_CELL = 1;
const SOFT_CELL = 2;
const IS_OF_ALL_CELL = 3;
const NAMESPACE_END_CELL = 4;
const PREFIX_END_CELL = 5;
const FENCE_HEAD_BYTES = cellsBytes(6);
const FENCE_MAX_BYTES = FENCE_HEAD_BYTES + NAMESPACE_LIMIT_BYTES + KEY_LIMIT_BYTES;
const CELL_BYTES = cellsBytes(1);

export function prefixFenceListBytes(maxCount: number): number {
  return alignedBytes(OWN_BYTES) + alignedBytes(maxCount * FENCE_MAX_BYTES);
}

export class PrefixFenceList {
  readonly #own: Cells;
  readonly #cells: Cells;
  readonly #text: Buffer;
  /** This thread's copy, where in the region it ends, and the count of rewrites that it includes. */
  #fences: PrefixFence[] = [];
  #fencesEnd = 0;
  #fencesRewrites = 0;

  constructor(region: Region) {
    const cut = createCutter(region.buffer, region.begin);
    this.#own = new Cells(cut(OWN_BYTES));
    const fences = cut(region.bytes - alignedBytes(OWN_BYTES));
    this.#cells = new Cells(fences);
    this.#text = Buffer.from(fences.buffer, fences.begin, fences.bytes);
  }

  get count(): number {
    return this.#own.get(COUNT_CELL);
  }

  /** The oldest first. Valid until the next call. */
  fences(): readonly PrefixFence[] {
    const rewrites = this.#own.get(REWRITES_CELL);
    if (this.#fencesRewrites !== rewrites) {
      this.#fencesRewrites = rewrites;
      this.#fences = [];
      this.#fencesEnd = 0;
    }
    while (this.#fences.length < this.count) this.#read();
    return this.#fences;
  }

  append(fence: PrefixFence): void {
    this.fences();
    this.#write(fence);
    this.#own.set(COUNT_CELL, this.#fences.length);
  }

  /** Drops the fences that `isKept` refuses. */
  keep(isKept: (fence: PrefixFence) => boolean): void {
    const fences = this.fences();
    const kept = fences.filter(isKept);
    if (kept.length === fences.length) return;
    this.#fences = [];
    this.#fencesEnd = 0;
    this.#fencesRewrites++;
    for (const fence of kept) this.#write(fence);
    this.#own.set(REWRITES_CELL, this.#fencesRewrites);
    this.#own.set(COUNT_CELL, kept.length);
  }

  /** Appends a fence to the region, at the end of the copy, and to the copy. */
  #write(fence: PrefixFence): void {
    const begin = this.#fencesEnd;
    const head = begin / CELL_BYTES;
    const namespace = fitting(fence.namespace, NAMESPACE_LIMIT_BYTES);
    const prefix = namespace === undefined ? "" : (fitting(fence.prefix, KEY_LIMIT_BYTES) ?? "");
    const namespaceEnd = this.#writeText(namespace ?? "", begin + FENCE_HEAD_BYTES);
    const prefixEnd = this.#writeText(prefix, namespaceEnd);
    this.#cells.set(head + REVISION_CELL, fence.revision);
    this.#cells.set(head + AT_MS_CELL, fence.atMs);
    this.#cells.set(head + SOFT_CELL, fence.soft ? 1 : 0);
    this.#cells.set(head + IS_OF_ALL_CELL, namespace === undefined ? 1 : 0);
    this.#cells.set(head + NAMESPACE_END_CELL, namespaceEnd);
    this.#cells.set(head + PREFIX_END_CELL, prefixEnd);
    this.#fences.push({ ...fence, namespace, prefix });
    this.#fencesEnd = alignedToCell(prefixEnd);
  }

  #read(): void {
    const begin = this.#fencesEnd;
    const head = begin / CELL_BYTES;
    const namespaceEnd = this.#cells.get(head + NAMESPACE_END_CELL);
    const prefixEnd = this.#cells.get(head + PREFIX_END_CELL);
    const isOfAll = this.#cells.get(head + IS_OF_ALL_CELL) === 1;
    this.#fences.push({
      namespace: isOfAll ? undefined : this.#text.toString("utf8", begin + FENCE_HEAD_BYTES, namespaceEnd),
      prefix: this.#text.toString("utf8", namespaceEnd, prefixEnd),
      soft: this.#cells.get(head + SOFT_CELL) === 1,
      revision: this.#cells.get(head + REVISION_CELL),
      atMs: this.#cells.get(head + AT_MS_CELL),
    });
    this.#fencesEnd = alignedToCell(prefixEnd);
  }

  /** Returns where it ends. */
  #writeText(text: string, begin: number): number {
    return begin + this.#text.write(text, begin);
  }
}

/** A name longer than any configuration allows is left out: the fence then covers more, which is safe. */
function fitting(text: string | undefined, maxBytes: number): string | undefined {
  if (text === undefined || text.length * UTF8_MAX_BYTES_PER_UNIT <= maxBytes) return text;
  return Buffer.byteLength(text) > maxBytes ? undefined : text;
}

function alignedToCell(end: number): number {
  return Math.ceil(end / CELL_BYTES) * CELL_BYTES;
}
