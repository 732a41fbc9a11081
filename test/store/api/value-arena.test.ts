/** The arena's bounds: what it holds, what it refuses, and that memory is used again. */
import { expect, it } from "vitest";
import { returnValueArena, takeValueArena, ValueArena } from "../../../src/store/api/value-arena.ts";

it("gives memory until 320 KiB are taken, and again after clear()", () => {
  const arena = new ValueArena();
  const first = arena.take(160 * 1024);
  expect(first?.length).toBe(160 * 1024);
  expect(arena.take(160 * 1024)?.byteOffset).toBe(160 * 1024);
  expect(arena.take(1)).toBeUndefined();
  arena.clear();
  expect(arena.take(1)?.buffer).toBe(first?.buffer);
});

it("refuses a value larger than half of it", () => {
  const arena = new ValueArena();
  expect(arena.take(160 * 1024 + 1)).toBeUndefined();
  expect(arena.take(160 * 1024)).toBeDefined();
});

it("gives out a returned arena again, empty, and keeps four at most", () => {
  const arenas = Array.from({ length: 5 }, () => takeValueArena());
  for (const arena of arenas) {
    arena.take(1_000);
    returnValueArena(arena);
  }
  const again = arenas.map(() => takeValueArena());
  expect(again.filter((arena) => arenas.includes(arena))).toHaveLength(4);
  expect(again.map((arena) => arena.take(1)?.byteOffset)).toEqual([0, 0, 0, 0, 0]);
});
