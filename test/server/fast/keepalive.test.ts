/** Keepalive of single-stream connections: silence ends them, and a stop of the server itself does not. */
import { describe, expect, it } from "vitest";
import type { Clock } from "../../../src/common/clock.ts";
import { createSeededRng } from "../../../src/common/random.ts";
import { startKeepalive } from "../../../src/server/fast/keepalive.ts";
import { resolveTransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";

const limits = resolveTransportLimits({ keepaliveTimeMs: 10_000, keepaliveTimeoutMs: 5_000 });

/** Its time leaps over what is due, as after a suspension: timers run once it is over. */
function leapingClock() {
  let nowMs = 0;
  const timers = new Set<{ readonly atMs: number; readonly run: () => void }>();
  const clock: Clock = {
    nowMs: () => nowMs,
    nowMicros: () => nowMs * 1_000,
    wallMs: () => nowMs,
    schedule(delayMs, run) {
      const timer = { atMs: nowMs + delayMs, run };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
  };
  const leap = (byMs: number) => {
    nowMs += byMs;
    for (const timer of [...timers]) if (timer.atMs <= nowMs && timers.delete(timer)) timer.run();
  };
  return { clock, leap };
}

function start() {
  const { clock, leap } = leapingClock();
  const answers: (() => void)[] = [];
  let destroyed = 0;
  const connection = {
    ping: (answered: () => void) => answers.push(answered) > 0,
    retire: () => {},
    destroy: () => {
      destroyed += 1;
    },
  };
  const rng = createSeededRng(1);
  startKeepalive(connection, { limits, clock, rng, boundary: loudBoundary }).begun();
  return { leap, answers, destroyed: () => destroyed };
}

describe("keepalive of a single-stream connection", () => {
  it("ends a connection that does not answer in time", () => {
    const { leap, answers, destroyed } = start();
    leap(10_000);
    expect(answers).toHaveLength(1);
    leap(4_999);
    expect(destroyed()).toBe(0);
    leap(1);
    expect(destroyed()).toBe(1);
  });

  it("waits once more for an answer that was not read because the server was stopped", () => {
    const { leap, answers, destroyed } = start();
    leap(10_000);
    leap(60_000);
    expect(destroyed()).toBe(0);
    answers[0]?.();
    leap(10_000);
    expect([answers.length, destroyed()]).toEqual([2, 0]);
  });

  it("waits no second time", () => {
    const { leap, destroyed } = start();
    leap(10_000);
    leap(60_000);
    leap(60_000);
    expect(destroyed()).toBe(1);
  });
});
