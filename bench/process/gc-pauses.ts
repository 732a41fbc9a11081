/** The pauses of the garbage collector in this process, as the runtime reports them. */
import { GCProfiler } from "node:v8";

/**
 * Watches until the returned function is called. That function returns the longest pause since then in milliseconds, or
 * 0. `PerformanceObserver` would work too, but its entries survive the next collection, so that the observation itself
 * would cause full collections in the server.
 */
export function watchGc(): () => number {
  const profiler = new GCProfiler();
  profiler.start();
  return () => {
    const collections = profiler.stop()?.statistics ?? [];
    return collections.reduce((longestMs, { cost }) => Math.max(longestMs, cost / 1000), 0);
  };
}
