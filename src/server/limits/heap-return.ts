/**
 * Gives the heap back that a burst of calls has grown. V8 keeps the pages that a collection has emptied, and what objects of
 * the old generation hold outside of the heap stays until one: an idle server would keep both for minutes. So when a burst is
 * over and has left much, a collection is asked for that gives back all it can. It takes the thread for a tenth of a second or
 * two, so it comes when nobody has called for some time, and at most once in 20 seconds.
 */
import { collectFully } from "./full-collection.ts";

const MIB = 1024 * 1024;
/** The heap keeps some pages for its next objects: less is not worth the time. */
const WORTH_BYTES = 32 * MIB;
/** Without a call: clients that pause for a moment do not wait for it when they come back. */
const SETTLE_MS = 10_000;
const INTERVAL_MS = 20_000;

interface HeapReturnDeps {
  /** What V8 has of the system for the heap of this thread. */
  readonly heapBytes: () => number;
  /** Makes a full collection, and gives back what is free. */
  readonly release: () => void;
}

export class HeapReturn {
  /** How many collections were asked for. */
  collections = 0;
  readonly #deps: HeapReturnDeps;
  /** What is in use, as far as it is known. */
  #keptBytes: number;
  #operations = 0;
  #calledMs = 0;
  /** Nobody has called since the heap was looked at. */
  #isLookedAt = true;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(deps: HeapReturnDeps = { heapBytes, release }) {
    this.#deps = deps;
    this.#keptBytes = deps.heapBytes();
  }

  /** To be called a few times a second, with the number of operations so far. */
  check(operations: number, nowMs: number): void {
    if (operations !== this.#operations) {
      this.#operations = operations;
      this.#calledMs = nowMs;
      this.#isLookedAt = false;
    }
    const isDue = nowMs - this.#calledMs >= SETTLE_MS && nowMs - this.#lastMs >= INTERVAL_MS;
    if (!isDue || this.#isLookedAt) return;
    this.#isLookedAt = true;
    const { heapBytes, release } = this.#deps;
    if (heapBytes() - this.#keptBytes < WORTH_BYTES) return;
    release();
    this.collections += 1;
    this.#keptBytes = heapBytes();
    this.#lastMs = nowMs;
  }
}

function heapBytes(): number {
  return process.memoryUsage().heapTotal;
}

function release(): void {
  collectFully({ type: "major", flavor: "last-resort" });
}
