/** The records of namespaces, through views of one region, and whose slot is given up when a structure is full. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFingerprint } from "../../../src/store/hashing/fingerprint.ts";
import { isShared, type NamespaceTable } from "../../../src/store/namespaces/namespace-table.ts";
import { OwnerLists, ownerListsBytes } from "../../../src/store/namespaces/owner-lists.ts";
import { CELL } from "../../../src/store/namespaces/record-cells.ts";
import { createRegion } from "../../../src/store/shm/region.ts";
import { createNamespaceViews } from "../../support/test-namespaces.ts";

const fingerprintOf = createFingerprint([1n, 2n]);

function createTable(namespacesMax: number, shared = (): void => {}): NamespaceTable {
  const [table] = createNamespaceViews(fingerprintOf, 1, namespacesMax, shared);
  if (table === undefined) throw new Error("one view");
  return table;
}

describe("NamespaceTable", () => {
  it("gives a record at the first mutation, and none for a read", () => {
    const table = createTable(2);
    expect(isShared(table.find("n"))).toBe(true);
    const record = table.claim("n");
    expect([isShared(record), table.nameOf(record), table.find("n"), table.claim("n")]).toEqual([
      ...[false, "n", record, record],
    ]);
  });

  it("lets namespaces share records when all are in use, and says how often", () => {
    let shared = 0;
    const table = createTable(2, () => shared++);
    for (const namespace of ["n", "m"]) table.hold(table.claim(namespace));
    const record = table.claim("o");
    expect([isShared(record), table.nameOf(record), shared]).toEqual([true, undefined, 1]);
    expect(table.find("o")).toBe(record);
  });

  it("leaves a namespace in its shared record as long as that is in use", () => {
    const table = createTable(1);
    const own = table.claim("n");
    table.hold(own);
    const shared = table.claim("o");
    table.hold(shared);
    table.release(own);
    expect(table.claim("o")).toBe(shared);
    table.release(shared);
    expect(table.claim("o")).toBe(own);
    expect(table.nameOf(own)).toBe("o");
    expect(isShared(table.find("n"))).toBe(true);
  });

  it("keeps the counters of a record that is not in use until another namespace needs it, and then in the rest", () => {
    const table = createTable(1);
    const record = table.claim("n");
    table.chargeEntry(record, 1, 100);
    table.add(record, CELL.sets);
    table.chargeEntry(record, -1, 100);
    const usages = () => {
      const all: (string | number | undefined)[][] = [];
      table.each(({ namespace, entries, bytes, counters }) =>
        all.push([namespace, entries, bytes, counters.sets]),
      );
      return all;
    };
    expect(usages()).toEqual([
      ["n", 0, 0, 1],
      [undefined, 0, 0, 0],
    ]);
    table.claim("m");
    expect(usages()).toEqual([
      ["m", 0, 0, 0],
      [undefined, 0, 0, 1],
    ]);
  });

  it("finds for each name a record of its own or a shared one, whoever claims and whatever is forgotten", () => {
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom("claim", "claim", "hold", "release", "find"),
        view: fc.nat(2),
        name: fc.constantFrom("a", "b", "c", "d", "имя", "\ud800", "x".repeat(300)),
      }),
      { maxLength: 80 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), steps, (namespacesMax, history) => {
        const views = createNamespaceViews(fingerprintOf, 3, namespacesMax);
        /** What each name holds, and where. */
        const held: { name: string; record: number }[] = [];
        for (const { kind, view, name } of history) {
          const table = views[view];
          if (table === undefined) throw new Error("three views");
          if (kind === "release") {
            const last = held.findIndex((one) => one.name === name);
            if (last >= 0) table.release(held.splice(last, 1)[0]?.record ?? 0);
          } else {
            const record = kind === "find" ? table.find(name) : table.claim(name);
            if (!isShared(record)) expect(table.nameOf(record)).toBe(name);
            if (kind === "hold") {
              table.hold(record);
              held.push({ name, record });
            }
          }
          for (const one of held) {
            for (const reader of views) expect(reader.find(one.name)).toBe(one.record);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("OwnerLists", () => {
  it("are plain lists by owner, over any history and through either of two views", () => {
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom("add", "add", "remove", "renew"),
        slot: fc.integer({ min: 1, max: 8 }),
        owner: fc.nat(2),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, (history) => {
        const tables = createNamespaceViews(fingerprintOf, 2);
        const region = createRegion(ownerListsBytes(8, tables[0]?.records ?? 0));
        const [lists, reader] = tables.map((table) => new OwnerLists(region, 8, table));
        if (lists === undefined || reader === undefined) throw new Error("two views");
        let model: { slot: number; owner: number }[] = [];
        for (const { kind, slot, owner } of history) {
          const known = model.find((one) => one.slot === slot);
          if (kind === "add" && known === undefined) {
            lists.add(slot, owner);
            model.push({ slot, owner });
          } else if (known !== undefined && kind !== "add") {
            model = model.filter((one) => one !== known);
            if (kind === "remove") lists.remove(slot);
            else {
              lists.moveToNewest(slot);
              model.push(known);
            }
          }
          for (const asked of [0, 1, 2]) {
            const slots: number[] = [];
            for (let at = reader.oldestOf(asked); at !== 0; at = reader.newer(at)) slots.push(at);
            expect(slots).toEqual(model.filter((one) => one.owner === asked).map((one) => one.slot));
            expect(reader.countOf(asked)).toBe(slots.length);
          }
        }
      }),
    );
  });

  it("let the causer pay when it has an equal share, and else who has most", () => {
    const table = createTable(4);
    const lists = new OwnerLists(createRegion(ownerListsBytes(20, table.records)), 20, table);
    const owners = [1, 1, 1, 1, 2, 2, 3];
    for (const [at, owner] of owners.entries()) lists.add(at + 1, owner);
    // Seven slots of three owners: an equal share is more than two.
    expect([1, 2, 3, 4].map((causer) => lists.payerFor(causer))).toEqual([1, 1, 1, 1]);
    lists.add(8, 2);
    lists.add(9, 2);
    lists.add(10, 2);
    expect([1, 2, 3].map((causer) => lists.payerFor(causer))).toEqual([1, 2, 2]);
  });
});
