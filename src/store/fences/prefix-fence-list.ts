/**
 * A list of prefix fences in a region, one after the other, and each thread's decoded copy of it.
 *
 * A fence costs the bytes of its text and 48 more. What is appended leaves the bytes before it as they were, so
 * a copy made before only lacks the end; any other change writes the list anew and counts it, which makes every
 * copy but the writer's void.
 */
import { KEY_LIMIT_BYTES, NAMESPACE_LIMIT_BYTES } from "../api/name-limits.ts";
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

/** Cells of the list: how many fences, and how often they were written anew. */
const countCell = 0;
const rewritesCell = 1;
const ownBytes = cellsBytes(2);

/** Cells of a fence before its text. */
const revisionCell = 0;
const atMsCell = 1;
const softCell = 2;
const isOfAllCell = 3;
const namespaceEndCell = 4;
const prefixEndCell = 5;
const fenceHeadBytes = cellsBytes(6);
const fenceMaxBytes = fenceHeadBytes + NAMESPACE_LIMIT_BYTES + KEY_LIMIT_BYTES;
const cellBytes = cellsBytes(1);
const utf8MaxBytesPerUnit = 3;

export function prefixFenceListBytes(maxCount: number): number {
  return alignedBytes(ownBytes) + alignedBytes(maxCount * fenceMaxBytes);
}

export class PrefixFenceList {
  readonly #own: Cells;
  readonly #cells: Cells;
  readonly #text: Buffer;
  /** This thread's copy, and where in the region the fence after it would begin. */
  #fences: PrefixFence[] = [];
  #fencesEnd = 0;
  #fencesRewrites = 0;

  constructor(region: Region) {
    const cut = createCutter(region.buffer, region.begin);
    this.#own = new Cells(cut(ownBytes));
    const fences = cut(region.bytes - alignedBytes(ownBytes));
    this.#cells = new Cells(fences);
    this.#text = Buffer.from(fences.buffer, fences.begin, fences.bytes);
  }

  get count(): number {
    return this.#own.get(countCell);
  }

  /** In the order of their appending. Good until the next call. */
  fences(): readonly PrefixFence[] {
    const rewrites = this.#own.get(rewritesCell);
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
    this.#own.set(countCell, this.#fences.length);
  }

  /** Drops the others. */
  keep(isKept: (fence: PrefixFence) => boolean): void {
    const fences = this.fences();
    const kept = fences.filter(isKept);
    if (kept.length === fences.length) return;
    this.#fences = [];
    this.#fencesEnd = 0;
    this.#fencesRewrites++;
    for (const fence of kept) this.#write(fence);
    this.#own.set(rewritesCell, this.#fencesRewrites);
    this.#own.set(countCell, kept.length);
  }

  /** After the last fence of the copy, and into the copy. */
  #write(fence: PrefixFence): void {
    const begin = this.#fencesEnd;
    const head = begin / cellBytes;
    const namespace = fitting(fence.namespace, NAMESPACE_LIMIT_BYTES);
    const prefix = namespace === undefined ? "" : (fitting(fence.prefix, KEY_LIMIT_BYTES) ?? "");
    const namespaceEnd = this.#writeText(namespace ?? "", begin + fenceHeadBytes);
    const prefixEnd = this.#writeText(prefix, namespaceEnd);
    this.#cells.set(head + revisionCell, fence.revision);
    this.#cells.set(head + atMsCell, fence.atMs);
    this.#cells.set(head + softCell, fence.soft ? 1 : 0);
    this.#cells.set(head + isOfAllCell, namespace === undefined ? 1 : 0);
    this.#cells.set(head + namespaceEndCell, namespaceEnd);
    this.#cells.set(head + prefixEndCell, prefixEnd);
    this.#fences.push({ ...fence, namespace, prefix });
    this.#fencesEnd = alignedToCell(prefixEnd);
  }

  #read(): void {
    const begin = this.#fencesEnd;
    const head = begin / cellBytes;
    const namespaceEnd = this.#cells.get(head + namespaceEndCell);
    const prefixEnd = this.#cells.get(head + prefixEndCell);
    const isOfAll = this.#cells.get(head + isOfAllCell) === 1;
    this.#fences.push({
      namespace: isOfAll ? undefined : this.#text.toString("utf8", begin + fenceHeadBytes, namespaceEnd),
      prefix: this.#text.toString("utf8", namespaceEnd, prefixEnd),
      soft: this.#cells.get(head + softCell) === 1,
      revision: this.#cells.get(head + revisionCell),
      atMs: this.#cells.get(head + atMsCell),
    });
    this.#fencesEnd = alignedToCell(prefixEnd);
  }

  /** Returns where it ends. */
  #writeText(text: string, begin: number): number {
    return begin + this.#text.write(text, begin);
  }
}

/** What is longer than any configuration allows goes unsaid: the fence then covers more, which is safe. */
function fitting(text: string | undefined, maxBytes: number): string | undefined {
  if (text === undefined || text.length * utf8MaxBytesPerUnit <= maxBytes) return text;
  return Buffer.byteLength(text) > maxBytes ? undefined : text;
}

function alignedToCell(end: number): number {
  return Math.ceil(end / cellBytes) * cellBytes;
}
