/** The table of near copies: held to a plain model of CLOCK, and its order and bounds by example. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ClockCache, type ClockEntry } from "../../../src/client/near-cache/clock-cache.ts";

interface Copy extends ClockEntry<Copy> {
  readonly id: number;
}

let lastId = 0;

function copyOf(key: string, sizeBytes: number): Copy {
  lastId += 1;
  return { id: lastId, key, sizeBytes, used: false, older: undefined, newer: undefined };
}

function start(maxBytes: number) {
  const removed: string[] = [];
  const table = new ClockCache<Copy>(maxBytes, (copy) => removed.push(copy.key));
  return { table, removed };
}

const keysByUse = (table: ClockCache<Copy>): string[] => [...table.byUse()].map(({ key }) => key);

describe("ClockCache", () => {
  it("evicts the oldest that nobody read, and spares once what was read", () => {
    const { table, removed } = start(3);
    for (const key of ["a", "b", "c"]) table.set(copyOf(key, 1));
    table.get("a");
    expect(table.set(copyOf("d", 1))).toBe(1);
    expect(removed).toEqual(["b"]);
    table.set(copyOf("e", 1));
    table.set(copyOf("f", 1));
    expect(removed).toEqual(["b", "c", "a"]);
  });

  it("does not count a peek as a read", () => {
    const { table, removed } = start(2);
    for (const key of ["a", "b"]) table.set(copyOf(key, 1));
    table.peek("a");
    table.set(copyOf("c", 1));
    expect(removed).toEqual(["a"]);
  });

  it("names those that were read first, the newest of them first", () => {
    const { table } = start(10);
    for (const key of ["a", "b", "c", "d"]) table.set(copyOf(key, 1));
    table.get("c");
    table.get("a");
    expect(keysByUse(table)).toEqual(["c", "a", "d", "b"]);
  });

  it("tells of the copy whose place another takes, and calls it no eviction", () => {
    const { table, removed } = start(2);
    table.set(copyOf("a", 1));
    expect(table.set(copyOf("a", 2))).toBe(0);
    expect(removed).toEqual(["a"]);
    expect(table.bytes).toBe(2);
  });

  it("walks over a bounded number of copies for one that comes, even when all were read", () => {
    const { table } = start(1_000);
    for (let index = 0; index < 1_000; index += 1) {
      table.set(copyOf(`${index}`, 1));
      table.get(`${index}`);
    }
    expect(table.set(copyOf("new", 1))).toBe(1);
    const spared = [...table.byUse()].filter(({ used, key }) => !used && key !== "new");
    expect(spared.length).toBeLessThanOrEqual(64);
    expect(table.peek("new")).toBeDefined();
  });

  it("does what a list of the same rules does", () => {
    const key = fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h");
    const step = fc.oneof(
      fc.record({ do: fc.constant("set" as const), key, sizeBytes: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ do: fc.constantFrom("get" as const, "delete" as const, "clear" as const), key }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const maxBytes = 12;
        const { table, removed } = start(maxBytes);
        let model: { key: string; sizeBytes: number; used: boolean }[] = [];
        const gone: string[] = [];
        const drop = (dropped: string) => {
          if (!model.some((one) => one.key === dropped)) return;
          model = model.filter((one) => one.key !== dropped);
          gone.push(dropped);
        };
        const sum = () => model.reduce((bytes, one) => bytes + one.sizeBytes, 0);
        for (const one of steps) {
          if ("sizeBytes" in one) {
            drop(one.key);
            for (let oldest = model[0]; oldest && sum() + one.sizeBytes > maxBytes; oldest = model[0]) {
              if (oldest.used) model = [...model.slice(1), { ...oldest, used: false }];
              else drop(oldest.key);
            }
            model.push({ key: one.key, sizeBytes: one.sizeBytes, used: false });
            table.set(copyOf(one.key, one.sizeBytes));
          } else if (one.do === "get") {
            const found = model.find((held) => held.key === one.key);
            if (found !== undefined) found.used = true;
            expect(table.get(one.key)?.key).toBe(found?.key);
          } else if (one.do === "delete") {
            expect(table.delete(one.key)).toBe(model.some((held) => held.key === one.key));
            drop(one.key);
          } else {
            for (const held of [...model]) drop(held.key);
            table.clear();
          }
          const newestFirst = model.toReversed();
          const byUse = [
            ...newestFirst.filter(({ used }) => used),
            ...newestFirst.filter(({ used }) => !used),
          ];
          expect(keysByUse(table)).toEqual(byUse.map((held) => held.key));
          expect(removed).toEqual(gone);
          expect(table.bytes).toBe(sum());
          expect(table.size).toBe(model.length);
        }
      }),
    );
  });
});
