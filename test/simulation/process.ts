/**
 * A simulated operating-system process on a host of its own. It has a monotonic clock with an origin of its own, and a
 * wall clock that may be set. While it is paused, its timers and incoming work wait, but its clocks go on. While its host is
 * suspended, the monotonic clock and the timers stand still too. Once it is killed, nothing in it runs.
 */
import type { Clock, Timer } from "../../src/common/clock.ts";
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
  /** Suspends the host. */
  suspend(durationMs: number): void;
  /** Somebody sets the wall clock, forth or, below 0, back. */
  setWall(byMs: number): void;
  /**
   * By how much the wall clock may have been set back, unknown to a process that compares its clocks every `pulseMs` of its
   * running time and never takes a wall time from before its last comparison for the present.
   */
  unknownSetBackMs(pulseMs: number): number;
  kill(): void;
}

/** Of the wall clocks of all hosts, when a run begins. */
const WALL_ORIGIN_MS = 1_700_000_000_000;

/** `wallStartMs`: of the wall clock of its host, when the run began. */
export function createProcess(
  name: string,
  time: VirtualTime,
  rng: Rng,
  wallStartMs = WALL_ORIGIN_MS,
): SimulatedProcess {
  // The clocks of different processes have different origins, so code that mixes two of them fails.
  const originMs = Math.floor(rng.fraction() * 1e9);
  const timers = {};
  let wallAheadMs = wallStartMs;
  /** When it stood still, and when the wall clock was set, the oldest first. */
  const stills: { readonly fromMs: number; readonly untilMs: number }[] = [];
  const wallSets: { readonly atMs: number; readonly byMs: number }[] = [];
  let suspendedMs = 0;
  let suspendedUntilMs = -1;
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

  const monotonicMs = (): number => originMs + time.nowMs() - suspendedMs;

  function standStill(durationMs: number): void {
    pausedUntilMs = Math.max(pausedUntilMs, time.nowMs() + durationMs);
    stills.push({ fromMs: time.nowMs(), untilMs: pausedUntilMs });
    time.at(pausedUntilMs, resume);
  }

  const clock: Clock = {
    nowMs: monotonicMs,
    nowMicros: () => monotonicMs() * 1_000,
    wallMs: () => wallAheadMs + time.nowMs(),
    schedule(delayMs, run) {
      let cancelled = false;
      const dueMs = monotonicMs() + delayMs;
      const wait = (): Timer => time.at(time.nowMs() + dueMs - monotonicMs(), () => deliver(timers, ring));
      const ring = (): void => {
        if (cancelled) return;
        // A suspension came between.
        if (monotonicMs() < dueMs) timer = wait();
        else run();
      };
      let timer = wait();
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
    pause: standStill,
    suspend(durationMs) {
      const untilMs = Math.max(suspendedUntilMs, time.nowMs() + durationMs);
      suspendedMs += untilMs - Math.max(suspendedUntilMs, time.nowMs());
      suspendedUntilMs = untilMs;
      standStill(durationMs);
    },
    setWall(byMs) {
      wallAheadMs += byMs;
      wallSets.push({ atMs: time.nowMs(), byMs });
    },
    unknownSetBackMs(pulseMs) {
      const nowMs = time.nowMs();
      let sincePulseMs = pulseMs;
      for (const { fromMs, untilMs } of [...stills].reverse()) {
        if (untilMs >= nowMs - sincePulseMs) sincePulseMs += Math.min(untilMs, nowMs) - fromMs;
      }
      let setBackMs = 0;
      let unknownMs = 0;
      for (const { atMs, byMs } of [...wallSets].reverse()) {
        if (atMs < nowMs - sincePulseMs) break;
        setBackMs -= byMs;
        if (setBackMs <= sincePulseMs) unknownMs = Math.max(unknownMs, setBackMs);
      }
      return unknownMs;
    },
    kill() {
      alive = false;
      waiting = [];
    },
  };
}
