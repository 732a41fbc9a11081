/** Shedding by kind, with signals, time and chance that the test chooses. */
import { beforeEach, describe, expect, it } from "vitest";
import { pushbackMsOf } from "../../../src/common/errors.ts";
import { createSeededRng } from "../../../src/common/random.ts";
import { type LoadSignals, Overload } from "../../../src/server/limits/overload.ts";

const CHECK_MS = 250;
const signals = { delayMs: 0, waitMs: 0, held: 0, resident: 0 };
const observed: LoadSignals = {
  eventLoopDelayMs: () => signals.delayMs,
  oldestWaitMs: () => signals.waitMs,
  heldShare: () => signals.held,
  residentShare: () => signals.resident,
};
let overload: Overload;
let nowMs: number;

beforeEach(() => {
  Object.assign(signals, { delayMs: 0, waitMs: 0, held: 0, resident: 0 });
  overload = new Overload(observed, { shedDelayMs: 50, shedAfterMs: 1_000 }, createSeededRng(7));
  nowMs = 0;
});

function pass(ms: number): void {
  for (let passed = 0; passed < ms; passed += CHECK_MS) {
    nowMs += CHECK_MS;
    overload.check(nowMs);
  }
}
const parts = () => [overload.shedPart("set"), overload.shedPart("get")];

describe("A8: an overloaded server", () => {
  it.each([
    ["a late event loop", { delayMs: 51 }],
    ["a call that waits long for its turn", { waitMs: 51 }],
    ["much memory held by calls", { held: 0.9 }],
  ])("sheds for %s, when it lasts a second", (_, pressure) => {
    Object.assign(signals, pressure);
    pass(1_000);
    expect(parts()).toEqual([0, 0]);
    pass(CHECK_MS);
    expect(overload.shedPart("set")).toBeGreaterThan(0);
  });

  it("does not shed for pressure that comes and goes", () => {
    for (let round = 0; round < 20; round++) {
      signals.delayMs = 200;
      pass(750);
      signals.delayMs = 0;
      pass(CHECK_MS);
    }
    expect(parts()).toEqual([0, 0]);
  });

  it("sheds Sets first, then Gets, and never all Gets", () => {
    signals.waitMs = 200;
    let wasOnlySets = false;
    for (let check = 0; check < 100; check++) {
      pass(CHECK_MS);
      const [sets = 0, gets = 0] = parts();
      if (gets > 0) expect(sets).toBe(1);
      wasOnlySets ||= sets === 1 && gets === 0;
      expect(gets).toBeLessThan(1);
    }
    expect(wasOnlySets).toBe(true);
    expect(overload.shedPart("get")).toBeGreaterThan(0.9);
  });

  it.each([
    ["the event loop is late and no call waits: the host lacks a processor", { delayMs: 1_000 }],
    ["memory is held by calls: reads would not free it", { held: 1 }],
  ])("refuses Sets alone while %s", (_, pressure) => {
    Object.assign(signals, pressure);
    pass(30_000);
    expect(parts()).toEqual([1, 0]);
  });

  it("takes all Gets again when no call waits any more, though the event loop is late", () => {
    Object.assign(signals, { delayMs: 200, waitMs: 200 });
    pass(30_000);
    expect(overload.shedPart("get")).toBeGreaterThan(0.9);
    signals.waitMs = 0;
    pass(5_000);
    expect(parts()).toEqual([1, 0]);
  });

  it("is back to normal within 5 s of the end of the pressure", () => {
    signals.waitMs = 200;
    pass(30_000);
    signals.waitMs = 0;
    pass(5_000);
    expect(parts()).toEqual([0, 0]);
    expect(overload.refusalOf("set")).toBeUndefined();
  });

  it("refuses with UNAVAILABLE and a pushback that differs from call to call, and counts it", () => {
    signals.delayMs = 200;
    pass(30_000);
    const refusals = Array.from({ length: 200 }, () => overload.refusalOf("set"));
    expect(refusals.every((error) => error?.reason === "UNAVAILABLE")).toBe(true);
    const pushbacks = refusals.map(pushbackMsOf);
    expect(Math.min(...pushbacks)).toBeGreaterThanOrEqual(125);
    expect(Math.max(...pushbacks)).toBeLessThanOrEqual(375);
    expect(new Set(pushbacks).size).toBeGreaterThan(50);
    expect(overload.counts).toEqual({ get: 0, set: 200 });
  });

  it("refuses the part of Gets that it says", () => {
    signals.waitMs = 200;
    pass(2_500);
    const part = overload.shedPart("get");
    const refused = Array.from({ length: 2_000 }, () => overload.refusalOf("get")).filter(Boolean).length;
    expect([part > 0, Math.abs(refused / 2_000 - part) < 0.05]).toEqual([true, true]);
  });

  it("refuses Sets alone at 90 % of its memory, at once, and takes them again below", () => {
    signals.resident = 0.9;
    pass(CHECK_MS);
    expect(parts()).toEqual([1, 0]);
    signals.resident = 0.89;
    pass(CHECK_MS);
    expect(parts()).toEqual([0, 0]);
  });
});
