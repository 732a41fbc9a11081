/**
 * The chunks of the index, a stack without holes over segments of the pool. The top chunk moves into the place of a
 * removed one, so that a segment returns to the pool as soon as the index needs one less.
 */
import { CHUNK_BYTES } from "./geometry.ts";
import { CHUNK_WORDS, clearChunk } from "./index-chunk.ts";
import { CONTROL, type Memory } from "./memory.ts";
import { MOVE_SEGMENTS, type SegmentPool } from "./segment-pool.ts";

export class ChunkStack {
  readonly #memory: Memory;
  readonly #pool: SegmentPool;
  readonly #chunksPerSegment: number;

  constructor(memory: Memory, pool: SegmentPool) {
    this.#memory = memory;
    this.#pool = pool;
    this.#chunksPerSegment = pool.geometry.segmentBytes / CHUNK_BYTES;
  }

  /** Adds an empty chunk and returns its word; 0: there is no memory for it. */
  push(): number {
    const memory = this.#memory;
    if (memory.word(CONTROL.chunksLeft) === 0) {
      if (this.#pool.freeCount <= MOVE_SEGMENTS) return 0;
      const segment = this.#pool.take();
      this.#pool.link(segment, memory.word(CONTROL.indexSegment));
      memory.setWord(CONTROL.indexSegment, segment);
      memory.addToWord(CONTROL.indexSegments, 1);
      memory.setWord(CONTROL.chunksLeft, this.#chunksPerSegment);
    }
    memory.addToWord(CONTROL.chunksLeft, -1);
    const chunk = this.#top();
    clearChunk(memory, chunk);
    return chunk;
  }

  /** Removes a chunk. True: another chunk has moved into its place. */
  remove(chunk: number): boolean {
    const memory = this.#memory;
    const top = this.#top();
    if (top !== chunk) memory.words.copyWithin(chunk, top, top + CHUNK_WORDS);
    memory.addToWord(CONTROL.chunksLeft, 1);
    if (memory.word(CONTROL.chunksLeft) === this.#chunksPerSegment) {
      const segment = memory.word(CONTROL.indexSegment);
      memory.setWord(CONTROL.indexSegment, this.#pool.next(segment));
      memory.setWord(CONTROL.chunksLeft, 0);
      memory.addToWord(CONTROL.indexSegments, -1);
      this.#pool.give(segment);
    }
    return top !== chunk;
  }

  #top(): number {
    const memory = this.#memory;
    const chunksBelow = this.#chunksPerSegment - memory.word(CONTROL.chunksLeft) - 1;
    return this.#pool.byteOf(memory.word(CONTROL.indexSegment)) / 4 + chunksBelow * CHUNK_WORDS;
  }
}
