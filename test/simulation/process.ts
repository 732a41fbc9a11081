/**
 * A simulated operating-system process. It has a monotonic clock with an origin of its own. While it is
 * paused, its timers and incoming work wait, but its clock goes on. Once it is killed, nothing in it runs.
 */
import type { Clock } from "../../src/common/clock.ts";
import type { Rng } from "../../src/common/random.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface SimulatedProcess {
  readonly name: string;
  readonly clock: Clock;
  alive(): boolean;
  /**
   * Runs `run` in the process: now, or after the pause. Work of one lane keeps its order. After a pause the work of
   * different lanes (timers, each link, the program) is interleaved at random, as in a real process.
   */
  deliver(lane: unknown, run: () => void): void;
  /** Resolves after `delayMs` of running time. Never in a killed process. */
  sleep(delayMs: number): Promise<void>;
  pause(durationMs: number): void;
  kill(): void;
}

export function createProcess(name: string, time: VirtualTime, rng: Rng): SimulatedProcess {
  // The clocks of different processes have different origins, so code that mixes two of them fails.
  const originMs = Math.floor(rng.fraction() * 1e9);
  const timers = {};
  let alive = true;
  let pausedUntilMs = -1;
  let waiting: { readonly lane: unknown; readonly run: () => void }[] = [];

  function resume(): void {
    if (!alive || time.nowMs() < pausedUntilMs) return;
    const lanes = [...new Set(waiting.map((work) => work.lane))];
    const lane = lanes[Math.floor(rng.fraction() * lanes.length)];
    const index = waiting.findIndex((work) => work.lane === lane);
    const [work] = index < 0 ? [] : waiting.splice(index, 1);
    if (work === undefined) return;
    work.run();
    if (waiting.length > 0) time.at(time.nowMs(), resume);
  }

  function deliver(lane: unknown, run: () => void): void {
    if (!alive) return;
    if (time.nowMs() < pausedUntilMs || waiting.length > 0) waiting.push({ lane, run });
    else run();
  }

  const clock: Clock = {
    nowMs: () => originMs + time.nowMs(),
    nowMicros: () => (originMs + time.nowMs()) * 1_000,
    schedule(delayMs, run) {
      let cancelled = false;
      const timer = time.at(time.nowMs() + delayMs, () =>
        deliver(timers, () => {
          if (!cancelled) run();
        }),
      );
      return {
        cancel() {
          cancelled = true;
          timer.cancel();
        },
      };
    },
  };

  return {
    name,
    clock,
    alive: () => alive,
    deliver,
    sleep: (delayMs) =>
      new Promise((resolve) => {
        time.at(time.nowMs() + delayMs, () => deliver(resolve, resolve));
      }),
    pause(durationMs) {
      pausedUntilMs = Math.max(pausedUntilMs, time.nowMs() + durationMs);
      time.at(pausedUntilMs, resume);
    },
    kill() {
      alive = false;
      waiting = [];
    },
  };
}
