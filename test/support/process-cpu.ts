/** What a process has taken of the processor. */
import { readFileSync } from "node:fs";

/** Milliseconds of all its threads, in steps of 10: Linux counts in hundredths of a second. 0: it has ended. */
export function cpuMs(pid: number | undefined): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Behind the name, which may have anything in it, utime and stime are the 12th and 13th.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return 10 * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return 0;
  }
}
