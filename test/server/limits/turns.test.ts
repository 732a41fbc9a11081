/** Turns of the event loop: bounded by work, in which connections take turns. */
import { describe, expect, it } from "vitest";
import type { Boundary } from "../../../src/common/boundary.ts";
import { Reader } from "../../../src/server/limits/readers.ts";
import { Turns } from "../../../src/server/limits/turns.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const MAX = 1_000;

function createTurns(boundary: Boundary = loudBoundary) {
  const next: (() => void)[] = [];
  const clock = new ManualClock();
  const turns = new Turns(MAX, clock, boundary, (run) => next.push(run));
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

  it("counts what a connection brings as work of its share", () => {
    const { turns, passTurn } = createTurns();
    const reader = new Reader({ stop() {}, resume: () => true, readRest() {}, unreadBytes: 0 }, () => 0);
    const [bringer, other] = [{ reader }, {}];
    const ran: string[] = [];
    const call = (name: string) => () => {
      ran.push(name);
      turns.spend(MAX / 8);
    };
    turns.wait(other, call("other"));
    passTurn();
    // It begins many calls, while the other one has its third and fourth: neither is new then.
    turns.arrived(bringer, MAX);
    turns.wait(bringer, call("bringer"));
    for (let index = 0; index < 8; index++) turns.wait(other, call("other"));
    passTurn();
    passTurn();
    expect(ran).toEqual([...Array(9).fill("other"), "bringer"]);
  });

  it("lets a connection run some calls at once that come behind a pause", () => {
    const { turns, passTurn } = createTurns();
    const hogs = Array.from({ length: 16 }, () => ({}));
    const ran: string[] = [];
    const hog = (owner: object) => {
      ran.push("hog");
      turns.spend(MAX);
      turns.goOn(owner, () => hog(owner));
    };
    turns.spend(MAX);
    for (const owner of hogs) turns.wait(owner, () => hog(owner));
    for (let turn = 0; turn < 40; turn++) passTurn();
    ran.length = 0;
    const polite = {};
    for (let index = 0; index < 4; index++) {
      turns.wait(polite, () => {
        ran.push("polite");
        turns.spend(MAX / 15);
      });
    }
    passTurn();
    expect(ran).toEqual(["polite", "polite", "polite", "polite", "hog"]);
  });

  it("shares turns by work: what goes on for whole turns does not hold back many small calls", () => {
    const { turns, passTurn } = createTurns();
    const hogs = Array.from({ length: 4 }, () => ({}));
    const hogTurns = hogs.map(() => 0);
    const hog = (index: number) => {
      hogTurns[index] = (hogTurns[index] ?? 0) + 1;
      turns.spend(MAX);
      turns.goOn(hogs[index] ?? {}, () => hog(index));
    };
    turns.spend(MAX);
    hogs.forEach((owner, index) => {
      turns.wait(owner, () => hog(index));
    });
    const small = {};
    let ran = 0;
    for (let call = 0; call < 400; call++) {
      turns.wait(small, () => {
        ran += 1;
        turns.spend(MAX / 50);
      });
    }
    for (let turn = 0; turn < 40; turn++) passTurn();
    // Of the work of forty turns it has about a fifth, and so has each of the others.
    expect(ran / 50).toBeGreaterThan(6);
    expect(ran / 50).toBeLessThan(10);
    for (const count of hogTurns) expect(count).toBeGreaterThanOrEqual(7);
  });

  it("calls a connection busy when it has done the work of its share and more calls wait", () => {
    const { turns, passTurn } = createTurns();
    const [busy, other] = [{}, {}];
    const call = () => turns.spend(MAX / 40);
    turns.spend(MAX);
    for (let index = 0; index < 100; index++) turns.wait(busy, call);
    for (let index = 0; index < 2; index++) turns.wait(other, call);
    expect([turns.isBusy(busy), turns.isBusy(other)]).toEqual([false, false]);
    passTurn();
    expect([turns.isBusy(busy), turns.isBusy(other)]).toEqual([true, false]);
  });

  it("does not take an owner for new that comes back as soon as its calls have run", () => {
    const { turns, passTurn } = createTurns();
    const [eager, heavy, fresh] = [{}, {}, {}];
    const ran: string[] = [];
    turns.spend(MAX);
    turns.wait(eager, () => ran.push("eager"));
    turns.wait(heavy, () => {
      ran.push("heavy");
      turns.spend(MAX);
    });
    passTurn();
    turns.wait(eager, () => ran.push("eager again"));
    turns.wait(fresh, () => ran.push("fresh"));
    passTurn();
    expect(ran).toEqual(["eager", "heavy", "fresh", "eager again"]);
  });

  it.each([
    ["before those of others that wait, when it has done little", MAX / 20, ["asked", "asked", "asked"]],
    ["with theirs, when it has done its first share", MAX / 3, ["asked", "busy", "busy"]],
  ])("runs the next call of an owner %s", (_, bytes, first) => {
    const { turns, passTurn } = createTurns();
    const asking = {};
    const ran: string[] = [];
    const call = (name: string, work: number) => () => {
      ran.push(name);
      turns.spend(work);
    };
    turns.spend(MAX);
    const busy = Array.from({ length: 40 }, () => ({}));
    for (const owner of busy)
      for (let index = 0; index < 10; index++) turns.wait(owner, call("busy", MAX / 4));
    for (let turn = 0; turn < busy.length / 3; turn++) passTurn();
    ran.length = 0;
    const firstOfTurns = first.map(() => {
      turns.wait(asking, call("asked", bytes));
      passTurn();
      return ran.splice(0)[0];
    });
    expect(firstOfTurns).toEqual(first);
  });

  it("goes on behind a call that throws, also where the boundary does not contain it", () => {
    const leaky: Boundary = {
      ...loudBoundary,
      guard: (_owner, run) => run,
      caught(_owner, error) {
        throw error;
      },
    };
    const { turns, passTurn } = createTurns(leaky);
    const owner = {};
    let ran = 0;
    turns.spend(MAX);
    turns.wait(owner, () => {
      throw new Error("thrown by a call");
    });
    turns.wait(owner, () => {
      ran += 1;
    });
    expect(passTurn).toThrow("thrown by a call");
    turns.wait({}, () => {
      ran += 1;
    });
    // What threw was about to ask for the next turn: the next work does.
    turns.spend(MAX);
    passTurn();
    expect(ran).toBe(2);
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

  it("knows how long the oldest has waited of what one connection has begun", () => {
    const { turns, clock } = createTurns();
    turns.spend(MAX);
    const owner = {};
    turns.goOn(owner, () => {});
    clock.advance(30);
    turns.goOn(owner, () => {});
    clock.advance(10);
    expect(turns.oldestWaitMs(clock.nowMs())).toBe(40);
  });
});
