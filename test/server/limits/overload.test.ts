/** Shedding by kind, with signals, time and chance that the test chooses. */
import { beforeEach, describe, expect, it } from "vitest";
import { pushbackMsOf } from "../../../src/common/errors.ts";
import { createSeededRng } from "../../../src/common/random.ts";
import { type LoadSignals, Overload } from "../../../src/server/limits/overload.ts";

const CHECK_MS = 250;
const CALM = { delayMs: 0, waitMs: 0, othersWaitMs: 0, held: 0, resident: 0 };
const signals = { ...CALM };
/** The connections of who makes the load, and of somebody else. */
const busy = {};
const other = {};
const observed: LoadSignals = {
  eventLoopDelayMs: () => signals.delayMs,
  oldestWaitMs: (_, ofBusy) => (ofBusy ? signals.waitMs : signals.othersWaitMs),
  heldShare: () => signals.held,
  residentShare: () => signals.resident,
  isBusy: (connection) => connection === busy,
};
let overload: Overload;
let nowMs: number;

beforeEach(() => {
  Object.assign(signals, CALM);
  overload = new Overload(observed, { shedDelayMs: 50, shedAfterMs: 1_000 }, createSeededRng(7));
  nowMs = 0;
});

function pass(ms: number): void {
  for (let passed = 0; passed < ms; passed += CHECK_MS) {
    nowMs += CHECK_MS;
    overload.check(nowMs);
  }
}
/** Of Sets and Gets that are refused, to busy connections and to others. */
const parts = () => [...partsOf(true), ...partsOf(false)];
const partsOf = (isBusy: boolean) => [overload.shedPart("set", isBusy), overload.shedPart("get", isBusy)];
const NONE = [0, 0, 0, 0];

describe("A8: an overloaded server", () => {
  it.each([
    ["a late event loop", { delayMs: 51 }],
    ["a call that waits long for its turn", { waitMs: 51 }],
    ["much memory held by calls", { held: 0.9 }],
  ])("sheds for %s, when it lasts a second", (_, pressure) => {
    Object.assign(signals, pressure);
    pass(1_000);
    expect(parts()).toEqual(NONE);
    pass(CHECK_MS);
    expect(overload.shedPart("set", true)).toBeGreaterThan(0);
  });

  it("does not shed for pressure that comes and goes", () => {
    for (let round = 0; round < 20; round++) {
      signals.delayMs = 200;
      pass(750);
      signals.delayMs = 0;
      pass(CHECK_MS);
    }
    expect(parts()).toEqual(NONE);
  });

  it("sheds Sets of busy connections first, then their Gets, then those of others, and never all Gets of these", () => {
    Object.assign(signals, { waitMs: 200, othersWaitMs: 200 });
    let before = parts();
    const order: number[] = [];
    for (let check = 0; check < 100; check++) {
      pass(CHECK_MS);
      const now = parts();
      for (const [index, part] of now.entries()) {
        if (part > 0 && before[index] === 0) order.push(index);
        // Nothing of the next kind is refused before all of this kind is.
        if (part > 0) expect(order.slice(0, order.indexOf(index)).every((one) => now[one] === 1)).toBe(true);
      }
      before = now;
    }
    expect(order).toEqual([0, 1, 2, 3]);
    expect(before[3]).toBeGreaterThan(0.9);
    expect(before[3]).toBeLessThan(1);
  });

  it("refuses Sets of busy connections alone while the event loop is late and no call waits: the host lacks a processor", () => {
    signals.delayMs = 1_000;
    pass(30_000);
    expect(parts()).toEqual([1, 0, 0, 0]);
  });

  it("refuses all Sets and no Gets while memory is held by calls: reads would not free it", () => {
    signals.held = 1;
    pass(30_000);
    expect(parts()).toEqual([1, 0, 1, 0]);
  });

  it("takes all Gets again when no call waits any more, though the event loop is late", () => {
    Object.assign(signals, { delayMs: 200, waitMs: 200 });
    pass(30_000);
    expect(overload.shedPart("get", true)).toBe(1);
    signals.waitMs = 0;
    pass(5_000);
    expect(parts()).toEqual([1, 0, 0, 0]);
  });

  it("refuses nothing to those whose calls do not wait, however long the pressure lasts", () => {
    signals.waitMs = 200;
    pass(60_000);
    expect(parts()).toEqual([1, 1, 0, 0]);
    expect(overload.refusalOf("get", other)).toBeUndefined();
    const refused = Array.from({ length: 200 }, () => overload.refusalOf("get", busy)).filter(Boolean);
    expect(refused.length).toBeGreaterThan(0);
  });

  it("is back to normal within 5 s of the end of the pressure", () => {
    signals.waitMs = 200;
    pass(30_000);
    signals.waitMs = 0;
    pass(5_000);
    expect(parts()).toEqual(NONE);
    expect(overload.refusalOf("set", busy)).toBeUndefined();
  });

  it("refuses with UNAVAILABLE and a pushback that differs from call to call, and counts it", () => {
    signals.delayMs = 200;
    pass(30_000);
    const refusals = Array.from({ length: 200 }, () => overload.refusalOf("set", busy));
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
    const part = overload.shedPart("get", true);
    const refused = Array.from({ length: 2_000 }, () => overload.refusalOf("get", busy)).filter(Boolean);
    expect([part > 0, Math.abs(refused.length / 2_000 - part) < 0.05]).toEqual([true, true]);
  });

  it("refuses Sets alone at 90 % of its memory, at once, and takes them again below", () => {
    signals.resident = 0.9;
    pass(CHECK_MS);
    expect(parts()).toEqual([1, 0, 1, 0]);
    signals.resident = 0.89;
    pass(CHECK_MS);
    expect(parts()).toEqual(NONE);
  });
});
