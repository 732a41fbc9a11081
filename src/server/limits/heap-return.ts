/**
 * Gives the heap back that a burst of calls has grown. V8 keeps the pages that a collection has emptied, and what objects of
 * the old generation hold outside of the heap stays until one: an idle server would keep both for minutes. So when a burst is
 * over and has left much, a collection is asked for that gives back all it can. It takes the thread for a tenth of a second,
 * and comes at most once in 20 seconds, when hardly anybody is there to wait for it.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const MIB = 1024 * 1024;
/** The heap keeps some pages for its next objects: less is not worth the time. */
const WORTH_BYTES = 32 * MIB;
/** Of the operations between two looks of the busiest time: with no more of them a burst is over. */
const CALM_PART = 1 / 16;
/** So long after the burst: its connections are closed by then. */
const SETTLE_MS = 2_000;
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
  /** The most operations between two looks since the last collection. */
  #busiest = 0;
  #busyMs = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(deps: HeapReturnDeps = { heapBytes, release }) {
    this.#deps = deps;
    this.#keptBytes = deps.heapBytes();
  }

  /** To be called a few times a second, with the number of operations so far. */
  check(operations: number, nowMs: number): void {
    const done = operations - this.#operations;
    this.#operations = operations;
    this.#busiest = Math.max(this.#busiest, done);
    if (done > CALM_PART * this.#busiest) this.#busyMs = nowMs;
    if (this.#busiest === 0 || nowMs - this.#busyMs < SETTLE_MS || nowMs - this.#lastMs < INTERVAL_MS) return;
    const { heapBytes, release } = this.#deps;
    this.#busiest = 0;
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

let collect: ((options: { type: "major"; flavor: "last-resort" }) => void) | undefined;

function release(): void {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as typeof collect;
  }
  collect?.({ type: "major", flavor: "last-resort" });
}
