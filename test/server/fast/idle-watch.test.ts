import { beforeEach, describe, expect, it } from "vitest";
import { type IdleWatch, startIdleWatch } from "../../../src/server/fast/idle-watch.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const IDLE_MS = 100;

let clock: ManualClock;
let retired: number;
let watch: IdleWatch;
beforeEach(() => {
  clock = new ManualClock();
  retired = 0;
  const connection = {
    retire() {
      retired += 1;
    },
    destroy() {},
  };
  watch = startIdleWatch(connection, {
    limits: { connectionIdleMs: IDLE_MS },
    clock,
    boundary: loudBoundary,
  });
});

describe("a connection is asked to go", () => {
  it("once, when it never had a call", () => {
    clock.advance(IDLE_MS - 1);
    expect(retired).toBe(0);
    clock.advance(1);
    expect(retired).toBe(1);
    clock.advance(10 * IDLE_MS);
    expect([retired, clock.pending]).toEqual([1, 0]);
  });

  it("not while it has a call, and as long after its end as without one", () => {
    watch.busy();
    clock.advance(10.5 * IDLE_MS);
    watch.idle();
    clock.advance(IDLE_MS - 1);
    expect(retired).toBe(0);
    clock.advance(1);
    expect(retired).toBe(1);
  });

  it("not while calls come, and keeps one timer for all of them", () => {
    for (let count = 0; count < 1_000; count++) {
      watch.busy();
      watch.idle();
      clock.advance(IDLE_MS / 4);
      expect(clock.pending).toBe(1);
    }
    expect(retired).toBe(0);
  });

  it("not when it is closed", () => {
    watch.stop();
    clock.advance(10 * IDLE_MS);
    expect([retired, clock.pending]).toEqual([0, 0]);
  });
});
