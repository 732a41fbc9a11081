/** The pauses that this process's garbage collector made, as the runtime reports them. */
import { PerformanceObserver } from "node:perf_hooks";

export interface GcPauses {
  readonly count: number;
  readonly longestMs: number;
  readonly totalMs: number;
}

export const noGcPauses: GcPauses = { count: 0, longestMs: 0, totalMs: 0 };

export interface GcWatch {
  /** Pauses since the last call. Waits until the runtime has reported the latest. */
  take(): Promise<GcPauses>;
}

export function watchGc(): GcWatch {
  let durationsMs: number[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) durationsMs.push(entry.duration);
  });
  observer.observe({ entryTypes: ["gc"] });
  return {
    async take() {
      await new Promise((resolve) => setTimeout(resolve, 20));
      const taken = durationsMs;
      durationsMs = [];
      return {
        count: taken.length,
        longestMs: taken.reduce((longest, one) => Math.max(longest, one), 0),
        totalMs: taken.reduce((sum, one) => sum + one, 0),
      };
    },
  };
}
