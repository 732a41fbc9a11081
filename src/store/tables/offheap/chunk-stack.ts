/**
 * The chunks of the index, stacked without a hole over segments of the pool, so that a segment goes back as
 * soon as the index needs one less: whatever chunk is given up, the topmost moves into its place.
 */
import { chunkBytes } from "./geometry.ts";
import { chunkWords, clearChunk } from "./index-chunk.ts";
import { control, type Memory } from "./memory.ts";
import { moveSegments, type SegmentPool } from "./segment-pool.ts";

export class ChunkStack {
  readonly #memory: Memory;
  readonly #pool: SegmentPool;
  readonly #chunksPerSegment: number;

  constructor(memory: Memory, pool: SegmentPool) {
    this.#memory = memory;
    this.#pool = pool;
    this.#chunksPerSegment = pool.geometry.segmentBytes / chunkBytes;
  }

  /** An empty chunk, as its word; 0: there is no memory for one. */
  push(): number {
    const memory = this.#memory;
    if (memory.word(control.chunksLeft) === 0) {
      if (this.#pool.freeCount <= moveSegments) return 0;
      const segment = this.#pool.take();
      this.#pool.link(segment, memory.word(control.indexSegment));
      memory.setWord(control.indexSegment, segment);
      memory.addToWord(control.indexSegments, 1);
      memory.setWord(control.chunksLeft, this.#chunksPerSegment);
    }
    memory.addToWord(control.chunksLeft, -1);
    const chunk = this.#top();
    clearChunk(memory, chunk);
    return chunk;
  }

  /** Gives a chunk up. True: another one is in its place now. */
  remove(chunk: number): boolean {
    const memory = this.#memory;
    const top = this.#top();
    if (top !== chunk) memory.words.copyWithin(chunk, top, top + chunkWords);
    memory.addToWord(control.chunksLeft, 1);
    if (memory.word(control.chunksLeft) === this.#chunksPerSegment) {
      const segment = memory.word(control.indexSegment);
      memory.setWord(control.indexSegment, this.#pool.next(segment));
      memory.setWord(control.chunksLeft, 0);
      memory.addToWord(control.indexSegments, -1);
      this.#pool.give(segment);
    }
    return top !== chunk;
  }

  #top(): number {
    const memory = this.#memory;
    const chunksBelow = this.#chunksPerSegment - memory.word(control.chunksLeft) - 1;
    return this.#pool.byteOf(memory.word(control.indexSegment)) / 4 + chunksBelow * chunkWords;
  }
}
