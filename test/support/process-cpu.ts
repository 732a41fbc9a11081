/** What a process has taken of the processor. */
import { readdirSync, readFileSync } from "node:fs";

/** Milliseconds of all its threads, in steps of 10: Linux counts in hundredths of a second. 0: it has ended. */
export function cpuMs(pid: number | undefined): number {
  return cpuMsOf(`/proc/${pid}`);
}

/** The same of the threads that compile and collect for the others, and of those that read files. */
export function helpersCpuMs(pid: number | undefined): number {
  let sum = 0;
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const folder = `/proc/${pid}/task/${thread}`;
      if (HELPERS.test(readFileSync(`${folder}/comm`, "utf8"))) sum += cpuMsOf(folder);
    }
  } catch {
    // It has ended, or one of its threads.
  }
  return sum;
}

/** How Node names them. */
const HELPERS = /^(V8Worker|libuv-worker|DelayedTask|SignalInspector)/;

function cpuMsOf(folder: string): number {
  try {
    const stat = readFileSync(`${folder}/stat`, "utf8");
    // Behind the name, which may have anything in it, utime and stime are the 12th and 13th.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return 10 * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return 0;
  }
}
