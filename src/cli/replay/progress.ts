/** The progress bar of a replay, on a terminal only. */
import { SingleBar } from "cli-progress";
import type { Terminal } from "../output/terminal.ts";
import { toCount, toShare } from "../output/text.ts";
import type { TrafficProgress } from "./traffic.ts";

export interface ProgressBar {
  update(progress: TrafficProgress): void;
  stop(): void;
}

export function createProgressBar({ stderr }: Terminal, accesses: number): ProgressBar {
  if (stderr.isTTY !== true) return { update: () => {}, stop: () => {} };
  const bar = new SingleBar({
    stream: stderr,
    format: "{bar} {percentage} % · {done} of {all} · hits {hits} · stale {stale} · {eta_formatted} left",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
    // The command handles signals itself, and restores the cursor.
    gracefulExit: false,
    fps: 10,
  });
  const toPayload = ({ accesses: done, hits, reads, stale }: TrafficProgress) => ({
    done: toCount(done),
    all: toCount(accesses),
    hits: toShare(hits, reads),
    stale: toCount(stale),
  });
  bar.start(accesses, 0, toPayload({ accesses: 0, hits: 0, reads: 0, stale: 0 }));
  return {
    update: (progress) => bar.update(progress.accesses, toPayload(progress)),
    stop: () => bar.stop(),
  };
}
