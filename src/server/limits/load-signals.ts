/** Reads how busy this thread is, and how much memory the process takes. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { MemoryAccount } from "./memory-account.ts";
import type { LoadSignals } from "./overload.ts";

/** How often the delay is sampled. A sample has this interval in it. */
const SAMPLE_MS = 10;
/** Resident memory is read by a system call. */
const RESIDENT_EVERY_MS = 1_000;

export interface ObservedSignals extends LoadSignals {
  close(): void;
}

/** `residentMaxBytes`: 0, and its share is always 0. */
export function observeSignals(memory: MemoryAccount, residentMaxBytes: number): ObservedSignals {
  const delays = monitorEventLoopDelay({ resolution: SAMPLE_MS });
  delays.enable();
  let residentShare = 0;
  let readAtMs = Number.NEGATIVE_INFINITY;
  return {
    eventLoopDelayMs() {
      const delayMs = delays.count === 0 ? 0 : delays.percentile(99) / 1e6 - SAMPLE_MS;
      delays.reset();
      return delayMs;
    },
    oldestWaitMs: (nowMs, ofBusy) => memory.turns.oldestWaitMs(nowMs, ofBusy),
    isBusy: (connection) => memory.turns.isBusy(connection),
    heldShare: () => memory.total.bytes / memory.maxBytes,
    residentShare(nowMs) {
      if (residentMaxBytes > 0 && nowMs - readAtMs >= RESIDENT_EVERY_MS) {
        readAtMs = nowMs;
        residentShare = process.memoryUsage.rss() / residentMaxBytes;
      }
      return residentShare;
    },
    close: () => delays.disable(),
  };
}
