/** When a server looks for the next batch instead of sleeping, and for how long. */
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { type BusyPoll, createBusyPoll } from "../../src/server/busy-poll.ts";
import { ManualClock } from "../support/manual-clock.ts";

const BATCH = 24;
/** An eighth of a millisecond: sums of it are exact. */
const TURN_MICROS = 125;

let clock: ManualClock;
let turns: (() => void)[];
let busyPoll: BusyPoll;

const start = (maxMs: number): void => {
  clock = new ManualClock();
  turns = [];
  busyPoll = createBusyPoll({ maxMs, clock, nextTurn: (look) => turns.push(look) });
};
const turn = (micros: number): void => {
  clock.leap(micros / 1_000);
  for (const look of turns.splice(0)) look();
};
/** How long it looks, in turns of so many microseconds, when nothing comes. */
const lookInVain = (turnMicros: number): number => {
  const beganMs = clock.nowMs();
  while (turns.length > 0) turn(turnMicros);
  return Math.round((clock.nowMs() - beganMs) * 1_000);
};

beforeEach(() => start(1));

describe("Busy polling", () => {
  it("begins with a batch of 24 operations, and ends after its time", () => {
    busyPoll.tookBatch(BATCH - 1);
    expect(turns).toHaveLength(0);
    busyPoll.tookBatch(BATCH);
    expect(turns).toHaveLength(1);
    expect(lookInVain(TURN_MICROS)).toBe(1_000);
  });

  it("goes on while batches come, in one turn at a time", () => {
    busyPoll.tookBatch(BATCH);
    for (let batches = 0; batches < 1_000; batches++) {
      for (let looks = 0; looks < 7; looks++) turn(TURN_MICROS);
      busyPoll.tookBatch(BATCH);
      expect(turns).toHaveLength(1);
    }
    expect(lookInVain(TURN_MICROS)).toBe(1_000);
  });

  it("is not begun when it is switched off", () => {
    start(0);
    busyPoll.tookBatch(1_000);
    expect(turns).toHaveLength(0);
  });

  it("ends by the number of its turns under a clock that stands", () => {
    busyPoll.tookBatch(BATCH);
    let count = 0;
    for (; turns.length > 0; count++) turn(0);
    expect(count).toBe(1_000);
  });

  it("counts the time from a batch to the last look before the next, and all of it in vain", () => {
    busyPoll.tookBatch(BATCH);
    for (let looks = 0; looks < 3; looks++) turn(TURN_MICROS);
    // At work on the next batch.
    clock.leap(0.5);
    busyPoll.tookBatch(BATCH);
    expect(busyPoll.spentMicros).toBe(375);
    lookInVain(TURN_MICROS);
    expect(busyPoll.spentMicros).toBe(1_375);
  });

  it("looks in vain for a tenth of the time at most, beyond ten times at once", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1_001, max: 30_000 }), { minLength: 1, maxLength: 200 }),
        (gapsMicros) => {
          start(1);
          let passedMicros = 0;
          for (const gapMicros of gapsMicros) {
            busyPoll.tookBatch(BATCH);
            const looked = lookInVain(TURN_MICROS);
            clock.leap(Math.max(0, gapMicros - looked) / 1_000);
            passedMicros += Math.max(gapMicros, looked);
            expect(busyPoll.spentMicros).toBeLessThanOrEqual(passedMicros / 10 + 10 * 1_000 + 1);
          }
        },
      ),
    );
  });
});
