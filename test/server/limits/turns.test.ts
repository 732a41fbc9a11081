/** Turns of the event loop: bounded by work, in which connections take turns. */
import { describe, expect, it } from "vitest";
import { Turns } from "../../../src/server/limits/turns.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const MAX = 1_000;

function createTurns() {
  const next: (() => void)[] = [];
  const clock = new ManualClock();
  const turns = new Turns(MAX, clock, loudBoundary, (run) => next.push(run));
  const passTurn = () => {
    for (const run of next.splice(0)) run();
  };
  return { turns, clock, passTurn, scheduled: () => next.length };
}

describe("A4: a turn of the event loop", () => {
  it("admits calls until its work is done, and again in the next turn", () => {
    const { turns, passTurn } = createTurns();
    const owner = {};
    expect(turns.admits(owner)).toBe(true);
    turns.spend(MAX - 1);
    expect([turns.admits(owner), turns.over]).toEqual([true, false]);
    turns.spend(1);
    expect([turns.admits(owner), turns.over]).toEqual([false, true]);
    passTurn();
    expect([turns.admits(owner), turns.over]).toEqual([true, false]);
  });

  it("costs nothing while there is little to do", () => {
    const { turns, scheduled } = createTurns();
    turns.spend(MAX / 10);
    expect(scheduled()).toBe(0);
  });

  it("runs the calls of one connection in their order, whatever its turns", () => {
    const { turns, passTurn } = createTurns();
    const owner = {};
    const ran: number[] = [];
    turns.spend(MAX);
    for (let index = 0; index < 5; index++) {
      expect(turns.admits(owner)).toBe(false);
      turns.wait(owner, () => {
        ran.push(index);
        turns.spend(MAX / 2);
      });
    }
    passTurn();
    expect(ran).toEqual([0, 1]);
    // Others may run meanwhile, but no later call of this connection.
    expect(turns.admits(owner)).toBe(false);
    passTurn();
    passTurn();
    expect(ran).toEqual([0, 1, 2, 3, 4]);
  });

  it("lets connections take turns", () => {
    const { turns, passTurn } = createTurns();
    const ran: string[] = [];
    turns.spend(MAX);
    for (const name of ["a", "b", "c"]) {
      const owner = {};
      for (let index = 0; index < 2; index++) {
        turns.wait(owner, () => {
          ran.push(`${name}${index}`);
          turns.spend(MAX / 4);
        });
      }
    }
    passTurn();
    passTurn();
    expect(ran).toEqual(["a0", "b0", "c0", "a1", "b1", "c1"]);
  });

  it("runs a connection that has not waited of late before those that have", () => {
    const { turns, passTurn } = createTurns();
    const busy = Array.from({ length: 50 }, () => ({}));
    let heavy = 0;
    const work = () => {
      heavy += 1;
      turns.spend(MAX);
    };
    turns.spend(MAX);
    for (const owner of busy) for (let call = 0; call < 4; call++) turns.wait(owner, work);
    for (let turn = 0; turn < 60; turn++) passTurn();
    const before = heavy;
    let isServed = false;
    turns.wait({}, () => {
      isServed = true;
    });
    passTurn();
    expect([isServed, heavy - before]).toEqual([true, 1]);
  });

  it("goes on with what has begun before it begins the next call of a connection", () => {
    const { turns, passTurn } = createTurns();
    const owner = {};
    const ran: string[] = [];
    turns.spend(MAX);
    turns.wait(owner, () => {
      ran.push("first");
      turns.spend(MAX);
      turns.goOn(owner, () => ran.push("rest of the first"));
    });
    turns.wait(owner, () => ran.push("second"));
    passTurn();
    passTurn();
    expect(ran).toEqual(["first", "rest of the first", "second"]);
  });

  it("knows how long the call that waits longest has waited", () => {
    const { turns, clock, passTurn } = createTurns();
    turns.spend(MAX);
    turns.wait({}, () => {});
    clock.advance(30);
    turns.wait({}, () => {});
    clock.advance(10);
    expect(turns.oldestWaitMs(clock.nowMs())).toBe(40);
    passTurn();
    expect(turns.oldestWaitMs(clock.nowMs())).toBe(0);
  });
});
