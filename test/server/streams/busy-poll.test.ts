/** When a server looks for the next batch instead of sleeping, and for how long. */

import { beforeEach, describe, expect, it } from "vitest";
import { type BusyPoll, createBusyPoll } from "../../../src/server/streams/busy-poll.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const BATCH = 24;
/** An eighth of a millisecond: sums of it are exact. */
const TURN_MICROS = 125;

let clock: ManualClock;
let turns: (() => void)[];
let busyPoll: BusyPoll;

const start = (maxMs: number): void => {
  clock = new ManualClock();
  turns = [];
  busyPoll = createBusyPoll({ maxMs, clock, boundary: loudBoundary, nextTurn: (look) => turns.push(look) });
};
const turn = (micros: number): void => {
  clock.leap(micros / 1_000);
  for (const look of turns.splice(0)) look();
};
/** How long it looks when nothing comes. */
const lookInVain = (): number => {
  const beganMicros = clock.nowMicros();
  while (turns.length > 0) turn(TURN_MICROS);
  return clock.nowMicros() - beganMicros;
};

beforeEach(() => start(1));

describe("Busy polling", () => {
  it("begins with a batch of 24 operations, and ends after its time", () => {
    busyPoll.sawBatch(BATCH - 1);
    expect(turns).toHaveLength(0);
    busyPoll.sawBatch(BATCH);
    expect(turns).toHaveLength(1);
    expect(lookInVain()).toBe(1_000);
  });

  it("goes on while batches come, in one turn at a time", () => {
    busyPoll.sawBatch(BATCH);
    for (let batches = 0; batches < 1_000; batches++) {
      for (let looks = 0; looks < 7; looks++) turn(TURN_MICROS);
      busyPoll.sawBatch(BATCH);
      expect(turns).toHaveLength(1);
    }
    expect(lookInVain()).toBe(1_000);
  });

  it("is not begun when it is switched off", () => {
    start(0);
    busyPoll.sawBatch(1_000);
    expect(turns).toHaveLength(0);
  });

  it("ends by the number of its turns under a clock that stands", () => {
    busyPoll.sawBatch(BATCH);
    let count = 0;
    for (; turns.length > 0; count++) turn(0);
    expect(count).toBe(1_000);
  });

  it("counts the turns in which there was nothing to do", () => {
    busyPoll.sawBatch(BATCH);
    for (const micros of [15.625, 20, 250_000, 15.625]) turn(micros);
    expect(busyPoll.spentMicros).toBeCloseTo(35.625);
    start(1);
    busyPoll.sawBatch(BATCH);
    turn(15.625);
    // Two batches, and the work on them, in one turn.
    clock.leap(0.25);
    busyPoll.sawBatch(BATCH);
    clock.leap(0.25);
    busyPoll.sawBatch(BATCH);
    turn(0);
    expect(busyPoll.spentMicros).toBeCloseTo(15.625);
  });

  it.each([1, 2])("looks in vain ten times at once, then for a tenth of the time (%i ms)", (maxMs) => {
    start(maxMs);
    // As batches come that are too far apart: one every two looks' time.
    const looksIn = (batches: number): number => {
      let looks = 0;
      for (let batch = 0; batch < batches; batch++) {
        const nextAtMs = clock.nowMs() + 2 * maxMs;
        busyPoll.sawBatch(BATCH);
        if (turns.length > 0) looks += 1;
        lookInVain();
        clock.leap(nextAtMs - clock.nowMs());
      }
      return looks;
    };
    expect(looksIn(10)).toBe(10);
    // Of the ten one had come back.
    expect(looksIn(5_000)).toBe(1_000 + 1);
  });
});
