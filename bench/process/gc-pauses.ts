/** The pauses that this process's garbage collector makes, as the runtime reports them. */
import { GCProfiler } from "node:v8";

/**
 * Watches until the function that it returns is called: that tells the longest pause since, in milliseconds, 0 when
 * there was none. The runtime's `PerformanceObserver` would do, but its entries survive the next collection, so that a
 * server that is watched collects in full what only its watcher left behind.
 */
export function watchGc(): () => number {
  const profiler = new GCProfiler();
  profiler.start();
  return () => {
    const collections = profiler.stop()?.statistics ?? [];
    return collections.reduce((longestMs, { cost }) => Math.max(longestMs, cost / 1000), 0);
  };
}
