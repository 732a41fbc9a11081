/** A progress bar on standard error, if that is a terminal. The results go to standard output. */
import { SingleBar } from "cli-progress";

export interface Progress {
  step(label: string): void;
  stop(): void;
}

const silent: Progress = { step: () => {}, stop: () => {} };

export function createProgress(steps: number): Progress {
  if (!process.stderr.isTTY) return silent;
  const bar = new SingleBar({
    format: "{bar} {percentage}% {duration_formatted} {label}",
    hideCursor: true,
    clearOnComplete: true,
    barsize: 24,
  });
  bar.start(steps, 0, { label: "" });
  return {
    step: (label) => bar.increment(1, { label }),
    stop: () => bar.stop(),
  };
}
