/** The CPU time of a process, as Linux counts it. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const MICROS_A_SECOND = 1_000_000;
let ticksASecond: number | undefined;

/** User and system time of all its threads since its start, in microseconds. */
export function cpuMicros(pid: number): number {
  ticksASecond ??= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  // Behind the name, which may have blanks: state is the first field, utime the 12th and stime the 13th (proc_pid_stat(5)).
  const [, fields = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ");
  const [user = 0, system = 0] = fields.split(" ").slice(11, 13).map(Number);
  return ((user + system) * MICROS_A_SECOND) / ticksASecond;
}
