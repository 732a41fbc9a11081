/** Pumps of many streams: once each, in slices, and nobody is forgotten. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createPumpScheduler } from "../../src/server/pump-scheduler.ts";

describe("createPumpScheduler()", () => {
  it("runs what was asked for many times once", async () => {
    const defer = createPumpScheduler();
    let runs = 0;
    const run = () => {
      runs += 1;
    };
    for (let asked = 0; asked < 10; asked++) defer(run);
    expect(runs).toBe(0);
    await nextTurn();
    expect(runs).toBe(1);
  });

  it("lets the event loop turn between slices, and runs all in their order", async () => {
    const defer = createPumpScheduler();
    const ran: number[] = [];
    for (let index = 0; index < 1_000; index++) defer(() => ran.push(index));
    await nextTurn();
    expect(ran.length).toBeLessThan(100);
    while (ran.length < 1_000) await nextTurn();
    expect(ran).toEqual(Array.from({ length: 1_000 }, (_, index) => index));
  });

  it("runs again what asks again from inside its run, in a later turn", async () => {
    const defer = createPumpScheduler();
    let runs = 0;
    const run = () => {
      runs += 1;
      if (runs < 5) defer(run);
    };
    defer(run);
    await nextTurn();
    expect(runs).toBe(1);
    while (runs < 5) await nextTurn();
    await nextTurn();
    expect(runs).toBe(5);
  });
});
