/** ClockCache: compared with a simple model of CLOCK, and examples of its order and bounds. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ClockBudget,
  ClockCache,
  type ClockEntry,
  type ClockOwner,
} from "../../../src/client/near-cache/clock-cache.ts";

interface Entry extends ClockEntry<Entry> {
  readonly id: number;
}

let lastId = 0;

function entryOf(key: string, sizeBytes: number, owner: ClockOwner): Entry {
  lastId += 1;
  return { id: lastId, key, sizeBytes, used: false, owner, older: undefined, newer: undefined };
}

function start(maxBytes: number) {
  const budget = new ClockBudget<Entry>(maxBytes);
  return { budget, ...join(budget) };
}

/** One more cache with the same budget. */
function join(budget: ClockBudget<Entry>) {
  const removed: string[] = [];
  const table = new ClockCache<Entry, Entry>(budget, { removed: (entry) => removed.push(entry.key) });
  const owner: ClockOwner = { evict: (key) => table.delete(key) };
  const add = (key: string, sizeBytes: number) => table.set(entryOf(key, sizeBytes, owner));
  return { table, removed, add };
}

const keysByUse = (budget: ClockBudget<Entry>): string[] => [...budget.byUse()].map(({ key }) => key);

describe("ClockCache", () => {
  it("evicts the oldest unread entry, and spares a read entry once", () => {
    const { table, removed, add } = start(3);
    for (const key of ["a", "b", "c"]) add(key, 1);
    table.get("a");
    expect(add("d", 1)).toBe(1);
    expect(removed).toEqual(["b"]);
    add("e", 1);
    add("f", 1);
    expect(removed).toEqual(["b", "c", "a"]);
  });

  it("does not count a peek as a read", () => {
    const { table, removed, add } = start(2);
    for (const key of ["a", "b"]) add(key, 1);
    table.peek("a");
    add("c", 1);
    expect(removed).toEqual(["a"]);
  });

  it("lists the read entries first, each group from the newest", () => {
    const { table, add, budget } = start(10);
    for (const key of ["a", "b", "c", "d"]) add(key, 1);
    table.get("c");
    table.get("a");
    expect(keysByUse(budget)).toEqual(["c", "a", "d", "b"]);
  });

  it("reports a replaced entry as removed, and not as evicted", () => {
    const { removed, add, budget } = start(2);
    add("a", 1);
    expect(add("a", 2)).toBe(0);
    expect(removed).toEqual(["a"]);
    expect(budget.bytes).toBe(2);
  });

  it("spares a bounded number of entries for one fill, even when all were read", () => {
    const { table, add, budget } = start(1_000);
    for (let index = 0; index < 1_000; index += 1) {
      add(`${index}`, 1);
      table.get(`${index}`);
    }
    expect(add("new", 1)).toBe(1);
    const spared = [...budget.byUse()].filter(({ used, key }) => !used && key !== "new");
    expect(spared.length).toBeLessThanOrEqual(64);
    expect(table.peek("new")).toBeDefined();
  });

  it("behaves as a list with the same rules", () => {
    const key = fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h");
    const step = fc.oneof(
      fc.record({ do: fc.constant("set" as const), key, sizeBytes: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ do: fc.constantFrom("get" as const, "delete" as const, "clear" as const), key }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const maxBytes = 12;
        const { table, removed, add, budget } = start(maxBytes);
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
            add(one.key, one.sizeBytes);
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
          expect(keysByUse(budget)).toEqual(byUse.map((held) => held.key));
          expect(removed.toSorted()).toEqual(gone.toSorted());
          expect(budget.bytes).toBe(sum());
          expect(table.size).toBe(model.length);
        }
      }),
    );
  });

  it("shares a budget with others: the oldest entry of all of them is evicted", () => {
    const one = start(4);
    const other = join(one.budget);
    one.add("a", 1);
    other.add("a", 1);
    one.add("b", 1);
    other.add("b", 1);
    one.table.get("a");
    expect(other.add("c", 2)).toBe(2);
    expect([one.removed, other.removed]).toEqual([["b"], ["a"]]);
    expect(keysByUse(one.budget)).toEqual(["c", "a", "b"]);
    other.table.clear();
    expect([one.budget.size, one.budget.bytes, one.table.peek("a")?.key]).toEqual([1, 1, "a"]);
  });
});
