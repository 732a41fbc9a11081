/** The resident memory of a process, as Linux accounts it. */
import { readFileSync, writeFileSync } from "node:fs";

/** `VmRSS`: now. `VmHWM`: the most there ever was, or since `forgetPeak`. */
export function statusBytes(pid: number | undefined, field: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
}

/** The peak counts from now on. */
export function forgetPeak(pid: number | undefined): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}
