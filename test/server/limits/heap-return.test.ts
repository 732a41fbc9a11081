import { beforeEach, describe, expect, it } from "vitest";
import { HeapReturn } from "../../../src/server/limits/heap-return.ts";

const MIB = 2 ** 20;
const LOOK_MS = 250;

let heapBytes: number;
let nowMs: number;
let operations: number;
let heap: HeapReturn;

beforeEach(() => {
  heapBytes = 50 * MIB;
  nowMs = 0;
  operations = 0;
  heap = new HeapReturn({
    heapBytes: () => heapBytes,
    release: () => {
      heapBytes = 50 * MIB;
    },
  });
});

/** So long, with so many operations between two looks. */
function pass(ms: number, each: number): void {
  for (const endMs = nowMs + ms; nowMs < endMs; ) {
    nowMs += LOOK_MS;
    operations += each;
    heap.check(operations, nowMs);
  }
}

describe("A3: the heap that a burst of calls has grown", () => {
  it("is given back when nobody has called for ten seconds", () => {
    heapBytes = 150 * MIB;
    pass(5_000, 1_000);
    pass(9_750, 0);
    expect(heap.collections).toBe(0);
    pass(250, 0);
    expect([heap.collections, heapBytes]).toEqual([1, 50 * MIB]);
  });

  it("is kept while somebody calls", () => {
    heapBytes = 150 * MIB;
    pass(5_000, 1_000);
    pass(60_000, 1);
    expect(heap.collections).toBe(0);
  });

  it("is kept when it has grown by little", () => {
    heapBytes = 81 * MIB;
    pass(5_000, 1_000);
    pass(60_000, 0);
    expect(heap.collections).toBe(0);
  });

  it("is given back at most once in 20 seconds, after each burst", () => {
    for (let burst = 0; burst < 4; burst++) {
      heapBytes = 150 * MIB;
      pass(1_000, 1_000);
      pass(12_000, 0);
    }
    expect(heap.collections).toBe(2);
    pass(20_000, 0);
    expect([heap.collections, heapBytes]).toEqual([3, 50 * MIB]);
  });

  it("is not collected where no call has come", () => {
    heapBytes = 150 * MIB;
    pass(60_000, 0);
    expect(heap.collections).toBe(0);
  });
});
