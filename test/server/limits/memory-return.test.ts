import { describe, expect, it } from "vitest";
import { MemoryReturn } from "../../../src/server/limits/memory-return.ts";

const MIB = 2 ** 20;

describe("A3: memory that a burst has left", () => {
  it("is collected once the burst is over, and not again within 20 seconds", () => {
    let bytes = 100 * MIB;
    const collected: number[] = [];
    const memory = new MemoryReturn({
      bufferBytes: () => bytes,
      collect: () => {
        collected.push(bytes);
        bytes = 100 * MIB;
      },
    });
    bytes = 220 * MIB;
    memory.check(120 * MIB, 0);
    expect(collected).toEqual([]);
    memory.check(0, 250);
    memory.check(0, 1_000);
    expect(collected).toEqual([]);
    memory.check(0, 1_250);
    expect(collected).toEqual([220 * MIB]);
    bytes = 220 * MIB;
    memory.check(120 * MIB, 2_000);
    memory.check(0, 21_000);
    expect(memory.collections).toBe(1);
    memory.check(0, 21_250);
    expect(memory.collections).toBe(2);
  });

  it("is collected again when the first time it was not free yet, and left to its user after the third", () => {
    let bytes = 100 * MIB;
    const memory = new MemoryReturn({ bufferBytes: () => bytes, collect: () => {} });
    const collectionsAfter = (ms: number) => {
      for (let nowMs = 1_000; nowMs <= ms; nowMs += 250) memory.check(0, nowMs);
      return memory.collections;
    };
    bytes = 220 * MIB;
    memory.check(120 * MIB, 0);
    expect(collectionsAfter(2_000)).toBe(1);
    expect(collectionsAfter(22_000)).toBe(2);
    expect(collectionsAfter(200_000)).toBe(3);
    // As much more: it is compared with what has stayed.
    memory.check(120 * MIB, 200_250);
    expect(collectionsAfter(300_000)).toBe(3);
  });

  it("is not collected while calls hold much again", () => {
    let collections = 0;
    let bytes = 100 * MIB;
    const memory = new MemoryReturn({ bufferBytes: () => bytes, collect: () => collections++ });
    bytes = 300 * MIB;
    memory.check(120 * MIB, 0);
    memory.check(80 * MIB, 250);
    for (let nowMs = 1_000; nowMs < 5_000; nowMs += 250) memory.check(80 * MIB, nowMs);
    expect(collections).toBe(0);
    memory.check(0, 5_000);
    memory.check(0, 6_250);
    expect(collections).toBe(1);
  });

  it("is left alone while little was held, or when V8 has freed it already", () => {
    let collections = 0;
    let bytes = 0;
    const memory = new MemoryReturn({ bufferBytes: () => bytes, collect: () => collections++ });
    bytes = 500 * MIB;
    memory.check(31 * MIB, 0);
    memory.check(0, 30_000);
    bytes = 10 * MIB;
    memory.check(100 * MIB, 60_000);
    memory.check(0, 90_000);
    expect(collections).toBe(0);
  });
});
