/** The numbers of names that several threads share, against a map; each thread is a view over the same memory. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { STRING_TABLE_BYTES, StringTable } from "../../../src/store/events/string-table.ts";
import { createRegion } from "../../../src/store/shm/region.ts";

function createViews(count: number): readonly StringTable[] {
  const region = createRegion(STRING_TABLE_BYTES);
  return Array.from({ length: count }, () => new StringTable(region));
}

/** Few and short, so that they come again. */
const name = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 5 }).map((number) => "n".repeat(number)) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 400 }).map((number) => `client-${number}`) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 90 }) },
);

describe("StringTable", () => {
  it("is one set of numbers to all threads, whichever of them uses and releases names", () => {
    const steps = fc.array(
      fc.record({ view: fc.nat({ max: 2 }), release: fc.boolean(), name, pick: fc.nat() }),
      { maxLength: 400, size: "max" },
    );
    const scenario = fc.property(steps, (history) => {
      const views = createViews(3);
      /** Every use not released yet. */
      const uses: { readonly name: string; readonly id: number }[] = [];
      for (const step of history) {
        const view = views[step.view];
        if (step.release && uses.length > 0) {
          const [released] = uses.splice(step.pick % uses.length, 1);
          view?.release(released?.id ?? 0);
        } else {
          const known = uses.find((use) => use.name === step.name)?.id;
          const id = view?.use(step.name) ?? 0;
          if (known !== undefined) expect(id).toBe(known);
          else if (id !== 0) expect(uses.map((use) => use.id)).not.toContain(id);
          uses.push({ name: step.name, id });
        }
        const looking = views[step.pick % views.length];
        for (const use of uses.slice(-5)) {
          expect(looking?.idOf(use.name)).toBe(use.id);
          if (use.id !== 0) expect(looking?.nameOf(use.id)).toBe(use.name);
        }
        if (!uses.some((use) => use.name === step.name)) expect(looking?.idOf(step.name)).toBe(0);
      }
    });
    fc.assert(scenario, { numRuns: 60 });
  });

  it("gives numbers to 255 names at once, and to another one when one of them is free", () => {
    const [one, other] = createViews(2);
    for (let number = 1; number <= 255; number++) expect(one?.use(`client-${number}`)).toBe(number);
    expect(other?.use("late")).toBe(0);
    expect(other?.idOf("client-255")).toBe(255);
    one?.release(7);
    expect(other?.idOf("client-7")).toBe(0);
    expect(other?.use("late")).toBe(7);
    expect(one?.nameOf(7)).toBe("late");
  });

  it("catches up after more changes than are remembered one by one", () => {
    const [one, other] = createViews(2);
    expect(one?.use("first")).toBe(1);
    expect(other?.nameOf(1)).toBe("first");
    for (let number = 0; number < 1_000; number++) one?.release(one.use(`client-${number}`));
    one?.release(1);
    expect(one?.use("last")).toBe(1);
    expect([other?.nameOf(1), other?.idOf("first"), other?.idOf("last")]).toEqual(["last", 0, 1]);
  });

  it("has numbers for names of up to 256 bytes that other threads can read", () => {
    const [names] = createViews(1);
    expect(names?.use("n".repeat(257))).toBe(0);
    expect(names?.use("ß".repeat(129))).toBe(0);
    expect(names?.use("lone \ud800")).toBe(0);
    expect(names?.use("ß".repeat(128))).toBe(1);
    expect(names?.use("n".repeat(256))).toBe(2);
    expect([names?.nameOf(1), names?.nameOf(2)]).toEqual(["ß".repeat(128), "n".repeat(256)]);
  });
});
