/**
 * Walks the whole buffer of an off-heap table and compares everything that is stored redundantly.
 *
 * It reads the raw words by the layout of geometry.ts and entry-header.ts, and shares no traversal code with the table.
 */

import type { NamespaceRecords } from "../../src/store/api/table.ts";
import { keyAt, namespaceAt } from "../../src/store/tables/offheap/entry-head.ts";
import {
  entryBytesAt,
  FLAG,
  HEADER_BYTES,
  hasFlag,
  hashAt,
  headBytesAt,
  PADDING,
  recordAt,
  SLOT_BYTES,
  valueBytesAt,
} from "../../src/store/tables/offheap/entry-header.ts";
import { CHUNK_BYTES } from "../../src/store/tables/offheap/geometry.ts";
import { homeOf, SLOTS_PER_CHUNK } from "../../src/store/tables/offheap/index-chunk.ts";
import { mixHash } from "../../src/store/tables/offheap/key-index.ts";
import { RING_WORD } from "../../src/store/tables/offheap/log-ring.ts";
import { CONTROL } from "../../src/store/tables/offheap/memory.ts";
import type { OffheapTable } from "../../src/store/tables/offheap/offheap-table.ts";

type KeyHash = (namespace: string, key: string) => number;
type Owner = "index" | "small" | "main" | "free";

/** Throws at the first violation. */
export function checkInvariants(table: OffheapTable, hashOf: KeyHash, namespaces: NamespaceRecords): void {
  new Walk(table, hashOf, namespaces).check();
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`the off-heap table is corrupt: ${what}`);
}

class Walk {
  readonly #table: OffheapTable;
  readonly #hashOf: KeyHash;
  readonly #namespaces: NamespaceRecords;
  readonly #owners = new Map<number, Owner>();
  /** Live entries in the rings to which no slot has pointed so far. */
  readonly #unindexed = new Set<number>();
  #liveBytes = 0;
  #entries = 0;

  constructor(table: OffheapTable, hashOf: KeyHash, namespaces: NamespaceRecords) {
    this.#namespaces = namespaces;
    this.#table = table;
    this.#hashOf = hashOf;
  }

  check(): void {
    const { memory, pool, budgetBytes } = this.#table;
    must(memory.buffer.byteLength <= budgetBytes, "the buffer is larger than the budget");
    this.#checkFree();
    this.#checkRing("small", CONTROL.smallRing);
    this.#checkRing("main", CONTROL.mainRing);
    this.#checkIndex();
    must(this.#entries === this.#table.entryCount, "the number of entries");
    const bytes = this.#liveBytes + this.#entries * SLOT_BYTES;
    must(bytes === this.#table.bytes && bytes <= budgetBytes, "the bytes of all entries");
    const touched = this.#word(CONTROL.segmentsTouched);
    must(touched <= pool.geometry.segmentCount, "more segments than there are");
    for (let segment = 1; segment <= touched; segment++) {
      must(this.#owners.has(segment), `segment ${segment} is lost`);
    }
  }

  #namespaceOf(at: number): string {
    const { memory } = this.#table;
    return this.#namespaces.nameOf(recordAt(memory, at)) ?? namespaceAt(memory, at);
  }

  #checkFree(): void {
    let count = 0;
    for (let segment = this.#word(CONTROL.freeSegment); segment !== 0; segment = this.#next(segment)) {
      this.#own(segment, "free");
      count++;
    }
    must(count === this.#word(CONTROL.freeSegments), "the number of free segments");
  }

  #checkRing(owner: "small" | "main", controlAt: number): void {
    const { memory, pool } = this.#table;
    const { segmentBytes } = pool.geometry;
    const headSegment = this.#word(controlAt + RING_WORD.headSegment);
    const headOffset = this.#word(controlAt + RING_WORD.headOffset);
    let segment = this.#word(controlAt + RING_WORD.tailSegment);
    let offset = this.#word(controlAt + RING_WORD.tailOffset);
    must((segment === 0) === (headSegment === 0), `the ${owner} ring has a head or a tail only`);

    let segments = 0;
    const enter = (next: number): void => {
      must(next !== 0, `the ${owner} ring breaks off`);
      this.#own(next, owner);
      segments++;
    };
    const totals = { live: 0, dead: 0, entries: 0 };
    if (segment !== 0) enter(segment);
    while (segment !== 0 && !(segment === headSegment && offset >= headOffset)) {
      const at = (pool.byteOf(segment) + offset) / 4;
      const hasEntry = segmentBytes - offset >= HEADER_BYTES && this.#word(at + 1) !== PADDING;
      if (!hasEntry) {
        segment = this.#next(segment);
        offset = 0;
        enter(segment);
        continue;
      }
      const bytes = entryBytesAt(memory, at);
      must(offset + headBytesAt(memory, at) <= segmentBytes, "a head is in two pieces");
      must(bytes - headBytesAt(memory, at) - valueBytesAt(memory, at) < 4, "an entry's length");
      must(hasFlag(memory, at, FLAG.mainRing) === (owner === "main"), "an entry is in the wrong ring");
      if (hasFlag(memory, at, FLAG.dead)) {
        totals.dead += bytes;
      } else {
        totals.live += bytes;
        totals.entries++;
        this.#unindexed.add(at);
      }
      let left = bytes;
      while (left > segmentBytes - offset) {
        left -= segmentBytes - offset;
        segment = this.#next(segment);
        offset = 0;
        enter(segment);
      }
      offset += left;
    }
    must(segment === 0 || offset === headOffset, `the ${owner} ring's head lies within an entry`);
    must(this.#word(controlAt + RING_WORD.segments) === segments, `the ${owner} ring's segments`);
    must(this.#word(controlAt + RING_WORD.liveBytes) === totals.live, `the ${owner} ring's live bytes`);
    must(this.#word(controlAt + RING_WORD.deadBytes) === totals.dead, `the ${owner} ring's dead bytes`);
    must(this.#word(controlAt + RING_WORD.entries) === totals.entries, `the ${owner} ring's entries`);
    this.#liveBytes += totals.live;
    this.#entries += totals.entries;
  }

  #checkIndex(): void {
    const { pool } = this.#table;
    const depth = this.#word(CONTROL.directoryDepth);
    must(depth <= pool.geometry.directoryMaxDepth, "the directory is too deep");
    const stacked = this.#stackedChunks();
    let pointer = 0;
    while (pointer < 2 ** depth) {
      const chunk = this.#word(pool.geometry.directoryAtWord + pointer);
      must(stacked.delete(chunk), "a pointer to no chunk, or to one that others point to");
      const chunkDepth = this.#word(chunk + 1) & 0x1f;
      must(chunkDepth <= depth, "a chunk is deeper than the directory");
      const pointers = 2 ** (depth - chunkDepth);
      must(this.#word(chunk + 1) >>> 5 === pointer / pointers, "the prefix of a chunk");
      for (let other = pointer; other < pointer + pointers; other++) {
        must(this.#word(pool.geometry.directoryAtWord + other) === chunk, "a chunk's pointers differ");
      }
      this.#checkChunk(chunk, chunkDepth, pointer / pointers);
      pointer += pointers;
    }
    must(stacked.size === 0, "chunks that nothing points to");
    must(this.#unindexed.size === 0, "live entries that no slot points to");
  }

  /** Every chunk of the segments of the index. */
  #stackedChunks(): Set<number> {
    const { pool } = this.#table;
    const chunks = new Set<number>();
    let segments = 0;
    let end = pool.geometry.segmentBytes - this.#word(CONTROL.chunksLeft) * CHUNK_BYTES;
    for (let segment = this.#word(CONTROL.indexSegment); segment !== 0; segment = this.#next(segment)) {
      this.#own(segment, "index");
      segments++;
      for (let byte = 0; byte < end; byte += CHUNK_BYTES) chunks.add((pool.byteOf(segment) + byte) / 4);
      end = pool.geometry.segmentBytes;
    }
    must(segments === this.#word(CONTROL.indexSegments), "the number of index segments");
    return chunks;
  }

  #checkChunk(chunk: number, depth: number, prefix: number): void {
    const { memory } = this.#table;
    let count = 0;
    for (let slot = 0; slot < SLOTS_PER_CHUNK; slot++) {
      const at = this.#word(chunk + 2 + slot * 2);
      if (at === 0) continue;
      count++;
      const hash = this.#word(chunk + 3 + slot * 2);
      must(this.#unindexed.delete(at), "a slot points to no live entry, or two to one");
      must(hashAt(memory, at) === hash, "the hashes of slot and entry differ");
      const key = mixHash(this.#hashOf(this.#namespaceOf(at), keyAt(memory, at)));
      must(key === hash, "a key does not hash to its slot");
      must(Math.floor(hash / 2 ** (32 - depth)) === prefix, "a hash is in the wrong chunk");
      for (let probe = homeOf(hash); probe !== slot; probe = (probe + 1) % SLOTS_PER_CHUNK) {
        must(this.#word(chunk + 2 + probe * 2) !== 0, "a hole in the way to a slot");
      }
    }
    must(this.#word(chunk) === count && count < SLOTS_PER_CHUNK, "the count of a chunk");
  }

  #own(segment: number, owner: Owner): void {
    must(segment > 0 && segment <= this.#word(CONTROL.segmentsTouched), `segment ${segment} of ${owner}`);
    const other = this.#owners.get(segment);
    must(other === undefined, `segment ${segment} is in ${owner} and in ${other}`);
    this.#owners.set(segment, owner);
  }

  #next(segment: number): number {
    return this.#table.pool.next(segment);
  }

  #word(at: number): number {
    return this.#table.memory.word(at);
  }
}
