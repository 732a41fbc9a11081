/** Tasks that a test runs when it wants to, and a clock that it moves. */
import type { Schedule } from "../../src/console/data/poll.ts";

export interface ManualSchedule {
  readonly schedule: Schedule;
  readonly nowMs: () => number;
  /** The delays of the tasks that wait, in milliseconds. */
  readonly delaysMs: () => readonly number[];
  /** Moves the clock to the next task, runs it, and lets its promises settle. */
  next(): Promise<void>;
}

export function createManualSchedule(startMs = 1_000_000): ManualSchedule {
  let nowMs = startMs;
  const tasks = new Map<() => void, number>();
  return {
    nowMs: () => nowMs,
    schedule(task, delayMs) {
      const own = () => task();
      tasks.set(own, nowMs + delayMs);
      return () => tasks.delete(own);
    },
    delaysMs: () => [...tasks.values()].map((atMs) => atMs - nowMs),
    async next() {
      const [task, atMs] = [...tasks].sort(([, a], [, b]) => a - b)[0] ?? [];
      if (task === undefined || atMs === undefined) throw new Error("no task waits");
      tasks.delete(task);
      nowMs = Math.max(nowMs, atMs);
      task();
      await settle();
    },
  };
}

/** Lets all that needs no timer happen. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
