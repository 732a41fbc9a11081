/** When a server polls for the next batch instead of sleeping, and for how long. */
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
  busyPoll = createBusyPoll({ maxMs, clock, boundary: loudBoundary, nextTurn: (poll) => turns.push(poll) });
};
const turn = (micros: number): void => {
  clock.leap(micros / 1_000);
  for (const poll of turns.splice(0)) poll();
};
/** How long it polls when no batch arrives. */
const pollUntilItEnds = (): number => {
  const beganMicros = clock.nowMicros();
  while (turns.length > 0) turn(TURN_MICROS);
  return clock.nowMicros() - beganMicros;
};

beforeEach(() => start(1));

describe("Busy polling", () => {
  it("begins with a batch of 24 operations, and ends after maxMs", () => {
    busyPoll.sawBatch(BATCH - 1);
    expect(turns).toHaveLength(0);
    busyPoll.sawBatch(BATCH);
    expect(turns).toHaveLength(1);
    expect(pollUntilItEnds()).toBe(1_000);
  });

  it("goes on while batches arrive, with one turn at a time", () => {
    busyPoll.sawBatch(BATCH);
    for (let batches = 0; batches < 1_000; batches++) {
      for (let polls = 0; polls < 7; polls++) turn(TURN_MICROS);
      busyPoll.sawBatch(BATCH);
      expect(turns).toHaveLength(1);
    }
    expect(pollUntilItEnds()).toBe(1_000);
  });

  it("does not begin when it is switched off", () => {
    start(0);
    busyPoll.sawBatch(1_000);
    expect(turns).toHaveLength(0);
  });

  it("ends after a number of turns when the clock stands still", () => {
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
    // Two batches, and the work on them, within one turn.
    clock.leap(0.25);
    busyPoll.sawBatch(BATCH);
    clock.leap(0.25);
    busyPoll.sawBatch(BATCH);
    turn(0);
    expect(busyPoll.spentMicros).toBeCloseTo(15.625);
  });

  it.each([1, 2])("polls without a batch ten times at once, then a tenth of the time (%i ms)", (maxMs) => {
    start(maxMs);
    // Each batch comes too late for the poll after the one before.
    const pollsIn = (batches: number): number => {
      let polls = 0;
      for (let batch = 0; batch < batches; batch++) {
        const nextAtMs = clock.nowMs() + 2 * maxMs;
        busyPoll.sawBatch(BATCH);
        if (turns.length > 0) polls += 1;
        pollUntilItEnds();
        clock.leap(nextAtMs - clock.nowMs());
      }
      return polls;
    };
    expect(pollsIn(10)).toBe(10);
    // One of the ten had been regained meanwhile.
    expect(pollsIn(5_000)).toBe(1_000 + 1);
  });
});
