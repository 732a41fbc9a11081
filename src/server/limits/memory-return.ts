/**
 * Gives memory back after a burst. The memory of buffers that nobody uses is freed by a full collection, which V8 puts off
 * while little is allocated, for minutes with `--no-memory-reducer`. So one is asked for, when a burst is over and has left
 * much behind, and at most once in 20 seconds. What the first one leaves may have been on its way to be freed, as of
 * connections that were just closed: so it is asked for again, a few times.
 */
import { pooledBytes } from "../../codec/framing/message-memory.ts";
import { collectFully } from "./full-collection.ts";

const MIB = 1024 * 1024;
/** A collection stops its thread for some tens of milliseconds: less is not worth it. */
const WORTH_BYTES = 32 * MIB;
const INTERVAL_MS = 20_000;
/** From the end of a burst: its connections are closed by then. */
const SETTLE_MS = 1_000;
/** What is left after so many is used by somebody. */
const COLLECTIONS_MAX = 3;

export interface MemoryReturnDeps {
  /** The bytes of all buffers of this thread, those included that nobody uses, but for those that wait in the pool to be used again. */
  readonly bufferBytes: () => number;
  /** Makes a full collection. */
  readonly collect: () => void;
}

export class MemoryReturn {
  /** How many collections were asked for. */
  collections = 0;
  readonly #deps: MemoryReturnDeps;
  /** What the buffers take beside those of calls, as far as it is known. */
  #otherBytes: number;
  /** The most that was held since the last collection. */
  #peakBytes = 0;
  #lastMs = Number.NEGATIVE_INFINITY;
  /** How many collections may follow the last burst, and when the next one. */
  #left = 0;
  #dueMs = 0;

  constructor(deps: MemoryReturnDeps = { bufferBytes, collect: collectFully }) {
    this.#deps = deps;
    this.#otherBytes = deps.bufferBytes();
  }

  /** To be called a few times a second, with what calls hold now. */
  check(heldBytes: number, nowMs: number): void {
    this.#peakBytes = Math.max(this.#peakBytes, heldBytes);
    if (this.#peakBytes - heldBytes >= WORTH_BYTES) {
      this.#peakBytes = heldBytes;
      if (this.#left === 0) this.#dueMs = Math.max(nowMs + SETTLE_MS, this.#lastMs + INTERVAL_MS);
      this.#left = COLLECTIONS_MAX;
    }
    // While calls hold much, V8 collects by itself, and thousands of open streams make it long.
    if (this.#left > 0 && nowMs >= this.#dueMs && heldBytes < WORTH_BYTES) this.#collect(heldBytes, nowMs);
  }

  #collect(heldBytes: number, nowMs: number): void {
    const { bufferBytes, collect } = this.#deps;
    if (bufferBytes() - this.#otherBytes - heldBytes < WORTH_BYTES) {
      this.#left = 0;
      return;
    }
    collect();
    this.collections += 1;
    this.#left -= 1;
    this.#lastMs = nowMs;
    this.#dueMs = nowMs + INTERVAL_MS;
    if (this.#left === 0) this.#otherBytes = Math.max(0, bufferBytes() - heldBytes);
  }
}

function bufferBytes(): number {
  const { arrayBuffers, external } = process.memoryUsage();
  return Math.max(arrayBuffers, external) - pooledBytes();
}
