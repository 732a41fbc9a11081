/** Deferred functions: a limited number in each turn, in their order, none forgotten and none run twice. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createTurnScheduler, deferOnce } from "../../../src/server/streams/turn-scheduler.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";

describe("createTurnScheduler()", () => {
  it("runs a limited number in each turn, and all of them in their order", async () => {
    const defer = createTurnScheduler(loudBoundary);
    const ran: number[] = [];
    for (let index = 0; index < 1_000; index++) defer(() => ran.push(index));
    await nextTurn();
    expect(ran.length).toBeLessThan(100);
    while (ran.length < 1_000) await nextTurn();
    expect(ran).toEqual(Array.from({ length: 1_000 }, (_, index) => index));
  });

  it("runs a function that defers itself again in a later turn", async () => {
    const defer = createTurnScheduler(loudBoundary);
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

describe("deferOnce()", () => {
  it("runs once for many calls, and again for a call after or during the run", async () => {
    let runs = 0;
    const runLater = deferOnce(createTurnScheduler(loudBoundary), () => {
      runs += 1;
      if (runs === 2) runLater();
    });
    for (let calls = 0; calls < 10; calls++) runLater();
    expect(runs).toBe(0);
    await nextTurn();
    expect(runs).toBe(1);
    runLater();
    await nextTurn();
    expect(runs).toBe(2);
    await nextTurn();
    await nextTurn();
    expect(runs).toBe(3);
  });
});
