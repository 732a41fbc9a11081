/** Asks again and again, one call at a time, while somebody looks; slower after failures. */
import { type ReadonlySignal, signal } from "@preact/signals";
import { type Problem, toProblem } from "./problem.ts";

/** Runs `task` once, in `delayMs`. Returns what cancels it. */
export type Schedule = (task: () => void, delayMs: number) => () => void;

export const scheduleByTimer: Schedule = (task, delayMs) => {
  const timer = setTimeout(task, delayMs);
  return () => clearTimeout(timer);
};

export interface PollOptions<T> {
  readonly read: (signal: AbortSignal) => Promise<T>;
  readonly intervalMs: number;
  readonly schedule: Schedule;
}

export interface Poll<T> {
  /** The last answer. Stays when later calls fail. */
  readonly answer: ReadonlySignal<T | undefined>;
  /** Why the last call failed. Undefined: it did not. */
  readonly problem: ReadonlySignal<Problem | undefined>;
  /** Begins, and returns what ends it. */
  start(): () => void;
  /** Asks now, if it has begun. */
  refresh(): void;
}

const RETRY_MAX_MS = 5_000;

export function createPoll<T>({ read, intervalMs, schedule }: PollOptions<T>): Poll<T> {
  const answer = signal<T | undefined>();
  const problem = signal<Problem | undefined>();
  let refresh = () => {};

  function start(): () => void {
    const ending = new AbortController();
    let cancel = () => {};
    let isReading = false;
    let failures = 0;
    const ask = async (): Promise<void> => {
      isReading = true;
      try {
        const read_ = await read(ending.signal);
        if (ending.signal.aborted) return;
        answer.value = read_;
        problem.value = undefined;
        failures = 0;
      } catch (cause) {
        if (ending.signal.aborted) return;
        problem.value = toProblem(cause);
        failures += 1;
      } finally {
        isReading = false;
      }
      const delayMs =
        failures === 0 ? intervalMs : Math.max(intervalMs, Math.min(RETRY_MAX_MS, 500 * 2 ** failures));
      cancel = schedule(ask, delayMs);
    };
    refresh = () => {
      if (isReading || ending.signal.aborted) return;
      cancel();
      failures = 0;
      void ask();
    };
    void ask();
    return () => {
      cancel();
      ending.abort();
    };
  }

  return { answer, problem, start, refresh: () => refresh() };
}
