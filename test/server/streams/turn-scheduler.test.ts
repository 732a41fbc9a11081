/** Pumps of many streams: in slices, each once however often it is asked for, and nobody is forgotten. */

import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createTurnScheduler, deferOnce } from "../../../src/server/streams/turn-scheduler.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";

describe("createTurnScheduler()", () => {
  it("lets the event loop turn between slices, and runs all in their order", async () => {
    const defer = createTurnScheduler(loudBoundary);
    const ran: number[] = [];
    for (let index = 0; index < 1_000; index++) defer(() => ran.push(index));
    await nextTurn();
    expect(ran.length).toBeLessThan(100);
    while (ran.length < 1_000) await nextTurn();
    expect(ran).toEqual(Array.from({ length: 1_000 }, (_, index) => index));
  });

  it("runs again what asks again from inside its run, in a later turn", async () => {
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
  it("runs what was asked for many times once, and again what is asked for after that or in its run", async () => {
    let runs = 0;
    const ask = deferOnce(createTurnScheduler(loudBoundary), () => {
      runs += 1;
      if (runs === 2) ask();
    });
    for (let asked = 0; asked < 10; asked++) ask();
    expect(runs).toBe(0);
    await nextTurn();
    expect(runs).toBe(1);
    ask();
    await nextTurn();
    expect(runs).toBe(2);
    await nextTurn();
    await nextTurn();
    expect(runs).toBe(3);
  });
});
