import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Fifo } from "../../src/common/fifo.ts";

const item = (id: number) => ({ id });

describe("Fifo", () => {
  it("gives its items in their order, as an array does", () => {
    const step = fc.oneof(fc.constant("push"), fc.constant("shift"), fc.constant("look"));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 500 }), fc.integer({ min: 0, max: 3_000 }), (steps, before) => {
        const fifo = new Fifo<{ id: number }>();
        const model: { id: number }[] = [];
        const push = (id: number) => {
          fifo.push(item(id));
          model.push(item(id));
        };
        for (let id = 0; id < before; id += 1) push(-id);
        for (let at = 0; at < before / 2; at += 1) expect(fifo.shift()).toEqual(model.shift());
        for (const [at, one] of steps.entries()) {
          if (one === "push") push(at);
          else if (one === "shift") expect(fifo.shift()).toEqual(model.shift());
          else expect([fifo.peek(), fifo.length]).toEqual([model[0], model.length]);
        }
        expect(fifo.toArray()).toEqual(model);
        fifo.clear();
        expect([fifo.length, fifo.peek(), fifo.shift()]).toEqual([0, undefined, undefined]);
      }),
      { numRuns: 50 },
    );
  });

  it("takes a million items as fast as it took them in", () => {
    const fifo = new Fifo<{ id: number }>();
    for (let id = 0; id < 1_000_000; id += 1) fifo.push(item(id));
    // As an array, where each `shift` moves the rest, this takes minutes.
    for (let id = 0; id < 1_000_000; id += 1) if (fifo.shift()?.id !== id) throw new Error(`not ${id}`);
    expect(fifo.length).toBe(0);
  });
});
